/** What a run has come to. */
import type { TrainConfig } from '../config/trainConfig.js'
import type { StopReason } from './limits.js'
import type { StepRecord } from './stepRecord.js'
import type { BestTheta } from './trainerState.js'

/** A finished or stopped run. */
export interface TrainResult {
  /** The trained theta: the moving average. */
  theta: Float32Array
  config: TrainConfig
  /** The theta that did best on the tasks of `evaluation`, if the config has that. */
  best?: BestTheta
  /** Every outer step, also those before a resume. */
  records: StepRecord[]
  outerStepsDone: number
  isComplete: boolean
  /** Why the run is not complete. It is saved, and `resume` goes on with the same bits. */
  stoppedBy?: StopReason
  /** The directory written, if any. */
  out?: string
  /** All that `onNote` was told; empty if there was nothing to tell. */
  notes: string[]
}
