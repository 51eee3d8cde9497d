/** What goes into the native engine and comes out of it. */
import type { CpuName } from './config/fields.js'
import type { MetaLossConfig } from './config/metaLossConfig.js'
import type { OptimizerConfig } from './config/optimizerConfig.js'
import type { TaskConfig } from './config/taskConfig.js'

/** A part of a data set. */
export type Split = 'train' | 'innerValid' | 'outerValid' | 'test'

/** What is in a data set. */
export interface DatasetInfo {
  name: string
  numExamples: number
  height: number
  width: number
  channels: number
  numClasses: number
  splits: Record<Split, number>
  /** Memory that its examples take. */
  memoryBytes: number
  /** What a person should know of it, a sentence each, such as rare classes that train lacks. */
  notes: string[]
}

/** What arrays are a data set of. */
export interface DatasetArrays {
  /** Name under which tasks refer to it. */
  name: string
  /** Examples one after another, `channels` planes of `height` rows of `width` bytes each. */
  images: Uint8Array
  /** One class for each example. */
  labels: Uint8Array | Uint16Array
  height: number
  width: number
  channels: number
  numClasses: number
  /** The label of the first class. Default 0. */
  firstLabel?: number
  /** Seed of a random order in which examples are cut into splits, for arrays sorted by class. Default: their order. */
  shuffleSeed?: number
  /** Whether splits may have classes that train lacks. Default false: examples sorted by class are refused. */
  allowUnseenClasses?: boolean
}

/** What a data set may take. */
export interface LoadOptions {
  /** Most bytes of memory; what would take more is refused as soon as that is known. Default 8 GiB. */
  maxMemoryBytes?: number
}

/** Name and shape of one tensor. */
export interface ThetaLeaf {
  name: string
  shape: number[]
}

/** How long work is watched and stopped. */
export interface JobOptions {
  /** CPU threads, at least 1. Default: as many as the machine has. Results do not depend on it. */
  threads?: number
  /** Instruction set. Default `auto`. Results do not depend on it. */
  cpu?: CpuName
  /** Most bytes of memory that data sets and jobs may take, by an estimate. Default 8 GiB. */
  maxMemoryBytes?: number
  /** Stops the work within one inner step. */
  signal?: AbortSignal
  /** Called about ten times a second, in inner steps. What it throws stops the work and rejects the call. */
  onProgress?: (progress: { done: number; total: number }) => void
}

/** One training run. */
export interface CurveJob {
  task: TaskConfig
  optimizer: OptimizerConfig
  /** Which of the thetas, for a learned optimizer. */
  theta?: number
  seed: number
  /** Runs of one seed and task that differ in initial params and minibatches. */
  replica: number
  innerSteps: number
  evalEvery: number
  evalBatches: number
  splits: Split[]
}

/** A finished run. */
export interface Curve {
  /** Inner steps of the evaluations: 0, `evalEvery`, … and the last. */
  steps: Float64Array
  /** Mean losses; infinite once the run has diverged. */
  losses: Partial<Record<Split, Float64Array>>
  /** Mean normalised minibatch loss before each update. */
  meanTrainLoss: number
  status: 'ok' | 'diverged'
}

/** What a particle keeps after a truncation: both halves, or one state that the next pair starts from. */
export type Carry = 'both' | 'unperturbed' | 'pos'

/** One truncation of the planned particles. */
export interface AdvancePlan {
  std: number
  particles: ParticlePlan[]
}

/** One particle's part of a plan. */
export interface ParticlePlan {
  particle: number
  segments: Segment[]
}

/** Inner steps under one perturbation, measured together. */
export interface Segment {
  innerSteps: number
  /** Number of the perturbation within the particle's stream; none: both halves run under theta itself. */
  perturbation?: number
  restart?: Restart
}

/** A new inner problem of `numSteps` inner steps. `episode`, and `instance` if it is not the particle, name its randomness. */
export interface Restart {
  task: TaskConfig
  episode: number
  numSteps: number
  instance?: number
}

/** Meta-losses of one truncation, one entry a planned segment, in the plan's order. */
export interface AdvanceResult {
  pos: Float64Array
  neg: Float64Array
  /** Bit 1: the positive half has diverged; bit 2: the negative one. */
  diverged: Uint8Array
}

/** `weight` times the sum of a particle's perturbations `first..=last`. */
export interface PerturbationTerm {
  particle: number
  first: number
  last: number
  weight: number
}

/** A weighted sum of perturbations. */
export interface PerturbationSum {
  sum: Float32Array
  /** Sum of the squared norms of the terms. */
  squares: number
}

/** The inner problems between two truncations. */
export interface UnrollerState {
  description: string
  numbers: Float32Array
}

/** What an unroller is built from. */
export interface UnrollerOptions {
  optimizer: OptimizerConfig
  seed: number
  numParticles: number
  threads: number
  /** Instruction set. Default `auto`. Results do not depend on it. */
  cpu?: CpuName
  carry: Carry
  metaLoss: MetaLossConfig
  /** Leaves of theta that are not perturbed. Default: none. */
  frozen?: string[]
  /** Most bytes of memory that data sets and inner problems may take, by an estimate. Default 8 GiB. */
  maxMemoryBytes?: number
}

/** A named array as bytes. */
export interface TensorBytes {
  name: string
  shape: number[]
  dtype: 'F32' | 'F64' | 'U8'
  data: Uint8Array
}

/** A named array of a weight file. */
export interface WeightLeaf extends ThetaLeaf {
  data: Float32Array
}

/** A module of PyLO's as its two files have it. */
export interface PyloModule {
  /** Where the files are inside the target; empty: there. */
  directory: string
  /** Text of `config.json`. */
  config: string
  /** Bytes of `model.safetensors`. */
  weights: Uint8Array
}

/** Offsets of the decays of `adafac_mlp`. */
export interface DecayOffsets {
  /** Of the momenta, decay 0.9 first. */
  momentum: [number, number, number]
  /** Of the second moment. */
  rms: [number]
  /** Of the factored second moments, decay 0.9 first. */
  adafactor: [number, number, number]
}

/** What leaves tell of their optimizer. */
export interface InferredOptimizer {
  /** Name and sizes. */
  config: Record<string, unknown>
  /** Options that leaves cannot tell and that weights were trained for, with what they may be. */
  choices: { option: string; values: string }[]
}

/** What this machine and build have. */
export interface Doctor {
  version: string
  arch: string
  os: string
  cpuModel: string
  cpuFeatures: string[]
  /** Instruction set that the engine uses. */
  backend: string
  /** All that it could use on this machine, best first. */
  backends: string[]
  threads: number
  profile: string
}
