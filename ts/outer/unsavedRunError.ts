import { OuterloopError } from '../errors.js'
import { writeFailure } from '../files/systemError.js'
import type { TrainResult } from './trainResult.js'

/** Thrown when a run has ended and its files cannot be written: code `WRITE_FAILED`. What it reached is in `result`. */
export class UnsavedRunError extends OuterloopError {
  /** What `train` would have returned. */
  readonly result: TrainResult

  /**
   * @param result - The run.
   * @param cause - What the system said.
   */
  constructor(result: TrainResult, cause: Error) {
    super('WRITE_FAILED', writeFailure(String(result.out), cause).message, { cause })
    this.result = result
  }
}
