/** From the addon's errors to ours. */
import { kindOf } from './config/quote.js'
import { type ErrorCode, OuterloopError } from './errors.js'

/** The error for an argument of the wrong type. */
export function wrongType(name: string, expected: string, got: unknown): OuterloopError {
  return new OuterloopError('DTYPE_MISMATCH', `expected \`${name}\` to be a ${expected}, got ${kindOf(got)}`)
}

/** The error for a class that callers do not make themselves. */
export function notConstructed(name: string, maker: string): OuterloopError {
  return new OuterloopError(
    'INVALID_OPTION',
    `expected \`${name}\` to be made by ${maker}, got a call of its constructor`,
  )
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

/** What the parser of the core says of JSON that it cannot read, after what that JSON is. */
const parserWords = /^([^\n]*?): [^\n]* at line \d+ column \d+$/

/** An error of the addon as ours. */
export function toOuterloopError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof OuterloopError) return error
  const code = codeOf(error)
  const unread = parserWords.exec(error.message)
  if (unread !== null && code === 'INVALID_OPTION') {
    // Options are checked before they come here: both sides must accept the same.
    const message = `a bug in outerloop: the engine does not read ${unread[1] ?? 'options'} that were accepted; please report it`
    return new OuterloopError('INTERNAL', message, { cause: error })
  }
  if (typeof code === 'string' && codes.includes(code)) {
    const message = error.message.replace(/(unreadable description): .*/s, '$1')
    return new OuterloopError(code as ErrorCode, message, { cause: error })
  }
  // The addon's own refusal of an argument's type, before our code runs.
  const isArgument = code === 'InvalidArg' || error instanceof TypeError || String(code).endsWith('Expected')
  return new OuterloopError(isArgument ? 'DTYPE_MISMATCH' : 'INTERNAL', error.message, { cause: error })
}
