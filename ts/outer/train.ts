/** Meta-training from a config to files, with resume. */
import { parseTrainConfig, type TrainConfig, type TrainConfigInput } from '../config/trainConfig.js'
import { OuterloopError } from '../errors.js'
import { doctor } from '../native.js'
import { removeLeftovers } from '../weights/atomicFile.js'
import { loadNewestCheckpoint } from './checkpoint.js'
import { LimitWatch, type RunLimits, type StopReason } from './limits.js'
import { beginRunDirectory, lockRunDirectory, readRunConfig } from './runDirectory.js'
import { RunFiles } from './runFiles.js'
import type { StepRecord } from './stepRecord.js'
import { Trainer } from './trainer.js'
import type { BestTheta } from './trainerState.js'
import { UnsavedRunError } from './unsavedRunError.js'

export type { StepRecord } from './stepRecord.js'

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

/** Where a run writes, and how it is watched and stopped. */
export interface TrainOptions extends RunLimits {
  /** Directory to write; made if it is not there. Default: nothing is written. */
  out?: string
  /** Directory of a run to continue, instead of a config. */
  resume?: string
  /** Aborts at once; the promise rejects with the signal's reason. The last checkpoint stays. */
  signal?: AbortSignal
  /** Finishes the outer step, saves, and returns with `isComplete: false`. */
  stopSignal?: AbortSignal
  /** Called once, before the first outer step. */
  onStart?: (info: StartInfo) => void
  /** Called after every outer step. */
  onStep?: (record: StepRecord) => void
  /**
   * Told what a person should know: a damaged checkpoint that was passed over, files that cannot be written. Until they
   * can be, the run goes on in memory.
   */
  onNote?: (message: string) => void
}

/** A finished or stopped run. */
export interface TrainResult {
  /** The trained theta: the moving average. */
  theta: Float32Array
  config: TrainConfig
  /** The theta that did best on the tasks of `evaluation`, if the config has that. */
  best?: BestTheta
  /** Every outer step, also those before a resume. */
  records: StepRecord[]
  outerStepsDone: number
  isComplete: boolean
  /** Why the run is not complete. It is saved, and `resume` goes on with the same bits. */
  stoppedBy?: StopReason
  /** The directory written, if any. */
  out?: string
}

/**
 * Meta-trains a learned optimizer.
 *
 * @param config - A preset's name with what differs from it, or a whole config; see `parseTrainConfig`. Undefined
 *  only with `resume`, which takes the run's own.
 * @param options - See {@link TrainOptions}.
 * @returns The trained theta and the records of all outer steps. The same config gives the same bits, with any number
 *  of threads, any `cpu` and after any resume.
 * @throws {OuterloopError} `INVALID_OPTION` for a wrong config, `DATA_INVALID` for an unusable data set,
 *  `CHECKPOINT_INVALID` if a run to resume is damaged beyond its kept checkpoints, `DEVICE_UNAVAILABLE` if this machine
 *  lacks the instruction set that `cpu` names, `IN_USE` if another run is writing to the directory;
 *  {@link UnsavedRunError} `WRITE_FAILED` if the run has ended and still cannot be written.
 * @example
 * const { theta } = await train({ preset: 'quick', seed: 7, outerSteps: 30 }, { out: 'runs/try' })
 */
export async function train(
  config: TrainConfigInput | undefined,
  options: TrainOptions = {},
): Promise<TrainResult> {
  const { resume, signal, onNote = () => {} } = options
  if ((config === undefined) === (resume === undefined)) {
    const got = config === undefined ? 'neither' : 'both'
    throw new OuterloopError('INVALID_OPTION', `expected either a config or \`resume\`, got ${got}`)
  }
  const limits = new LimitWatch(options)
  signal?.throwIfAborted()
  if (resume === undefined) {
    const complete = parseTrainConfig(config)
    // A backend that this machine lacks is found before anything is written.
    doctor({ cpu: complete.cpu })
    const { out } = options
    using _lock = out === undefined ? undefined : await lockRunDirectory(out, onNote)
    if (out !== undefined) await beginRunDirectory(out, complete)
    using trainer = await Trainer.create(complete, { signal })
    return await runToFiles(trainer, limits, out, options)
  }
  const complete = await readRunConfig(resume)
  using _lock = await lockRunDirectory(resume, onNote)
  await removeLeftovers(resume)
  const state = await loadNewestCheckpoint(resume, complete, onNote)
  if (state === undefined) onNote(`${resume} has no checkpoint yet: starting from the beginning.`)
  using trainer = state ? await Trainer.restore(complete, state) : await Trainer.create(complete, { signal })
  return await runToFiles(trainer, limits, resume, options)
}

async function runToFiles(
  trainer: Trainer,
  limits: LimitWatch,
  out: string | undefined,
  options: TrainOptions,
): Promise<TrainResult> {
  const { onNote = () => {}, signal, stopSignal } = options
  const { config } = trainer
  const files = out === undefined ? undefined : await RunFiles.open(out, trainer, onNote)
  const records = files?.records ?? []
  options.onStart?.({
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
    options.onStep?.(record)
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
  }
  const failure = await files?.finish(signal)
  if (failure !== undefined) throw new UnsavedRunError(result, failure)
  return result
}
