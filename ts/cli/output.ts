/**
 * What becomes of a command whose stdout or stderr cannot be written. A reader that has seen enough, such as `head`, and a
 * terminal that is gone are no reason to stop a training: what is written then is lost, and the command goes on.
 *
 * stderr is lost without a word. So is stdout when its reader is gone, unless it is the only place of a result. When stdout
 * fails for another reason, such as a full disk, stderr says so in one line, and the exit code at the end is 1 instead of 0.
 */
import { reasonOf } from '../files/systemError.js'
import { printable } from '../printable.js'

/** Keeps failures of both streams from ending the process. Call it once, before anything is written. */
export function surviveOutputFailures(): void {
  process.stderr.on('error', () => undefined)
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') outputLost(error)
  })
  process.on('exit', () => {
    if (isLost) process.exitCode ||= 1
  })
}

/** Writes text to stdout, without what a terminal would act on. */
export function print(text: string): void {
  process.stdout.write(printable(text))
}

/** As {@link print}, for what is nowhere else: if it cannot be written, the command has failed. */
export function printResult(text: string): void {
  process.stdout.write(printable(text), (error) => {
    if (error) outputLost(error)
  })
}

/** Writes text to stderr, without what a terminal would act on. */
export function printError(text: string): void {
  process.stderr.write(printable(text))
}

let isLost = false

function outputLost(error: NodeJS.ErrnoException): void {
  if (isLost) return
  isLost = true
  const got = error.code === 'EPIPE' ? 'a pipe without a reader' : reasonOf(error)
  printError(`outerloop: expected stdout to be writable, got ${got}\n`)
}
