/** How truncations reach whatever runs them, and how losses come back. */
import type { PerturbationSummer } from '../es/estimator.js'
import type { AdvancePlan, AdvanceResult, UnrollerState } from '../native.js'

/** One truncation of one worker's pairs. Everything that its outcome depends on, besides the pairs' states. */
export interface Job {
  /** Which worker: it holds the states of its pairs, so that all its jobs go to it, in order. */
  worker: number
  /** Outer steps that theta has seen. */
  thetaVersion: number
  theta: Float32Array
  plan: AdvancePlan
}

/** Runs jobs. A worker gets its next job after the result of the last one; different workers' may overlap. */
export interface Transport extends PerturbationSummer, Disposable {
  /** @throws The reason of `signal` when it fires; the worker's pairs are then as they were. */
  submit(job: Job, signal?: AbortSignal): Promise<AdvanceResult>
  /** The inner problems of all workers, between jobs. */
  saveState(): UnrollerState
  /** Takes up saved inner problems. */
  loadState(state: UnrollerState): void
  /** Lets go of all resources. May be called twice. */
  close(): void
}
