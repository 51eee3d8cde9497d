import { printable } from './printable.js'

/**
 * What went wrong, as a closed list. Match on these, never on messages.
 *
 * | code | meaning |
 * |---|---|
 * | `INVALID_OPTION` | an option has the wrong type, is out of range, is unknown, or contradicts another |
 * | `SHAPE_MISMATCH` | an array's shape or length is not the expected one |
 * | `DTYPE_MISMATCH` | an array has the wrong element type |
 * | `DATA_INVALID` | a data file is missing, corrupt, truncated or mislabelled |
 * | `DEVICE_UNAVAILABLE` | the requested device cannot be used on this machine |
 * | `CHECKPOINT_INVALID` | a checkpoint or theta file is damaged, of another kind, or of another version |
 * | `IN_USE` | another run is writing to the directory |
 * | `WRITE_FAILED` | files could not be written: the disk is full, the directory is gone or read-only, or something else has the name |
 * | `CLOSED` | the object was used after `close()` |
 * | `INTERNAL` | a bug of this package; please report it |
 */
export type ErrorCode =
  | 'INVALID_OPTION'
  | 'SHAPE_MISMATCH'
  | 'DTYPE_MISMATCH'
  | 'DATA_INVALID'
  | 'DEVICE_UNAVAILABLE'
  | 'CHECKPOINT_INVALID'
  | 'IN_USE'
  | 'WRITE_FAILED'
  | 'CLOSED'
  | 'INTERNAL'

/** The error of this package. An abort is not one of these: it is the platform's `AbortError`. */
export class OuterloopError extends Error {
  override readonly name = 'OuterloopError'
  /** What went wrong, from the closed list {@link ErrorCode}. */
  readonly code: ErrorCode

  /**
   * @param code - What went wrong.
   * @param message - What was expected and what came; one line for each problem.
   * @param options - `cause`: the error behind this one, if any.
   */
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    // Names and paths in it come from others.
    super(printable(String(message)), options)
    this.code = code
  }
}
