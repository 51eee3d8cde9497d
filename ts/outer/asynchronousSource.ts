/**
 * Gradients of several workers at their own pace, as in Metz et al. 2020, arXiv:2009.11243: a worker starts its next
 * truncation with the theta of that moment, and a gradient whose theta is too old is dropped.
 *
 * In one process the pace is simulated: a clock, speeds and delays that keys name. A truncation is run when it starts and its
 * losses wait until the clock reaches its end, so the same config gives the same bits, and what is under way fits into a
 * checkpoint as a few losses.
 */
import type { AsynchronousConfig } from '../config/trainConfig.js'
import {
  advancePlan,
  type Estimator,
  type EstimatorState,
  type GradientEstimate,
  type PlannedTruncation,
} from '../es/estimator.js'
import type { PopulationConfig } from '../es/population.js'
import { createEstimator } from '../es/registry.js'
import type { AdvanceResult } from '../native.js'
import { Key, purposes } from '../tasks/key.js'
import { taskStreams } from '../tasks/streams.js'
import type { Transport } from '../transport/transport.js'
import { averageEstimates } from './averageEstimates.js'
import type { GradientSource, SourcedGradient } from './gradientSource.js'

/** A truncation under way: its losses wait for the clock. Null: not finite, which JSON has no number for. */
interface Flight {
  /** The worker's pairs before it. */
  before: EstimatorState
  /** Outer steps that its theta has seen. */
  thetaVersion: number
  /** When it ends. */
  endsAt: number
  pos: (number | null)[]
  neg: (number | null)[]
  diverged: number[]
}

interface Worker {
  /** Its pairs after the truncation under way. */
  estimator: EstimatorState
  flight: Flight | null
}

interface AsynchronousState {
  clock: number
  workers: Worker[]
  /** What has come for the outer step under way: kept here, so that an abort loses nothing that the engine has run. */
  arrived: Flight[]
  innerSteps: number
  numStale: number
}

/** Gradients in the order in which a simulated clock lets them arrive. */
export class AsynchronousSource implements GradientSource {
  readonly #options: AsynchronousConfig
  readonly #estimator: Estimator
  readonly #transport: Transport
  readonly #key: Key
  readonly #state: AsynchronousState

  constructor(config: PopulationConfig, options: AsynchronousConfig, transport: Transport, saved: unknown) {
    this.#options = options
    this.#estimator = createEstimator(config)
    this.#transport = transport
    this.#key = new Key(config.seed, purposes.taskSample).fold(taskStreams.durations)
    this.#state = structuredClone(saved as AsynchronousState | undefined) ?? {
      clock: 0,
      workers: Array.from({ length: options.workers }, (_, worker) => ({
        estimator: this.#estimator.init(worker * this.#estimator.numPairs),
        flight: null,
      })),
      arrived: [],
      innerSteps: 0,
      numStale: 0,
    }
  }

  async next(theta: Float32Array, outerStep: number, signal?: AbortSignal): Promise<SourcedGradient> {
    const { gradientsPerStep, maxStaleness } = this.#options
    const state = this.#state
    const seconds = { plan: 0, inner: 0, estimate: 0 }
    while (state.arrived.length < gradientsPerStep) {
      for (const [number, worker] of state.workers.entries()) {
        if (worker.flight === null) await this.#start(number, worker, theta, outerStep, seconds, signal)
      }
      const flight = this.#land()
      if (outerStep - flight.thetaVersion > maxStaleness) state.numStale += 1
      else state.arrived.push(flight)
    }
    const start = performance.now()
    const estimates: GradientEstimate[] = []
    let staleness = 0
    for (const flight of state.arrived) {
      // Planning is a function of its arguments: the plan of the start again.
      const planned = this.#estimator.plan(flight.before, flight.thetaVersion)
      estimates.push(await this.#estimator.estimate(planned, resultOf(flight), this.#transport))
      staleness += (outerStep - flight.thetaVersion) / gradientsPerStep
    }
    seconds.estimate = secondsSince(start)
    const { innerSteps, numStale } = state
    Object.assign(state, { arrived: [], innerSteps: 0, numStale: 0 })
    return { ...averageEstimates(estimates), innerSteps, numStale, staleness, seconds }
  }

  state(): AsynchronousState {
    return structuredClone(this.#state)
  }

  async #start(
    number: number,
    worker: Worker,
    theta: Float32Array,
    thetaVersion: number,
    seconds: { plan: number; inner: number },
    signal: AbortSignal | undefined,
  ): Promise<void> {
    let start = performance.now()
    const planned = this.#estimator.plan(worker.estimator, thetaVersion)
    const plan = advancePlan(planned)
    seconds.plan += secondsSince(start)
    start = performance.now()
    const result = await this.#transport.submit({ worker: number, thetaVersion, theta, plan }, signal)
    seconds.inner += secondsSince(start)
    this.#state.innerSteps += planned.innerSteps
    worker.flight = {
      before: worker.estimator,
      thetaVersion,
      endsAt: this.#state.clock + this.#duration(number, planned),
      pos: orNull(result.pos),
      neg: orNull(result.neg),
      diverged: [...result.diverged],
    }
    worker.estimator = planned.next
  }

  /** Moves the clock to where the next truncation ends; of several at once it is the first worker's. */
  #land(): Flight {
    const { workers } = this.#state
    const endOf = ({ flight }: Worker) => flight?.endsAt ?? Number.POSITIVE_INFINITY
    const worker = workers.reduce((a, b) => (endOf(b) < endOf(a) ? b : a))
    const flight = worker.flight!
    worker.flight = null
    this.#state.clock = flight.endsAt
    return flight
  }

  /** Simulated time of a worker's truncation, in units of an inner step of the fastest. */
  #duration(number: number, { innerSteps, next }: PlannedTruncation): number {
    const { workers, speedSpread, jitter } = this.#options
    const slowness = 1 + (workers > 1 ? (speedSpread * number) / (workers - 1) : 0)
    return innerSteps * slowness * (1 + jitter * this.#key.fold(number).fold(next.truncation).uniform())
  }
}

function orNull(losses: Float64Array): (number | null)[] {
  return Array.from(losses, (loss) => (Number.isFinite(loss) ? loss : null))
}

function resultOf({ pos, neg, diverged }: Flight): AdvanceResult {
  const losses = (values: (number | null)[]) => Float64Array.from(values, (value) => value ?? Number.NaN)
  return { pos: losses(pos), neg: losses(neg), diverged: Uint8Array.from(diverged) }
}

function secondsSince(start: number): number {
  return (performance.now() - start) / 1000
}
