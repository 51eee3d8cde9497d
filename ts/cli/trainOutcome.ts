/** What `outerloop train` says at the end of a run. */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OuterloopError } from '../errors.js'
import type { StopReason } from '../outer/limits.js'
import type { TrainResult } from '../outer/train.js'
import { INTERRUPTED } from './failure.js'
import { print } from './output.js'

/** Writes the report and says what is where. */
export async function finish(result: TrainResult, directory: string): Promise<void> {
  // The figures need vega, which takes longer to load than the rest of the command.
  const { writeReport } = await import('../report/report.js')
  const { config, records } = result
  await writeReport(directory, {
    records,
    config,
    title: `Meta-training: ${config.preset ?? 'custom config'}`,
  })
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
export function abortedWith(cause: unknown, directory: string): Error {
  const message = `aborted; the last checkpoint, if there was one, is kept. Continue with: outerloop train --resume ${directory}`
  return Object.assign(new Error(message, { cause }), { name: 'AbortError' })
}
