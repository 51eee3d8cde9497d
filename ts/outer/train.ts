/** Meta-training from a config to files, with resume. */
import { parseWithGiven, type TrainConfigInput } from '../config/trainConfig.js'
import { OuterloopError } from '../errors.js'
import { doctor } from '../native.js'
import { removeLeftovers } from '../weights/atomicFile.js'
import { loadNewestCheckpoint } from './checkpoint.js'
import { checkRunDirectory } from './existingRun.js'
import { describeGiven, takeGiven } from './givenDatasets.js'
import { LimitWatch } from './limits.js'
import { Notes } from './notes.js'
import { checkLength, describeLength, type ResumeChanges, resumedConfig } from './resumedConfig.js'
import { beginRunDirectory, lockRunDirectory, readRunConfig, writeRunConfig } from './runDirectory.js'
import { RunFiles } from './runFiles.js'
import { writeRunReport } from './runReport.js'
import { Trainer } from './trainer.js'
import { type CheckedTrainOptions, parseTrainOptions, type TrainOptions } from './trainOptions.js'
import type { TrainResult } from './trainResult.js'
import { UnsavedRunError } from './unsavedRunError.js'

export type { ResumeChanges } from './resumedConfig.js'
export type { StepRecord } from './stepRecord.js'
export type { StartInfo, TrainOptions } from './trainOptions.js'
export type { TrainResult } from './trainResult.js'

/**
 * Meta-trains a learned optimizer.
 *
 * Nothing is written before everything is checked and the start is chosen.
 *
 * A run that is resumed may get more outer steps than it had, also when it has ended:
 * `train({ outerSteps: 2000 }, { resume: 'runs/try' })`. A cosine of the outer learning rate then spans the new number, so
 * that the rate rises again, and a learned outer optimizer is told of the new number; nothing else depends on it. Without
 * these, theta is that of a run that had the number from the start. The measurement that `evaluation` makes at the end of a
 * run stays where it was. `threads`, `cpu` and `checkpoint` may change too, which changes no result.
 *
 * @param config - A preset's name with what differs from it, or a whole config; see `parseTrainConfig`. With `resume`, what
 *  is to differ from the run's own config; undefined for nothing.
 * @param options - See {@link TrainOptions}.
 * @returns The trained theta and the records of all outer steps. The same config gives the same bits, with any number
 *  of threads, any `cpu` and after any resume.
 * @throws {OuterloopError} `INVALID_OPTION` for a wrong config or option, for `out` if it holds files of a run, and for
 *  a config that changes what a resumed run must keep; `DATA_INVALID` for an unusable data set or `metrics.jsonl`,
 *  `CHECKPOINT_INVALID` if a run to resume is damaged beyond its kept checkpoints, `DEVICE_UNAVAILABLE` if this machine
 *  lacks the instruction set that `cpu` names, `IN_USE` if another run is writing to the directory, `WRITE_FAILED` if it
 *  cannot be written; {@link UnsavedRunError} `WRITE_FAILED` if the run has ended and still cannot be written.
 * @example
 * const { theta } = await train({ preset: 'quick', seed: 7, outerSteps: 30 }, { out: 'runs/try' })
 */
export async function train(
  config: TrainConfigInput | ResumeChanges | undefined,
  options: TrainOptions = {},
): Promise<TrainResult> {
  const checked = parseTrainOptions(options)
  const { resume } = checked
  if (config === undefined && resume === undefined) {
    throw new OuterloopError('INVALID_OPTION', 'expected either a config or `resume`, got neither')
  }
  const limits = new LimitWatch(checked)
  const notes = new Notes(checked.onNote)
  return resume === undefined
    ? await begin(config, checked, limits, notes)
    : await goOn(resume, config, checked, limits, notes)
}

async function begin(
  config: unknown,
  options: CheckedTrainOptions,
  limits: LimitWatch,
  notes: Notes,
): Promise<TrainResult> {
  const { out, force, signal, datasets } = options
  const complete = parseWithGiven(config, describeGiven(datasets))
  signal?.throwIfAborted()
  // A backend that this machine lacks is found before the work.
  doctor({ cpu: complete.cpu })
  if (out !== undefined) await checkRunDirectory(out, force)
  using trainer = await Trainer.create(complete, { signal, datasets })
  signal?.throwIfAborted()
  using _lock = out === undefined ? undefined : await lockRunDirectory(out, notes.tell)
  if (out !== undefined) await beginRunDirectory(out, complete, force)
  return await runToFiles(trainer, limits, out, options, notes)
}

async function goOn(
  directory: string,
  changes: unknown,
  options: CheckedTrainOptions,
  limits: LimitWatch,
  notes: Notes,
): Promise<TrainResult> {
  const { signal, datasets } = options
  signal?.throwIfAborted()
  const own = await readRunConfig(directory)
  const config = changes === undefined ? own : resumedConfig(directory, own, changes)
  takeGiven(config, datasets)
  doctor({ cpu: config.cpu })
  using _lock = await lockRunDirectory(directory, notes.tell)
  await removeLeftovers(directory)
  const saved = await loadNewestCheckpoint(directory, config, notes.tell)
  const done = saved?.state.facts.outerStep ?? 0
  const before = saved?.outerSteps ?? config.outerSteps
  checkLength(directory, config, done, before)
  if (saved === undefined) notes.tell(`${directory} has no checkpoint yet: starting from the beginning.`)
  if (config.outerSteps !== before) notes.tell(describeLength(directory, config, done, before))
  using trainer = saved
    ? await Trainer.restore(config, saved.state, { datasets })
    : await Trainer.create(config, { signal, datasets })
  if (config !== own) await writeRunConfig(directory, config)
  return await runToFiles(trainer, limits, directory, options, notes)
}

async function runToFiles(
  trainer: Trainer,
  limits: LimitWatch,
  out: string | undefined,
  options: CheckedTrainOptions,
  notes: Notes,
): Promise<TrainResult> {
  const { signal, stopSignal, onStart, onStep } = options
  const { config } = trainer
  for (const note of trainer.notes) notes.tell(note)
  const files = out === undefined ? undefined : await RunFiles.open(out, trainer, notes.tell)
  const records = files?.records ?? []
  await onStart?.({
    outerSteps: config.outerSteps,
    fromOuterStep: trainer.outerStep,
    thetaLength: trainer.theta.length,
    threads: trainer.threads,
    backend: doctor({ cpu: config.cpu }).backend,
    startLoss: trainer.startLoss,
  })
  limits.checkInnerSteps(trainer.innerSteps)
  const stop = AbortSignal.any([limits.signal, ...(stopSignal ? [stopSignal] : [])])
  for await (const record of trainer.run({ signal, stopSignal: stop })) {
    records.push(record)
    await files?.save(record)
    await onStep?.(record)
    await notes.settled()
    limits.check(record.innerSteps)
  }
  const { theta, best, outerStep: outerStepsDone } = trainer
  const isComplete = outerStepsDone >= config.outerSteps
  const result: TrainResult = {
    theta,
    config,
    ...(best && { best }),
    records,
    outerStepsDone,
    isComplete,
    ...(!isComplete && { stoppedBy: limits.reached ?? 'signal' }),
    ...(out !== undefined && { out }),
    notes: notes.messages,
  }
  const failure = await files?.finish(signal)
  if (failure !== undefined) throw new UnsavedRunError(result, failure)
  if (out !== undefined && options.report && result.stoppedBy !== 'signal') {
    await writeRunReport(out, result).catch((cause: Error) => {
      throw new UnsavedRunError(result, cause)
    })
  }
  await notes.settled()
  return result
}
