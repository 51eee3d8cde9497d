/** From the addon's errors to ours. */
import { type ErrorCode, OuterloopError } from './errors.js'

/** The error for an argument of the wrong type. */
export function wrongType(name: string, expected: string, got: unknown): OuterloopError {
  const came = Object.prototype.toString.call(got).slice(8, -1)
  return new OuterloopError('DTYPE_MISMATCH', `expected \`${name}\` to be a ${expected}, got ${came}`)
}

/** A call into the addon, its errors as ours. */
export function guarded<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw toOuterloopError(error)
  }
}

/** A promise of the addon, its errors as ours. */
export async function settled<T>(promise: Promise<T>): Promise<T> {
  return promise.catch((error: unknown) => {
    throw toOuterloopError(error)
  })
}

/** The `code` of an error of the addon. */
export function codeOf(error: unknown): unknown {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
}

const codes: readonly string[] = [
  'INVALID_OPTION',
  'SHAPE_MISMATCH',
  'DTYPE_MISMATCH',
  'DATA_INVALID',
  'DEVICE_UNAVAILABLE',
  'CHECKPOINT_INVALID',
  'CLOSED',
  'INTERNAL',
] satisfies ErrorCode[]

/** An error of the addon as ours. */
export function toOuterloopError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof OuterloopError) return error
  const code = codeOf(error)
  if (typeof code === 'string' && codes.includes(code)) {
    return new OuterloopError(code as ErrorCode, error.message, { cause: error })
  }
  // The addon's own refusal of an argument's type, before our code runs.
  const isArgument = code === 'InvalidArg' || error instanceof TypeError || String(code).endsWith('Expected')
  return new OuterloopError(isArgument ? 'DTYPE_MISMATCH' : 'INTERNAL', error.message, { cause: error })
}
