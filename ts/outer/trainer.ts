/**
 * The outer loop: plans a truncation, lets the engine run it, estimates the gradient, clips it and moves theta.
 *
 * All state is in {@link TrainerState}: what a checkpoint holds, and all that a resumed run needs for the same bits.
 */

import { bundledDatasets } from '../config/datasetSpec.js'
import type { TrainConfig } from '../config/trainConfig.js'
import type { Estimator, EstimatorState } from '../es/estimator.js'
import { createEstimator } from '../es/registry.js'
import { type Dataset, doctor, loadDatasets, Unroller, type UnrollerState } from '../native.js'
import { type AdamState, adamStep, initAdam, learningRateAt } from './adam.js'
import { clipGradient } from './clip.js'
import { chooseStart } from './start.js'
import { updateAverage } from './thetaAverage.js'

/** What one outer step did. */
export interface StepRecord {
  /** Number of the step, from 1. */
  outerStep: number
  /** Mean normalised loss over all lanes of the truncation. NaN (null in JSON) if no pair was finite. */
  metaLoss: number
  /** Norm of the estimated gradient before clipping. */
  gradientNorm: number
  /** Norm of the change of theta. */
  updateNorm: number
  /** Learning rate of the outer optimizer. */
  lr: number
  /** Lanes that diverged. */
  numDiverged: number
  /** Pairs that contributed nothing because a meta-loss was not finite. */
  numNonFinitePairs: number
  /** Inner steps of the run so far, over all lanes. */
  innerSteps: number
  /** Of this outer step. */
  innerStepsPerSecond: number
  /** Wall time of this outer step. */
  seconds: number
}

/** All that a run is between two outer steps. */
export interface TrainerState {
  /** Outer steps done. */
  outerStep: number
  /** Inner steps done, over all lanes. */
  innerSteps: number
  /** Mean train loss of the chosen start. */
  startLoss: number
  theta: Float32Array
  /** Moving average of theta. */
  average: Float32Array
  adam: AdamState
  estimator: EstimatorState
  unroller: UnrollerState
}

/** How a run is watched and stopped. */
export interface RunOptions {
  /** Aborts at once: the iteration throws the signal's reason, and the state is that after the last whole step. */
  signal?: AbortSignal | undefined
  /** Ends the iteration after the current outer step. */
  stopSignal?: AbortSignal | undefined
}

/** A meta-training run in memory. */
export class Trainer implements Disposable {
  /** The config of the run. */
  readonly config: TrainConfig
  /** Threads of the engine. */
  readonly threads: number
  readonly #estimator: Estimator
  readonly #unroller: Unroller
  #state: Omit<TrainerState, 'unroller'>

  private constructor(config: TrainConfig, datasets: Dataset[], state: Omit<TrainerState, 'unroller'>) {
    this.config = config
    this.threads = threadsOf(config)
    this.#estimator = createEstimator(config)
    this.#state = state
    const { optimizer, seed, metaLoss, cpu } = config
    const { numParticles } = config.estimator
    const options = {
      optimizer,
      seed,
      metaLoss,
      numParticles,
      threads: this.threads,
      cpu,
      carry: this.#estimator.carry,
    }
    this.#unroller = new Unroller(options, datasets)
  }

  /** A fresh run: loads the data and chooses the start. */
  static async create(
    config: TrainConfig,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<Trainer> {
    const datasets = await datasetsOf(config)
    const { signal } = options
    const job = { threads: threadsOf(config), cpu: config.cpu, ...(signal && { signal }) }
    const { theta, meanLoss, innerSteps } = await chooseStart(config, datasets, job)
    return new Trainer(config, datasets, {
      outerStep: 0,
      innerSteps,
      startLoss: meanLoss,
      theta,
      average: theta.slice(),
      adam: initAdam(theta.length),
      estimator: createEstimator(config).init(),
    })
  }

  /** A run as it was when `state` was taken. */
  static async restore(config: TrainConfig, state: TrainerState): Promise<Trainer> {
    const { unroller, ...rest } = state
    const trainer = new Trainer(config, await datasetsOf(config), rest)
    trainer.#unroller.loadState(unroller)
    return trainer
  }

  /** Outer steps done. */
  get outerStep(): number {
    return this.#state.outerStep
  }

  /** Mean train loss of the start. */
  get startLoss(): number {
    return this.#state.startLoss
  }

  /** The trained theta: the moving average. A copy. */
  get theta(): Float32Array {
    return this.#state.average.slice()
  }

  /** The state, copied. */
  state(): TrainerState {
    const { theta, average, adam } = this.#state
    return {
      ...this.#state,
      theta: theta.slice(),
      average: average.slice(),
      adam: { ...adam, m: adam.m.slice(), v: adam.v.slice() },
      unroller: this.#unroller.saveState(),
    }
  }

  /**
   * Runs up to the config's `outerSteps`.
   *
   * @throws The reason of `signal` when it fires; the trainer can go on afterwards.
   * @example
   * for await (const step of trainer.run()) console.log(step.outerStep, step.metaLoss)
   */
  async *run(options: RunOptions = {}): AsyncGenerator<StepRecord, void, void> {
    while (this.#state.outerStep < this.config.outerSteps && !options.stopSignal?.aborted) {
      yield await this.#step(options.signal)
    }
  }

  async #step(signal: AbortSignal | undefined): Promise<StepRecord> {
    const start = performance.now()
    const { config } = this
    const { theta, outerStep } = this.#state
    const planned = this.#estimator.plan(this.#state.estimator, outerStep)
    const result = await this.#unroller.advance(theta, planned.plan, signal && { signal })
    const { meanLoss, grad, info } = await this.#estimator.estimate(planned, result, this.#unroller)
    const gradientNorm = clipGradient(config.clip, grad)
    const lr = learningRateAt(config.outerOptimizer, outerStep, config.outerSteps)
    const updateNorm = adamStep(config.outerOptimizer, this.#state.adam, theta, grad, lr)
    updateAverage(this.#state.average, theta, config.thetaAverage, outerStep + 1)
    const { truncationLength, particles } = planned.plan
    const innerSteps = truncationLength * particles.length * this.#estimator.lanesPerParticle
    this.#state.estimator = planned.next
    this.#state.outerStep += 1
    this.#state.innerSteps += innerSteps
    const seconds = (performance.now() - start) / 1000
    return {
      outerStep: outerStep + 1,
      metaLoss: meanLoss,
      gradientNorm,
      updateNorm,
      lr,
      ...info,
      innerSteps: this.#state.innerSteps,
      innerStepsPerSecond: innerSteps / seconds,
      seconds,
    }
  }

  /** Frees the engine. May be called twice. */
  close(): void {
    this.#unroller.close()
  }

  /** {@link Trainer.close}, for `using`. */
  [Symbol.dispose](): void {
    this.close()
  }
}

function threadsOf({ threads, cpu }: TrainConfig): number {
  return threads === 'auto' ? doctor({ cpu }).threads : threads
}

/** The config's own data sets and all bundled ones: tasks are drawn as the run goes on. */
function datasetsOf(config: TrainConfig): Promise<Dataset[]> {
  return loadDatasets(bundledDatasets, config.datasets)
}
