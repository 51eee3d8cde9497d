/** What `outerloop train` says at the end of a run. */
import { access, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OuterloopError } from '../errors.js'
import type { StopReason } from '../outer/limits.js'
import type { TrainResult } from '../outer/train.js'
import { INTERRUPTED } from './failure.js'
import { print } from './output.js'

/** Says what is where. */
export function describeFinish(result: TrainResult, directory: string): void {
  print(
    `Trained for ${result.outerStepsDone} outer steps.\n` +
      `Optimizer: ${directory}/theta.safetensors\n${describeBest(result, directory)}Report:    ${directory}/report.html\n` +
      `Measure it against tuned baselines: outerloop eval ${directory}/theta.safetensors --out ${directory}\n`,
  )
}

function describeBest({ best }: TrainResult, directory: string): string {
  if (best === undefined) return ''
  const { heldOutLoss, outerStep } = best
  return `Best:      ${directory}/theta-best.safetensors (outer step ${outerStep}, held-out loss ${heldOutLoss.toFixed(3)})\n`
}

const stopWords: Record<StopReason, string> = {
  signal: 'Interrupted',
  timeBudget: 'The time budget ended',
  maxInnerSteps: 'The inner steps were used up',
}

/** Says why a run stopped and how it goes on; only a signal is an exit code. */
export function reportStop(
  { outerStepsDone, config }: TrainResult,
  stoppedBy: StopReason,
  directory: string,
): void {
  print(
    `${stopWords[stoppedBy]} after ${outerStepsDone} of ${config.outerSteps} outer steps; the state is saved.\n` +
      `Continue with: outerloop train --resume ${directory}\n`,
  )
  if (stoppedBy === 'signal') process.exitCode = INTERRUPTED
}

/** A run that could not be written: its theta, at least, goes to where temporary files do. */
export async function rescued(error: unknown): Promise<unknown> {
  const { UnsavedRunError } = await import('../outer/unsavedRunError.js')
  if (!(error instanceof UnsavedRunError)) return error
  const { saveTheta } = await import('../weights/thetaFile.js')
  const { theta, config, outerStepsDone } = error.result
  try {
    const path = join(await mkdtemp(join(tmpdir(), 'outerloop-')), 'theta.safetensors')
    await saveTheta(path, { theta, config, outerSteps: outerStepsDone })
    return new OuterloopError(error.code, `${error.message}. Theta is in ${path} instead`, { cause: error })
  } catch {
    return error
  }
}

/** What is said of a run that was aborted. */
export async function abortedWith(cause: unknown, directory: string): Promise<Error> {
  // The config is the first file that a run writes.
  const isBegun = await access(join(directory, 'config.json')).then(
    () => true,
    () => false,
  )
  const message = isBegun
    ? `aborted; the last checkpoint, if there was one, is kept. Continue with: outerloop train --resume ${directory}`
    : 'aborted before the first outer step; nothing was written'
  return Object.assign(new Error(message, { cause }), { name: 'AbortError' })
}
