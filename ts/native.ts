/**
 * The native engine, typed: the only module that imports the addon. Options cross as JSON, numbers as typed arrays;
 * errors come out as {@link OuterloopError}, aborts as the signal's reason.
 */
import { availableParallelism, cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { types } from 'node:util'
import { z } from 'zod'
import * as addon from '../index.js'
import {
  bundledDatasets,
  type DatasetSpec,
  datasetName,
  datasetSpecSchema,
  exampleOrder,
  firstLabel,
} from './config/datasetSpec.js'
import { type CpuName, integer, MAX_MEMORY_BYTES, memoryBytes, unchecked } from './config/fields.js'
import type { OptimizerConfig } from './config/optimizerConfig.js'
import { parseWith } from './config/parse.js'
import { given } from './config/taken.js'
import type { TaskConfig } from './config/taskConfig.js'
import { OuterloopError } from './errors.js'
import { codeOf, guarded, notConstructed, settled, toOuterloopError, wrongType } from './nativeErrors.js'
import type {
  AdvancePlan,
  AdvanceResult,
  Curve,
  CurveJob,
  DatasetArrays,
  DatasetInfo,
  DecayOffsets,
  Doctor,
  InferredOptimizer,
  JobOptions,
  LoadOptions,
  PerturbationSum,
  PerturbationTerm,
  PyloModule,
  TensorBytes,
  ThetaLeaf,
  UnrollerOptions,
  UnrollerState,
  WeightLeaf,
} from './nativeTypes.js'

export type * from './nativeTypes.js'

/** An immutable data set in native memory; freed with the object. */
export class Dataset {
  /** What is in it. */
  readonly info: DatasetInfo
  /** @internal */
  readonly native: addon.NativeDataset
  readonly #isDataset = true

  /** @internal Use {@link loadDataset} or {@link datasetFromArrays}. */
  constructor(native: addon.NativeDataset) {
    if (types.isProxy(native) || !(native instanceof addon.NativeDataset))
      throw notConstructed('Dataset', 'loadDataset or datasetFromArrays')
    this.native = native
    guarded(() => native.watch())
    const { splitLengths, ...rest } = native.info()
    const [train = 0, innerValid = 0, outerValid = 0, test = 0] = splitLengths
    this.info = { ...rest, splits: { train, innerValid, outerValid, test } }
  }

  /** @internal Whether a value is one. */
  static isDataset(value: unknown): value is Dataset {
    return typeof value === 'object' && value !== null && #isDataset in value && value.#isDataset
  }

  /** @internal Tells its content from any other with near certainty. */
  fingerprint(): string {
    return this.native.fingerprint()
  }
}

/** A lock on a file, which the system takes back when the process ends. The file is made if it is not there. */
export class FileLock implements Disposable {
  readonly #native: addon.NativeFileLock

  /** Tries to take it. */
  constructor(path: string) {
    this.#native = new addon.NativeFileLock(path)
  }

  /** Whether this object has the lock. */
  get isHeld(): boolean {
    return this.#native.isHeld()
  }

  /** The process that has it instead, where that can be told. */
  get holder(): number | undefined {
    return this.#native.holder() ?? undefined
  }

  /** What the system said if no file can be locked there. */
  get problem(): string | undefined {
    return this.#native.problem() ?? undefined
  }

  /** Gives the lock back. */
  [Symbol.dispose](): void {
    this.#native.close()
  }
}

/**
 * Loads a data set from files, or one of the package's own.
 *
 * @param options - `maxMemoryBytes`: see {@link LoadOptions}.
 * @throws {OuterloopError} `DATA_INVALID` naming file, byte and expectation, also where the set takes more memory than
 *  allowed or is sorted by class; `INVALID_OPTION` for a wrong spec.
 */
export async function loadDataset(spec: DatasetSpec, options: LoadOptions = {}): Promise<Dataset> {
  const checked = parseWith(datasetSpecSchema, spec, 'spec')
  const limit = parseMemory(options)
  const dir = fileURLToPath(new URL('../data', import.meta.url))
  const complete = checked.kind === 'bundled' ? { ...checked, dir } : checked
  return new Dataset(await settled(addon.loadDataset(JSON.stringify(complete), limit)))
}

/** The package's data sets of the given names, and the given specs; all together may take `maxMemoryBytes`. */
export async function loadDatasets(
  names: Iterable<string>,
  specs: readonly DatasetSpec[],
  options: LoadOptions = {},
): Promise<Dataset[]> {
  const own = new Set(specs.map((spec) => spec.name))
  const bundled = bundledDatasets.filter((name) => new Set(names).has(name) && !own.has(name))
  const all = [...specs, ...bundled.map((name) => ({ kind: 'bundled', name }) as const)]
  let left = parseMemory(options)
  const loaded: Dataset[] = []
  for (const spec of all) {
    const dataset = await loadDataset(spec, { maxMemoryBytes: Math.max(1, left) })
    left -= dataset.info.memoryBytes
    loaded.push(dataset)
  }
  return loaded
}

/**
 * A data set from bytes in memory, which are copied.
 *
 * @param arrays - The examples, and in which order they are split.
 * @param options - `maxMemoryBytes`: see {@link LoadOptions}.
 * @throws {OuterloopError} `DATA_INVALID` if the lengths do not agree, a label is no class, examples are sorted by class, or
 *  the set takes more memory than allowed; `INVALID_OPTION` for a wrong option.
 */
export function datasetFromArrays(arrays: DatasetArrays, options: LoadOptions = {}): Dataset {
  const { images: pixels, labels: classes, ...described } = parseWith(arraysSchema, arrays, 'arrays')
  const [images, labels] = [given(pixels), given(classes)]
  const limit = parseMemory(options)
  if (!types.isUint8Array(images)) throw wrongType('images', 'Uint8Array', images)
  if (!types.isUint8Array(labels) && !types.isUint16Array(labels)) {
    throw wrongType('labels', 'Uint8Array or Uint16Array', labels)
  }
  return new Dataset(
    guarded(() =>
      addon.datasetFromArrays(images, Uint16Array.from(labels), JSON.stringify(described), limit),
    ),
  )
}

/** What `images` and `labels` are is told with another code, beside the call. */
const arraysSchema = z.strictObject({
  name: datasetName(),
  images: unchecked(),
  labels: unchecked(),
  height: integer(1, 2 ** 16),
  width: integer(1, 2 ** 24),
  channels: integer(1, 2 ** 16),
  numClasses: integer(2, 1000),
  firstLabel,
  ...exampleOrder,
})

const loadOptionsSchema = z.strictObject({ maxMemoryBytes: memoryBytes().default(MAX_MEMORY_BYTES) })

function parseMemory(options: LoadOptions): number {
  return parseWith(loadOptionsSchema, options).maxMemoryBytes
}

/** Words `start..start + count` of the random stream that (seed, purpose, path) names. */
export function randomWords(
  seed: number,
  purpose: number,
  path: number[],
  start: number,
  count: number,
): Uint32Array {
  const skip = start % 4
  return guarded(() => addon.randomWords(seed, purpose, path, (start - skip) / 4, skip + count)).subarray(
    skip,
  )
}

/** Elements of a tensor; 1 for a scalar. */
export function numElements({ shape }: ThetaLeaf): number {
  return shape.reduce((n, d) => n * d, 1)
}

/** Leaves of an optimizer's theta, in flat order; empty for a hand-designed optimizer. */
export function thetaLayout(optimizer: OptimizerConfig): ThetaLeaf[] {
  return guarded(() => addon.thetaLayout(JSON.stringify(optimizer)))
}

/** Names and shapes of an optimizer's state for parameters of the given shapes. */
export function stateLayout(optimizer: OptimizerConfig, params: readonly ThetaLeaf[]): ThetaLeaf[] {
  return guarded(() => addon.stateLayout(JSON.stringify(optimizer), [...params]))
}

/** Candidate `index` of the first thetas that `seed` names. */
export function initTheta(optimizer: OptimizerConfig, seed: number, index: number): Float32Array {
  return guarded(() => addon.initTheta(JSON.stringify(optimizer), seed, index))
}

/** theta + ε for the perturbation that (seed, particle, perturbation) names, ε ~ N(0, std²). */
export function perturbedTheta(
  theta: Float32Array,
  seed: number,
  particle: number,
  perturbation: number,
  std: number,
): Float32Array {
  return guarded(() => addon.perturbedTheta(theta, seed, particle, perturbation, std))
}

/** Parameter tensors of a task, and their number of elements. */
export function describeTask(
  task: TaskConfig,
  datasets: Dataset[],
): { params: ThetaLeaf[]; numParams: number } {
  const handles = datasets.map((dataset) => dataset.native)
  const params = guarded(() => addon.taskParams(JSON.stringify(task), handles))
  const numParams = params.reduce((sum, leaf) => sum + numElements(leaf), 0)
  return { params, numParams }
}

/**
 * Trains every job from its start, and evaluates along the way.
 *
 * @throws {OuterloopError} `INVALID_OPTION` for a wrong job or option, `DEVICE_UNAVAILABLE` if this machine lacks the
 *  instruction set that `cpu` names.
 */
export async function runCurves(
  jobs: CurveJob[],
  thetas: Float32Array[],
  datasets: Dataset[],
  options: JobOptions = {},
): Promise<Curve[]> {
  const { threads = availableParallelism(), cpu, maxMemoryBytes } = options
  const total = jobs.reduce((sum, job) => sum + job.innerSteps, 0)
  const handles = datasets.map((dataset) => dataset.native)
  const curves = await watched(options, total, (token, onDone) =>
    addon.runCurves(
      JSON.stringify(jobs),
      thetas,
      handles,
      { threads, ...(cpu !== undefined && { cpu }), ...(maxMemoryBytes !== undefined && { maxMemoryBytes }) },
      token,
      onDone,
    ),
  )
  return curves.map(({ steps, losses, meanTrainLoss, isDiverged }, i) => ({
    steps,
    losses: Object.fromEntries(jobs[i]!.splits.map((split, s) => [split, losses[s]!])),
    meanTrainLoss,
    status: isDiverged ? 'diverged' : 'ok',
  }))
}

/** Runs antithetic pairs of inner problems, truncation by truncation, on its own threads. */
export class Unroller implements Disposable {
  readonly #native: addon.NativeUnroller

  /**
   * @throws {OuterloopError} `INVALID_OPTION` if an option is out of range, `DEVICE_UNAVAILABLE` if this machine lacks
   *  the instruction set that `cpu` names.
   */
  constructor({ cpu, metaLoss, ...options }: UnrollerOptions, datasets: Dataset[]) {
    const handles = datasets.map((dataset) => dataset.native)
    const { every, ...rest } = { every: 1, ...metaLoss }
    const measured = { ...rest, ...(every !== 'end' && { every }) }
    const json = JSON.stringify({ ...options, metaLoss: measured })
    this.#native = guarded(() => new addon.NativeUnroller(json, handles, cpu))
  }

  /**
   * Runs one truncation under theta ± ε. After an error or an abort every particle is as it was before the call.
   *
   * @throws {OuterloopError} `SHAPE_MISMATCH` if theta does not fit, `INVALID_OPTION` for a wrong plan or while another
   *  call is under way, `CLOSED` after {@link Unroller.close}.
   */
  async advance(theta: Float32Array, plan: AdvancePlan, options: JobOptions = {}): Promise<AdvanceResult> {
    if (!types.isFloat32Array(theta)) throw wrongType('theta', 'Float32Array', theta)
    const segments = plan.particles.flatMap((part) => part.segments)
    const total = 2 * segments.reduce((sum, { innerSteps }) => sum + innerSteps, 0)
    return watched(options, total, (token, onDone) =>
      this.#native.advance(theta, JSON.stringify(plan), token, onDone),
    )
  }

  /** `std` times the weighted sum of the perturbations that the terms name; those of a particle stand together. */
  async sumPerturbations(std: number, terms: PerturbationTerm[]): Promise<PerturbationSum> {
    return settled(this.#native.sumPerturbations(std, JSON.stringify(terms)))
  }

  /** The inner problems as they are now. */
  saveState(): UnrollerState {
    return guarded(() => this.#native.saveState())
  }

  /** @throws {OuterloopError} `CHECKPOINT_INVALID` if the state is of another unroller. */
  loadState({ description, numbers }: UnrollerState): void {
    guarded(() => this.#native.loadState(description, numbers))
  }

  /** Frees the native memory. May be called twice. */
  close(): void {
    this.#native.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** An optimizer and its theta in native memory. */
export class NativeOptimizerHandle {
  readonly #native: addon.NativeOptimizer

  /** @throws {OuterloopError} `SHAPE_MISMATCH` if theta does not fit. */
  constructor(config: OptimizerConfig, theta: Float32Array) {
    if (!types.isFloat32Array(theta)) throw wrongType('theta', 'Float32Array', theta)
    this.#native = guarded(() => new addon.NativeOptimizer(JSON.stringify(config), theta))
  }

  /** What it wants to be told. */
  needs(): { loss: boolean; numSteps: boolean; validEvery?: number } {
    return this.#native.needs()
  }

  /** A copy of theta. */
  theta(): Float32Array {
    return this.#native.theta()
  }

  /** The optimizer for tensors of the given shapes. */
  init(
    leaves: readonly ThetaLeaf[],
    params: Float32Array[],
    options: { numSteps?: number | undefined; nonFinite: string; threads: number; cpu?: CpuName | undefined },
  ): NativeAppliedHandle {
    return guarded(
      () => new NativeAppliedHandle(this.#native.init([...leaves], params, JSON.stringify(options))),
    )
  }
}

/** State of an optimizer in native memory. */
export class NativeAppliedHandle {
  readonly #native: addon.NativeApplied

  constructor(native: addon.NativeApplied) {
    this.#native = native
    guarded(() => native.watch())
  }

  /** Whether a value is one. */
  static isHandle(value: unknown): value is NativeAppliedHandle {
    return typeof value === 'object' && value !== null && #native in value
  }

  /** One step, in place. */
  step(
    params: Float32Array[],
    grads: (Float32Array | undefined)[],
    [loss, validLoss]: [number | undefined, number | undefined],
    scale: number,
  ): { isApplied: boolean; numZeroed: number; numHeld: number } {
    return guarded(() => this.#native.step(params, grads, loss, validLoss, scale))
  }

  /** A step with what was gathered; `leavesAlone`: only of tensors of which there is something. */
  flush(
    params: Float32Array[],
    scale: number,
    leavesAlone: boolean,
  ): { isApplied: boolean; numZeroed: number; numHeld: number } {
    return guarded(() => this.#native.flush(params, scale, leavesAlone))
  }

  /** Updates done. */
  iteration(): number {
    return guarded(() => this.#native.iteration())
  }

  /** Updates that there will be; 0 if nobody said. */
  numSteps(): number {
    return guarded(() => this.#native.numSteps())
  }

  /** The numbers of the state. */
  save(): Float32Array {
    return guarded(() => this.#native.save())
  }

  /** Takes over what `save` gave. */
  load(data: Float32Array, iteration: number, numSteps: number): void {
    guarded(() => this.#native.load(data, iteration, numSteps))
  }

  /** Frees the memory. */
  close(): void {
    this.#native.close()
  }
}

/** Name of the one metadata entry: several would be written in no fixed order. */
const METADATA_KEY = 'outerloop'

/** The bytes of a safetensors file; equal input gives equal bytes. */
export function encodeTensors(tensors: TensorBytes[], metadata: Record<string, string>): Uint8Array {
  return guarded(() => addon.encodeTensors(tensors, METADATA_KEY, JSON.stringify(metadata)))
}

/** @throws {OuterloopError} `CHECKPOINT_INVALID` if the bytes are no safetensors file. */
export function decodeTensors(bytes: Uint8Array): {
  tensors: TensorBytes[]
  metadata: Record<string, string>
} {
  const { tensors, metadata } = guarded(() => addon.decodeTensors(bytes))
  try {
    const own: unknown = JSON.parse(metadata[METADATA_KEY] ?? '{}')
    return { tensors: tensors as TensorBytes[], metadata: own as Record<string, string> }
  } catch (cause) {
    throw new OuterloopError('CHECKPOINT_INVALID', 'safetensors: expected JSON metadata', { cause })
  }
}

/**
 * Whether this package wrote a safetensors file.
 *
 * @throws {OuterloopError} `CHECKPOINT_INVALID` if its header is damaged.
 */
export function isOwnTensorFile(bytes: Uint8Array): boolean {
  return guarded(() => METADATA_KEY in addon.tensorMetadata(bytes))
}

/**
 * The leaves of a safetensors file of any program, and what was done to their numbers.
 *
 * @throws {OuterloopError} `CHECKPOINT_INVALID` if it is damaged, or its numbers are none that f32 can be made of.
 */
export function readSafetensors(bytes: Uint8Array): { leaves: WeightLeaf[]; notes: string[] } {
  return guarded(() => addon.readSafetensors(bytes))
}

/** @throws {OuterloopError} `CHECKPOINT_INVALID` if the bytes are no theta as flax writes it. */
export function readFlax(bytes: Uint8Array): WeightLeaf[] {
  return guarded(() => addon.readFlax(bytes))
}

/** The bytes of theta as flax writes it. */
export function writeFlax(optimizer: OptimizerConfig, theta: Float32Array): Uint8Array {
  return guarded(() => addon.writeFlax(JSON.stringify(optimizer), theta))
}

/** Those that PyLO's `AdafacLO_naive` has by default. */
export function muloDecayOffsets(): DecayOffsets {
  return JSON.parse(guarded(() => addon.muloDecayOffsets())) as DecayOffsets
}

/** @throws {OuterloopError} `CHECKPOINT_INVALID` if the modules are not PyLO's, or not whole. */
export function readPylo(modules: PyloModule[], decays?: DecayOffsets): WeightLeaf[] {
  return guarded(() => addon.readPylo(modules, decays && JSON.stringify(decays)))
}

/** A learned optimizer as PyLO's modules, with the call of the constructor that they need and what PyLO does otherwise. */
export function writePylo(
  optimizer: OptimizerConfig,
  theta: Float32Array,
  directory: string,
): { modules: PyloModule[]; notes: string[] } {
  return guarded(() => addon.writePylo(JSON.stringify(optimizer), theta, directory))
}

/**
 * Flat theta from its leaves, in any order.
 *
 * @throws {OuterloopError} `CHECKPOINT_INVALID` listing the leaves that are missing, unexpected or of another shape.
 */
export function flatTheta(optimizer: OptimizerConfig, leaves: WeightLeaf[]): Float32Array {
  return guarded(() => addon.flatTheta(JSON.stringify(optimizer), leaves))
}

/** Looks at names and shapes of leaves. `dead`: those that no step depends on. */
export function inferOptimizer(leaves: ThetaLeaf[]): { inferred?: InferredOptimizer; dead: string[] } {
  const { optimizer, dead } = guarded(() => addon.inferOptimizer(leaves))
  if (optimizer === undefined) return { dead }
  const { config, choices } = JSON.parse(optimizer) as InferredOptimizer
  const { name, ...rest } = config
  return { inferred: { config: { name, ...rest }, choices }, dead }
}

/** Version of the native build. */
export function engineVersion(): string {
  return addon.engineVersion()
}

/**
 * Looks at the machine.
 *
 * @param options - `cpu`: the option whose `backend` is told. Default `auto`.
 * @throws {OuterloopError} `INVALID_OPTION` if `cpu` or the environment variable `OUTERLOOP_CPU` names no instruction
 *  set, `DEVICE_UNAVAILABLE` if this machine lacks it.
 */
export function doctor({ cpu }: { cpu?: CpuName } = {}): Doctor {
  const facts = guarded(() => addon.doctor(cpu))
  return {
    ...facts,
    arch: process.arch,
    os: process.platform,
    cpuModel: cpus()[0]?.model.trim() ?? 'unknown',
  }
}

/**
 * Runs a job that `signal` stops, and `onProgress` if it fails; the rejection is then the signal's reason, or what
 * `onProgress` has thrown.
 */
async function watched<T>(
  { signal, onProgress }: Pick<JobOptions, 'signal' | 'onProgress'>,
  total: number,
  start: (token: addon.NativeCancelToken, onDone?: (done: number) => void) => Promise<T>,
): Promise<T> {
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    const message = `expected \`onProgress\` to be a function, got ${typeof onProgress}`
    throw new OuterloopError('INVALID_OPTION', message)
  }
  signal?.throwIfAborted()
  const token = new addon.NativeCancelToken()
  const failures: unknown[] = []
  let isOver = false
  const fail = (error: unknown) => {
    failures.push(error)
    token.cancel()
  }
  // Called from the addon, where nobody could catch what it throws.
  const onDone = (done: number) => {
    if (isOver || failures.length > 0) return
    try {
      // It may be asynchronous, though nobody waits for it.
      Promise.resolve(onProgress?.({ done, total })).catch(fail)
    } catch (error) {
      fail(error)
    }
  }
  const onAbort = () => token.cancel()
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    const result = await start(token, onProgress && onDone)
    if (failures.length === 0) return result
  } catch (error) {
    if (failures.length === 0) {
      if (signal?.aborted && codeOf(error) === 'ABORTED') throw signal.reason
      throw toOuterloopError(error)
    }
  } finally {
    isOver = true
    signal?.removeEventListener('abort', onAbort)
  }
  throw failures[0]
}
