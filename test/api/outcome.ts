/** What a call with wrong arguments may do. */
import { type ErrorCode, OuterloopError } from '../../ts/index.js'
import { type Call, stopped } from './calls.js'

/** The codes of `ErrorCode` that a caller's mistake may have: `INTERNAL` is a bug of the package. */
const codes = {
  INVALID_OPTION: true,
  SHAPE_MISMATCH: true,
  DTYPE_MISMATCH: true,
  DATA_INVALID: true,
  DEVICE_UNAVAILABLE: true,
  CHECKPOINT_INVALID: true,
  IN_USE: true,
  WRITE_FAILED: true,
  CLOSED: true,
  INTERNAL: false,
} satisfies Record<ErrorCode, boolean>

/** Words of parsers and of JavaScript, which tell a caller nothing. */
const foreignWords =
  /line \d+ column \d+|tagged enum|untagged|missing field|unknown variant|is not a function|of undefined|of null|Cannot (?:read|convert|mix)/

/** Longest message, in characters; longest time, in milliseconds: generous, for a machine that does other things too. */
const MAX_MESSAGE = 50_000
const MAX_MS = 5000

/** `done`, `refused`, or what is wrong with how it ended. */
export type Outcome = 'done' | 'refused' | { fault: string }

/** Calls, and judges the end. */
export async function outcomeOf(call: Call, args: unknown[]): Promise<Outcome> {
  const start = performance.now()
  const end = (outcome: Outcome): Outcome => {
    const ms = performance.now() - start
    return ms > MAX_MS ? { fault: `it took ${ms.toFixed(0)} ms` } : outcome
  }
  try {
    await call.invoke(withSignal(call, args))
    return end('done')
  } catch (error) {
    if (call.stopped !== undefined && error === stopped.reason) return end('done')
    return end(judged(error))
  }
}

function judged(error: unknown): Outcome {
  if (!(error instanceof OuterloopError)) return { fault: `it threw ${describe(error)}` }
  const { code, message } = error
  if (codes[code] !== true) return { fault: `code ${code}: ${message.slice(0, 300)}` }
  if (message.length > MAX_MESSAGE) return { fault: `a message of ${message.length} characters` }
  const words = foreignWords.exec(message)
  return words === null ? 'refused' : { fault: `"${words[0]}" in: ${message.slice(0, 300)}` }
}

function describe(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.stack?.slice(0, 600)}` : typeof error
}

/** Options that would be accepted without a signal get the one that has fired. */
function withSignal({ stopped: place }: Call, args: unknown[]): unknown[] {
  if (place === undefined) return args
  const options = args[place]
  const prototype = typeof options === 'object' && options !== null ? prototypeOf(options) : undefined
  const isPlain = options === undefined || prototype === null || prototype === Object.prototype
  if (!isPlain) return args
  const descriptors = Object.getOwnPropertyDescriptors(options ?? {})
  if (descriptors.signal !== undefined && descriptors.signal.value !== undefined) return args
  const all = [...args]
  all[place] = Object.defineProperties({}, { ...descriptors, signal: { value: stopped, enumerable: true } })
  return all
}

function prototypeOf(value: object): unknown {
  try {
    Reflect.ownKeys(value)
    return Object.getPrototypeOf(value)
  } catch {
    return undefined
  }
}
