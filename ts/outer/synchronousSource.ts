/** Gradients of all pairs in step: each comes from the theta that it moves. */
import { advancePlan, type Estimator, type EstimatorState } from '../es/estimator.js'
import type { PopulationConfig } from '../es/population.js'
import { createEstimator } from '../es/registry.js'
import type { Transport } from '../transport/transport.js'
import type { GradientSource, SourcedGradient } from './gradientSource.js'

/** One truncation of all pairs for an outer step. */
export class SynchronousSource implements GradientSource {
  readonly #estimator: Estimator
  readonly #transport: Transport
  #state: EstimatorState

  constructor(config: PopulationConfig, transport: Transport, saved: unknown) {
    this.#estimator = createEstimator(config)
    this.#transport = transport
    // A checkpoint's checksum vouches for what we wrote ourselves.
    this.#state = (saved as EstimatorState | undefined) ?? this.#estimator.init()
  }

  async next(theta: Float32Array, outerStep: number, signal?: AbortSignal): Promise<SourcedGradient> {
    const times = [performance.now()]
    const planned = this.#estimator.plan(this.#state, outerStep)
    const plan = advancePlan(planned)
    times.push(performance.now())
    const result = await this.#transport.submit({ worker: 0, thetaVersion: outerStep, theta, plan }, signal)
    times.push(performance.now())
    const estimate = await this.#estimator.estimate(planned, result, this.#transport)
    times.push(performance.now())
    this.#state = planned.next
    const seconds = (i: number) => (times[i + 1]! - times[i]!) / 1000
    return {
      ...estimate,
      innerSteps: planned.innerSteps,
      numStale: 0,
      staleness: 0,
      seconds: { plan: seconds(0), inner: seconds(1), estimate: seconds(2) },
    }
  }

  state(): EstimatorState {
    return this.#state
  }
}
