/** Where the trainer's gradients come from: all pairs in step, or several workers at their own pace. */
import type { GradientEstimate } from '../es/estimator.js'

/** The gradient of an outer step, and what it took. */
export interface SourcedGradient extends GradientEstimate {
  /** Inner steps run, over all lanes. */
  innerSteps: number
  /** Gradients that were dropped because theta had moved on too far. */
  numStale: number
  /** Outer steps by which the theta of the gradient was older; mean. */
  staleness: number
  /** Wall time by phase. */
  seconds: { plan: number; inner: number; estimate: number }
}

/** Gives one gradient after another. */
export interface GradientSource {
  /**
   * The gradient that moves theta at outer step `outerStep`.
   *
   * @throws The reason of `signal` when it fires; the source is then as before.
   */
  next(theta: Float32Array, outerStep: number, signal?: AbortSignal): Promise<SourcedGradient>
  /** All that `createGradientSource` needs to go on: plain JSON. The pairs' states are the transport's. */
  state(): unknown
}
