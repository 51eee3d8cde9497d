/** What goes into the native engine and comes out of it. */
import type {
  NativeAdvanceResult,
  NativeDatasetInfo,
  NativeDoctor,
  NativeLeaf,
  NativePerturbationSum,
  NativePyloModule,
  NativeTensor,
  NativeTensorSpec,
  NativeUnrollerState,
} from '../index.js'
import type { CpuName } from './config/fields.js'
import type { MetaLossConfig } from './config/metaLossConfig.js'
import type { UnrollerOptions as EngineOptions, Split } from './nativePlan.js'

export type {
  AdvancePlan,
  Carry,
  CurveJob,
  ParticlePlan,
  PerturbationTerm,
  Restart,
  Segment,
  Split,
} from './nativePlan.js'

/** What is in a data set. */
export interface DatasetInfo extends Omit<NativeDatasetInfo, 'splitLengths'> {
  /** Examples of each split. */
  splits: Record<Split, number>
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

/** A named array as bytes. */
export interface TensorBytes extends NativeTensor {
  dtype: 'F32' | 'F64' | 'U8'
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
export interface Doctor extends NativeDoctor {
  arch: string
  os: string
  cpuModel: string
}

/** Meta-losses of one truncation, one entry a planned segment, in the plan's order. */
export type AdvanceResult = NativeAdvanceResult

/** A weighted sum of perturbations. */
export type PerturbationSum = NativePerturbationSum

/** The inner problems between two truncations. */
export type UnrollerState = NativeUnrollerState

/** Name and shape of one tensor. */
export type ThetaLeaf = NativeTensorSpec

/** A named array of a weight file. */
export type WeightLeaf = NativeLeaf

/** A module of PyLO's as its two files have it. */
export type PyloModule = NativePyloModule

/** What an unroller is built from. */
export interface UnrollerOptions extends Omit<EngineOptions, 'metaLoss'> {
  /** What is measured. */
  metaLoss: MetaLossConfig
  /** Instruction set. Default `auto`. Results do not depend on it. */
  cpu?: CpuName
}
