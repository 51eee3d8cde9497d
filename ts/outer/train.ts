/** Meta-training from a config to files, with resume. */
import { join } from 'node:path'
import { parseTrainConfig, type TrainConfig, type TrainConfigInput } from '../config/trainConfig.js'
import { OuterloopError } from '../errors.js'
import { doctor } from '../native.js'
import { loadNewestCheckpoint, saveCheckpoint } from './checkpoint.js'
import { MetricsWriter } from './metrics.js'
import { createRunDirectory, readRunConfig } from './runDirectory.js'
import type { StepRecord } from './stepRecord.js'
import { saveTheta } from './thetaFile.js'
import { Trainer } from './trainer.js'

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
export interface TrainOptions {
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
  /** Told what a person should know, such as a damaged checkpoint that was passed over. */
  onNote?: (message: string) => void
}

/** A finished or stopped run. */
export interface TrainResult {
  /** The trained theta: the moving average. */
  theta: Float32Array
  config: TrainConfig
  /** Every outer step, also those before a resume. */
  records: StepRecord[]
  outerStepsDone: number
  isComplete: boolean
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
 *  lacks the instruction set that `cpu` names.
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
  signal?.throwIfAborted()
  if (resume === undefined) {
    const complete = parseTrainConfig(config)
    // A backend that this machine lacks is found before anything is written.
    doctor({ cpu: complete.cpu })
    if (options.out !== undefined) await createRunDirectory(options.out, complete)
    using trainer = await Trainer.create(complete, { signal })
    return await runToFiles(trainer, options.out, options)
  }
  const complete = await readRunConfig(resume)
  const state = await loadNewestCheckpoint(resume, complete, onNote)
  if (state === undefined) onNote(`${resume} has no checkpoint yet: starting from the beginning.`)
  using trainer = state ? await Trainer.restore(complete, state) : await Trainer.create(complete, { signal })
  return await runToFiles(trainer, resume, options)
}

async function runToFiles(
  trainer: Trainer,
  out: string | undefined,
  options: TrainOptions,
): Promise<TrainResult> {
  const { config, outerStep: fromOuterStep } = trainer
  const files = out === undefined ? undefined : await MetricsWriter.open(out, fromOuterStep)
  const records = files?.records ?? []
  let savedAt: number | undefined
  options.onStart?.({
    outerSteps: config.outerSteps,
    fromOuterStep,
    thetaLength: trainer.theta.length,
    threads: trainer.threads,
    backend: doctor({ cpu: config.cpu }).backend,
    startLoss: trainer.startLoss,
  })
  try {
    for await (const record of trainer.run(options)) {
      records.push(record)
      await files?.writer.write(record)
      options.onStep?.(record)
      const isDue = record.outerStep % config.checkpoint.everyOuterSteps === 0
      if (out !== undefined && isDue) {
        await saveCheckpoint(out, config, trainer.state())
        savedAt = record.outerStep
      }
    }
  } finally {
    await files?.writer.close()
  }
  const theta = trainer.theta
  const outerStepsDone = trainer.outerStep
  if (out !== undefined) {
    if (savedAt !== outerStepsDone) await saveCheckpoint(out, config, trainer.state())
    await saveTheta(join(out, 'theta.safetensors'), { theta, config, outerSteps: outerStepsDone })
  }
  const isComplete = outerStepsDone >= config.outerSteps
  return { theta, config, records, outerStepsDone, isComplete, ...(out !== undefined && { out }) }
}
