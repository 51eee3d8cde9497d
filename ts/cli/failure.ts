import { CommanderError } from 'commander'
import { type ErrorCode, OuterloopError } from '../errors.js'
import { printError } from './output.js'

/** Exit code of wrong usage and wrong input. */
export const WRONG_INPUT = 2
/** Exit code after SIGINT or SIGTERM. */
export const INTERRUPTED = 130

const wrongInputCodes: readonly ErrorCode[] = [
  'INVALID_OPTION',
  'SHAPE_MISMATCH',
  'DTYPE_MISMATCH',
  'DATA_INVALID',
  'CHECKPOINT_INVALID',
]

/** Writes an error to stderr as one paragraph, with its stack only if `isVerbose`, and returns the exit code. */
export function reportFailure(error: unknown, isVerbose: boolean): number {
  // commander has written its own message; help and version come this way with exit code 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : WRONG_INPUT
  const message = error instanceof Error ? error.message : String(error)
  printError(`outerloop: ${message.trim()}\n`)
  if (isVerbose && error instanceof Error) printError(`${stackOf(error)}\n`)
  return exitCodeOf(error)
}

function exitCodeOf(error: unknown): number {
  if (error instanceof OuterloopError) return wrongInputCodes.includes(error.code) ? WRONG_INPUT : 1
  if (!(error instanceof Error)) return 1
  if (error.name === 'AbortError') return INTERRUPTED
  const systemCode = (error as NodeJS.ErrnoException).code
  return systemCode === 'ENOENT' || systemCode === 'ENOTDIR' ? WRONG_INPUT : 1
}

function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${stackOf(error.cause)}` : ''
  return `${error.stack ?? error.message}${cause}`
}
