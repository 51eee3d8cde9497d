/**
 * The outer loop: takes a gradient from its source, clips it and moves theta.
 *
 * All state is in {@link TrainerState}: what a checkpoint holds, and all that a resumed run needs for the same bits.
 */

import { z } from 'zod'
import { bundledDatasets } from '../config/datasetSpec.js'
import { abortSignal } from '../config/fields.js'
import { deepFreeze } from '../config/freeze.js'
import { parseWith } from '../config/parse.js'
import { parseWithGiven, type TrainConfig, type TrainConfigInput } from '../config/trainConfig.js'
import { datasetList } from '../engine.js'
import { createEstimator } from '../es/registry.js'
import { cosine, norm } from '../es/vectors.js'
import {
  type Dataset,
  doctor,
  type JobOptions,
  loadDatasets,
  numElements,
  type ThetaLeaf,
  thetaLayout,
} from '../native.js'
import { notConstructed } from '../nativeErrors.js'
import { taskFamilies } from '../tasks/families.js'
import { LocalTransport } from '../transport/local.js'
import type { Transport } from '../transport/transport.js'
import { GradientAccumulator } from './accumulator.js'
import { clipGradient } from './clip.js'
import { type Frozen, frozenLeaves } from './frozenLeaves.js'
import { describeGiven, takeGiven } from './givenDatasets.js'
import type { GradientSource, SourcedGradient } from './gradientSource.js'
import { createGradientSource } from './gradientSources.js'
import { heldOutLoss } from './heldOut.js'
import type { OuterOptimizer } from './optimizers/outerOptimizer.js'
import { createOuterOptimizer } from './optimizers/registry.js'
import { chooseStart } from './start.js'
import type { StepRecord } from './stepRecord.js'
import { updateAverage } from './thetaAverage.js'
import type { BestTheta, TrainerFacts, TrainerState } from './trainerState.js'
import { arraysNamed, prefixed } from './trainerState.js'
import { parseTrainerState } from './trainerStateSchema.js'

/** How a run is watched and stopped. */
export interface RunOptions {
  /** Aborts at once: the iteration throws the signal's reason, and the state is that after the last whole step. */
  signal?: AbortSignal | undefined
  /** Ends the iteration after the current outer step. */
  stopSignal?: AbortSignal | undefined
}

const restoreOptionsSchema = z.strictObject({ datasets: datasetList().default([]) })

const createOptionsSchema = z.strictObject({
  ...restoreOptionsSchema.shape,
  signal: abortSignal().optional(),
})

const runOptionsSchema = z.strictObject({
  signal: abortSignal().optional(),
  stopSignal: abortSignal().optional(),
})

/** Of trainers that {@link Trainer.create} and {@link Trainer.restore} make. */
const own = new WeakSet<Parts>()

/** The parts of a trainer. */
interface Parts {
  config: TrainConfig
  datasets: Dataset[]
  frozen: Frozen
  transport: Transport
  source: GradientSource
  outerOptimizer: OuterOptimizer
  accumulator: GradientAccumulator
  facts: Omit<TrainerFacts, 'source' | 'outerOptimizer' | 'accumulated' | 'unroller'>
  theta: Float32Array
  average: Float32Array
  lastGrad: Float32Array
  best: Float32Array
}

/** A meta-training run in memory. */
export class Trainer implements Disposable {
  readonly #parts: Parts
  readonly #leaves: ThetaLeaf[]
  /** The record of a step whose evaluation was aborted: it comes first when the run goes on. */
  #unevaluated: StepRecord | undefined

  private constructor(parts: Parts) {
    if (!own.has(parts)) throw notConstructed('Trainer', 'Trainer.create or Trainer.restore')
    this.#parts = parts
    this.#leaves = thetaLayout(parts.config.optimizer)
  }

  /**
   * A fresh run: loads the data and chooses the start.
   *
   * @param input - As for {@link train}. It is copied.
   * @param options - `datasets`: data sets in memory that tasks may name.
   * @throws {OuterloopError} `INVALID_OPTION`, `DATA_INVALID`, `DEVICE_UNAVAILABLE` or `CHECKPOINT_INVALID`, as `train`.
   */
  static async create(
    input: TrainConfigInput,
    options: { signal?: AbortSignal | undefined; datasets?: readonly Dataset[] | undefined } = {},
  ): Promise<Trainer> {
    const { signal, datasets: given } = parseWith(createOptionsSchema, options)
    const config = deepFreeze(parseWithGiven(input, describeGiven(given)))
    signal?.throwIfAborted()
    const datasets = await datasetsOf(config, given)
    const job = jobOptions(config, signal)
    const { theta, meanLoss, innerSteps } = await chooseStart(config, datasets, job)
    const frozen = frozenLeaves(config.optimizer, config.freeze)
    const transport = localTransport(config, datasets, frozen)
    return Trainer.#of({
      config,
      datasets,
      frozen,
      transport,
      source: createGradientSource(config, transport),
      outerOptimizer: await createOuterOptimizer(config, frozen.ranges, theta),
      accumulator: new GradientAccumulator(config.accumulate, theta.length),
      facts: { outerStep: 0, innerSteps, startLoss: meanLoss, bestLoss: null, bestOuterStep: 0 },
      theta,
      average: theta.slice(),
      lastGrad: new Float32Array(theta.length),
      best: theta.slice(),
    })
  }

  /**
   * A run as it was when `state` was taken.
   *
   * @param input - The config of that run.
   * @param options - `datasets`: the data sets in memory that the run began with.
   * @param state - What {@link Trainer.state} gave. It is copied.
   * @throws {OuterloopError} `CHECKPOINT_INVALID` if the state is not that of a run of this config; else as `create`.
   */
  static async restore(
    input: TrainConfigInput,
    state: TrainerState,
    options: { datasets?: readonly Dataset[] | undefined } = {},
  ): Promise<Trainer> {
    const { datasets: given } = parseWith(restoreOptionsSchema, options)
    const config = deepFreeze(parseWithGiven(input, describeGiven(given)))
    const thetaLength = thetaLayout(config.optimizer).reduce((sum, leaf) => sum + numElements(leaf), 0)
    const { facts, arrays } = parseTrainerState(config, state, thetaLength)
    const datasets = await datasetsOf(config, given)
    const frozen = frozenLeaves(config.optimizer, config.freeze)
    const { unroller, source, outerOptimizer, accumulated, ...rest } = facts
    const transport = localTransport(config, datasets, frozen)
    transport.loadState({ description: unroller, numbers: arrays.unroller! })
    const theta = arrays.theta!
    const saved = { facts: outerOptimizer, arrays: arraysNamed(arrays, 'outerOptimizer/') }
    const sum = arrays['accumulator/sum']
    return Trainer.#of({
      config,
      datasets,
      frozen,
      transport,
      source: createGradientSource(config, transport, source),
      outerOptimizer: await createOuterOptimizer(config, frozen.ranges, theta, saved),
      accumulator: new GradientAccumulator(
        config.accumulate,
        theta.length,
        sum && { sum, count: accumulated },
      ),
      facts: rest,
      theta,
      average: arrays.average!,
      lastGrad: arrays.lastGrad!,
      best: arrays.best!,
    })
  }

  static #of(parts: Parts): Trainer {
    own.add(parts)
    return new Trainer(parts)
  }

  /** The config of the run, every default filled in. It cannot be changed. */
  get config(): TrainConfig {
    return this.#parts.config
  }

  /** What a person should know of the data sets, a sentence each. */
  get notes(): string[] {
    return this.#parts.datasets.flatMap(({ info }) => info.notes)
  }

  /** Threads of the engine. */
  get threads(): number {
    return threadsOf(this.config)
  }

  /** Outer steps done. */
  get outerStep(): number {
    return this.#parts.facts.outerStep
  }

  /** Inner steps done, over all lanes. */
  get innerSteps(): number {
    return this.#parts.facts.innerSteps
  }

  /** Mean train loss of the start. */
  get startLoss(): number {
    return this.#parts.facts.startLoss
  }

  /** The trained theta: the moving average. A copy. */
  get theta(): Float32Array {
    return this.#parts.average.slice()
  }

  /** The theta with the lowest loss on the tasks of `evaluation` so far. Undefined before the first measurement. */
  get best(): BestTheta | undefined {
    const { bestLoss, bestOuterStep } = this.#parts.facts
    if (bestLoss === null) return undefined
    return { theta: this.#parts.best.slice(), heldOutLoss: bestLoss, outerStep: bestOuterStep }
  }

  /** The state, copied. */
  state(): TrainerState {
    const { facts, source, outerOptimizer, accumulator, transport, theta, average, lastGrad, best } =
      this.#parts
    const unroller = transport.saveState()
    const outer = outerOptimizer.state()
    const { sum, count } = accumulator.state()
    return {
      facts: {
        ...facts,
        source: source.state(),
        outerOptimizer: outer.facts,
        accumulated: count,
        unroller: unroller.description,
      },
      arrays: {
        theta: theta.slice(),
        average: average.slice(),
        lastGrad: lastGrad.slice(),
        best: best.slice(),
        ...prefixed('outerOptimizer/', outer.arrays),
        ...(count > 0 && { 'accumulator/sum': sum }),
        unroller: unroller.numbers,
      },
    }
  }

  /**
   * Runs up to the config's `outerSteps`.
   *
   * @throws The reason of `signal` when it fires; the trainer can go on afterwards.
   * @example
   * for await (const step of trainer.run()) console.log(step.outerStep, step.metaLoss)
   */
  run(options: RunOptions = {}): AsyncGenerator<StepRecord, void, void> {
    return this.#run(parseWith(runOptionsSchema, options))
  }

  async *#run({ signal, stopSignal }: RunOptions): AsyncGenerator<StepRecord, void, void> {
    const { facts } = this.#parts
    const isOver = () => facts.outerStep >= this.config.outerSteps || stopSignal?.aborted === true
    while (this.#unevaluated !== undefined || !isOver()) {
      this.#unevaluated ??= await this.#step(signal)
      const record = await this.#evaluated(this.#unevaluated, signal)
      this.#unevaluated = undefined
      yield record
    }
  }

  async #step(signal: AbortSignal | undefined): Promise<StepRecord> {
    const start = performance.now()
    const { config, facts, theta } = this.#parts
    const { outerStep } = facts
    const sourced = await this.#parts.source.next(theta, outerStep, signal)
    const outerStart = performance.now()
    const { grad, meanLoss, familyLosses, info, innerSteps } = sourced
    const gradientNorm = clipGradient(config.clip, grad, this.#leaves)
    const gradientCosine = cosine(grad, this.#parts.lastGrad)
    this.#parts.lastGrad.set(grad)
    const { lr, updateNorm } = this.#move(grad, outerStep, meanLoss)
    updateAverage(this.#parts.average, theta, config.thetaAverage, outerStep + 1)
    facts.outerStep += 1
    facts.innerSteps += innerSteps
    const end = performance.now()
    const seconds = (end - start) / 1000
    return {
      outerStep: outerStep + 1,
      metaLoss: meanLoss,
      ...('families' in config.tasks && { familyLosses: named(config, familyLosses) }),
      gradientNorm,
      gradientCosine,
      signalToNoise: info.signalToNoise,
      thetaNorm: norm(theta),
      updateNorm,
      lr,
      numDiverged: info.numDiverged,
      numNonFinitePairs: info.numNonFinitePairs,
      nonFiniteFraction: info.numNonFinitePairs / Math.max(1, info.numPairs),
      ...(config.asynchronous && ages(sourced)),
      innerSteps: facts.innerSteps,
      innerStepsPerSecond: innerSteps / seconds,
      seconds,
      phases: { ...sourced.seconds, outer: (end - outerStart) / 1000 },
    }
  }

  /** Moves theta, or keeps the gradient until there are enough for a mean. */
  #move(grad: Float32Array, outerStep: number, metaLoss: number): { lr: number; updateNorm: number } {
    const mean = this.#parts.accumulator.add(grad)
    if (mean === undefined) return { lr: 0, updateNorm: 0 }
    return this.#parts.outerOptimizer.update(this.#parts.theta, mean, { outerStep, metaLoss })
  }

  async #evaluated(record: StepRecord, signal: AbortSignal | undefined): Promise<StepRecord> {
    const { config, facts, average, datasets } = this.#parts
    const { evaluation } = config
    const isDue =
      evaluation !== undefined &&
      (record.outerStep % evaluation.everyOuterSteps === 0 || record.outerStep === config.outerSteps)
    if (!isDue) return record
    const job = jobOptions(config, signal)
    const { loss, innerSteps } = await heldOutLoss(config, evaluation, average, datasets, job)
    facts.innerSteps += innerSteps
    if (facts.bestLoss === null || loss < facts.bestLoss) {
      facts.bestLoss = loss
      facts.bestOuterStep = record.outerStep
      this.#parts.best.set(average)
    }
    return { ...record, heldOutLoss: loss, innerSteps: facts.innerSteps }
  }

  /** Frees the engine. May be called twice. */
  close(): void {
    this.#parts.transport.close()
  }

  /** {@link Trainer.close}, for `using`. */
  [Symbol.dispose](): void {
    this.close()
  }
}

function localTransport(config: TrainConfig, datasets: Dataset[], frozen: Frozen): LocalTransport {
  const { optimizer, seed, metaLoss, cpu, maxMemoryBytes } = config
  const { carry, numPairs } = createEstimator(config)
  const options = { optimizer, seed, metaLoss, cpu, maxMemoryBytes, carry, frozen: frozen.names }
  return new LocalTransport(
    { ...options, numParticles: numPairs * (config.asynchronous?.workers ?? 1), threads: threadsOf(config) },
    datasets,
  )
}

function named({ tasks }: Pick<TrainConfig, 'tasks'>, losses: readonly number[]): Record<string, number> {
  return Object.fromEntries(taskFamilies(tasks).map(({ name }, i) => [name, losses[i]!]))
}

function ages({ numStale, staleness }: SourcedGradient): { numStale: number; staleness: number } {
  return { numStale, staleness }
}

function threadsOf({ threads, cpu }: Pick<TrainConfig, 'threads' | 'cpu'>): number {
  return threads === 'auto' ? doctor({ cpu }).threads : threads
}

function jobOptions(config: TrainConfig, signal: AbortSignal | undefined): JobOptions {
  const { cpu, maxMemoryBytes } = config
  return { threads: threadsOf(config), cpu, maxMemoryBytes, ...(signal && { signal }) }
}

/** The config's own data sets and all bundled ones: tasks are drawn as the run goes on. */
async function datasetsOf(config: TrainConfig, given: readonly Dataset[] = []): Promise<Dataset[]> {
  const inMemory = takeGiven(config, given)
  const held = inMemory.reduce((sum, { info }) => sum + info.memoryBytes, 0)
  const specs = config.datasets.filter((spec) => spec.kind !== 'given')
  const maxMemoryBytes = Math.max(1, config.maxMemoryBytes - held)
  return [...inMemory, ...(await loadDatasets(bundledDatasets, specs, { maxMemoryBytes }))]
}
