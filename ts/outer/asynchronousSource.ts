/**
 * Gradients of several workers at their own pace, as in Metz et al. 2020, arXiv:2009.11243: a worker starts its next
 * truncation with the theta of that moment, and a gradient whose theta is too old is dropped.
 *
 * In one process the pace is simulated: a clock, speeds and delays that keys name. A truncation is run when it starts and its
 * losses wait until the clock reaches its end, so the same config gives the same bits, and what is under way fits into a
 * checkpoint as a few losses.
 */
import type { AsynchronousConfig, TrainConfig } from '../config/trainConfig.js'
import {
  advancePlan,
  type Estimator,
  type EstimatorState,
  type GradientEstimate,
  type PlannedTruncation,
} from '../es/estimator.js'
import { createEstimator } from '../es/registry.js'
import type { AdvanceResult } from '../native.js'
import { Key, purposes } from '../tasks/key.js'
import { taskStreams } from '../tasks/streams.js'
import type { Transport } from '../transport/transport.js'
import { averageEstimates } from './averageEstimates.js'
import type { GradientSource, SourcedGradient } from './gradientSource.js'

/** A truncation under way. */
interface Flight {
  /** Outer steps that its theta has seen. */
  thetaVersion: number
  /** When it ends. */
  endsAt: number
  pos: number[]
  neg: number[]
  diverged: number[]
}

interface Worker {
  estimator: EstimatorState
  flight: Flight | undefined
}

interface AsynchronousState {
  clock: number
  workers: Worker[]
}

/** Gradients in the order in which a simulated clock lets them arrive. */
export class AsynchronousSource implements GradientSource {
  readonly #options: AsynchronousConfig
  readonly #estimator: Estimator
  readonly #transport: Transport
  readonly #key: Key
  #state: AsynchronousState

  constructor(config: TrainConfig, options: AsynchronousConfig, transport: Transport, saved: unknown) {
    this.#options = options
    this.#estimator = createEstimator(config)
    this.#transport = transport
    this.#key = new Key(config.seed, purposes.taskSample).fold(taskStreams.durations)
    this.#state = (saved as AsynchronousState | undefined) ?? {
      clock: 0,
      workers: Array.from({ length: options.workers }, (_, worker) => ({
        estimator: this.#estimator.init(worker * this.#estimator.numPairs),
        flight: undefined,
      })),
    }
  }

  async next(theta: Float32Array, outerStep: number, signal?: AbortSignal): Promise<SourcedGradient> {
    const estimates: GradientEstimate[] = []
    const total = { innerSteps: 0, numStale: 0, staleness: 0, seconds: { plan: 0, inner: 0, estimate: 0 } }
    while (estimates.length < this.#options.gradientsPerStep) {
      for (const [number, worker] of this.#state.workers.entries()) {
        if (worker.flight === undefined) await this.#start(number, worker, theta, outerStep, total, signal)
      }
      const { worker, flight } = this.#nextArrival()
      const start = performance.now()
      const planned = this.#estimator.plan(worker.estimator, flight.thetaVersion)
      const staleness = outerStep - flight.thetaVersion
      if (staleness > this.#options.maxStaleness) total.numStale += 1
      else {
        estimates.push(await this.#estimator.estimate(planned, resultOf(flight), this.#transport))
        total.staleness += staleness / this.#options.gradientsPerStep
      }
      this.#state.clock = flight.endsAt
      worker.estimator = planned.next
      worker.flight = undefined
      total.seconds.estimate += secondsSince(start)
    }
    return { ...averageEstimates(estimates), ...total }
  }

  state(): AsynchronousState {
    return structuredClone(this.#state)
  }

  async #start(
    number: number,
    worker: Worker,
    theta: Float32Array,
    thetaVersion: number,
    total: { innerSteps: number; seconds: { plan: number; inner: number } },
    signal: AbortSignal | undefined,
  ): Promise<void> {
    let start = performance.now()
    const planned = this.#estimator.plan(worker.estimator, thetaVersion)
    total.seconds.plan += secondsSince(start)
    start = performance.now()
    const plan = advancePlan(planned)
    const { pos, neg, diverged } = await this.#transport.submit(
      { worker: number, thetaVersion, theta, plan },
      signal,
    )
    total.seconds.inner += secondsSince(start)
    total.innerSteps += planned.innerSteps
    const endsAt = this.#state.clock + this.#duration(number, planned)
    worker.flight = { thetaVersion, endsAt, pos: [...pos], neg: [...neg], diverged: [...diverged] }
  }

  /** The worker whose truncation ends first; of several the first. */
  #nextArrival(): { worker: Worker; flight: Flight } {
    const flying = this.#state.workers.flatMap((worker) =>
      worker.flight === undefined ? [] : [{ worker, flight: worker.flight }],
    )
    return flying.reduce((a, b) => (b.flight.endsAt < a.flight.endsAt ? b : a))
  }

  /** Simulated time of a worker's truncation, in units of an inner step of the fastest. */
  #duration(number: number, { innerSteps, next }: PlannedTruncation): number {
    const { workers, speedSpread, jitter } = this.#options
    const slowness = 1 + (workers > 1 ? (speedSpread * number) / (workers - 1) : 0)
    return innerSteps * slowness * (1 + jitter * this.#key.fold(number).fold(next.truncation).uniform())
  }
}

/** JSON has no NaN and no infinity: a loss that was not finite has become null. */
function resultOf({ pos, neg, diverged }: Flight): AdvanceResult {
  const losses = (values: (number | null)[]) => Float64Array.from(values, (value) => value ?? Number.NaN)
  return { pos: losses(pos), neg: losses(neg), diverged: Uint8Array.from(diverged) }
}

function secondsSince(start: number): number {
  return (performance.now() - start) / 1000
}
