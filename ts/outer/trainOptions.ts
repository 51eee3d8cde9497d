/** Where a run writes, and how it is watched and stopped. */
import { z } from 'zod'
import { abortSignal, callback, text } from '../config/fields.js'
import { parseWith } from '../config/parse.js'
import { datasetList } from '../engine.js'
import { OuterloopError } from '../errors.js'
import type { Dataset } from '../native.js'
import { limitsSchema, type RunLimits } from './limits.js'
import type { StepRecord } from './stepRecord.js'

/** What a run starts with. */
export interface StartInfo {
  outerSteps: number
  /** Outer steps done before, by the run that this one resumes. */
  fromOuterStep: number
  thetaLength: number
  threads: number
  /** Instruction set that the engine uses. */
  backend: string
  /** Mean train loss of the chosen start. */
  startLoss: number
}

/**
 * Where a run writes, and how it is watched and stopped. What a callback throws, or the promise that it returns is rejected
 * with, ends the run and rejects the call; the last checkpoint stays.
 */
export interface TrainOptions extends RunLimits {
  /** Directory to write; made if it is not there. It must hold no files of a run. Default: nothing is written. */
  out?: string
  /** Replaces a run in `out`: when all is checked and the start is chosen, its files are deleted. Default: false. */
  force?: boolean
  /** Data sets in memory that tasks may name. With `resume` those that the run began with. */
  datasets?: readonly Dataset[]
  /** Directory of a run to continue, with its own config and what the first argument changes in it. */
  resume?: string
  /**
   * Writes `report.html` and its figures into the directory at the end of the run or at a limit, as the command line does;
   * not when `stopSignal` ends it. Default: false.
   */
  report?: boolean
  /** Aborts at once; the promise rejects with the signal's reason. The last checkpoint stays. */
  signal?: AbortSignal
  /** Finishes the outer step, saves, and returns with `isComplete: false`. */
  stopSignal?: AbortSignal
  /** Called once, before the first outer step. A promise is waited for. */
  onStart?: (info: StartInfo) => void
  /** Called after every outer step. A promise is waited for. */
  onStep?: (record: StepRecord) => void
  /**
   * Told what a person should know: a damaged file that was passed over, files that cannot be written, what a changed number
   * of outer steps does to schedules. While files cannot be written, the run goes on in memory. The result has all notes too.
   */
  onNote?: (message: string) => void
}

const optionsSchema = z.strictObject({
  out: text().optional(),
  force: z.boolean().default(false),
  datasets: datasetList().default([]),
  resume: text().optional(),
  report: z.boolean().default(false),
  signal: abortSignal().optional(),
  stopSignal: abortSignal().optional(),
  onStart: callback<NonNullable<TrainOptions['onStart']>>().optional(),
  onStep: callback<NonNullable<TrainOptions['onStep']>>().optional(),
  onNote: callback<NonNullable<TrainOptions['onNote']>>().optional(),
  ...limitsSchema.shape,
})

/** Checked options of a run. */
export type CheckedTrainOptions = z.infer<typeof optionsSchema>

/** @throws {OuterloopError} `INVALID_OPTION`. */
export function parseTrainOptions(options: unknown): CheckedTrainOptions {
  const checked = parseWith(optionsSchema, options)
  const { out, resume } = checked
  const refuse = (message: string) => {
    throw new OuterloopError('INVALID_OPTION', message)
  }
  if (out !== undefined && resume !== undefined) {
    refuse(`expected either \`out\` or \`resume\`, got ${out} and ${resume}`)
  }
  if (checked.force && out === undefined) refuse('expected `force` only with `out`, got it without')
  if (checked.report && out === undefined && resume === undefined) {
    refuse('expected `report` only with `out` or `resume`, got it without')
  }
  return checked
}
