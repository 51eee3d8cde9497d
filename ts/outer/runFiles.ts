/**
 * The files of a run: metrics, event files, checkpoints, the best theta and the last one.
 *
 * A disk that is full, or a directory that is gone, must not end a run of days. What cannot be written stays in memory and
 * is tried again: at the next checkpoint, after a while, and at the end. The directory itself is never made anew: one that
 * was moved away could not come back then.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isFileFailure, systemCode } from '../files/systemError.js'
import { saveTheta } from '../weights/thetaFile.js'
import { Backoff } from './backoff.js'
import { removeOldCheckpoints, saveCheckpoint } from './checkpoint.js'
import { MetricsFile } from './metrics.js'
import { restoreRunConfig } from './runDirectory.js'
import type { StepRecord } from './stepRecord.js'
import { TensorBoardLog } from './tensorBoardLog.js'
import type { Trainer } from './trainer.js'

/** Waits between the tries to write the end of a run. */
const FINAL_WAITS_MS = [1000, 2000, 4000]

/** Keeps the files of a run up to date. */
export class RunFiles {
  readonly #directory: string
  readonly #trainer: Trainer
  readonly #onNote: (message: string) => void
  readonly #metrics: MetricsFile
  readonly #tensorBoard: TensorBoardLog
  readonly #backoff = new Backoff()
  /** Outer step of the newest checkpoint in the directory. */
  #checkpointStep: number | undefined
  #isCheckpointDue = false
  /** Outer step of the theta in `theta-best.safetensors`. */
  #bestStep: number | undefined
  /** System's code of the failure that was told last; undefined while all goes well. */
  #told: string | undefined

  private constructor(
    directory: string,
    trainer: Trainer,
    metrics: MetricsFile,
    onNote: (message: string) => void,
  ) {
    this.#directory = directory
    this.#trainer = trainer
    this.#onNote = onNote
    this.#metrics = metrics
    this.#tensorBoard = new TensorBoardLog(directory, trainer.outerStep)
    this.#checkpointStep = trainer.outerStep === 0 ? undefined : trainer.outerStep
    this.#bestStep = trainer.best?.outerStep
  }

  /**
   * Opens the files of a run whose directory has its `config.json`, before its first outer step here.
   *
   * @param trainer - As it was restored from the newest checkpoint there, if there is one.
   * @param onNote - Told when files cannot be written, and when they can be again, and what is missing of the metrics.
   */
  static async open(
    directory: string,
    trainer: Trainer,
    onNote: (message: string) => void,
  ): Promise<RunFiles> {
    const metrics = await MetricsFile.open(directory, trainer.outerStep, onNote)
    return new RunFiles(directory, trainer, metrics, onNote)
  }

  /** Records of all outer steps, also those before a resume. */
  get records(): StepRecord[] {
    return this.#metrics.records
  }

  /** Writes what is due after an outer step, whose record is the last of `records`. What cannot be written is told and tried again. */
  async save(record: StepRecord): Promise<void> {
    this.#tensorBoard.add(record)
    const isDue = record.outerStep % this.#trainer.config.checkpoint.everyOuterSteps === 0
    this.#isCheckpointDue ||= isDue
    if (this.#backoff.isWaiting && !isDue) return
    const best = this.#trainer.best
    await this.#write([
      () => this.#writeMetrics(this.#isCheckpointDue),
      ...(this.#isCheckpointDue ? [() => this.#writeCheckpoint()] : []),
      ...(best !== undefined && best.outerStep !== this.#bestStep ? [() => this.#writeBest()] : []),
    ])
  }

  /**
   * Writes all that is left, and the trained theta.
   *
   * @returns Why it could not be done; undefined if it was.
   * @throws The reason of `signal` when it fires between two tries.
   */
  async finish(signal: AbortSignal | undefined): Promise<Error | undefined> {
    for (const waitMs of [...FINAL_WAITS_MS, undefined]) {
      const failure = await this.#write([
        () => this.#writeTheta(),
        () => this.#writeMetrics(true),
        () => this.#endWithCheckpoint(),
        () => this.#writeBest(),
      ])
      if (failure === undefined || waitMs === undefined) return failure
      await sleep(waitMs, undefined, signal && { signal }).catch(() => signal?.throwIfAborted())
    }
    return undefined
  }

  async #writeMetrics(isFlushed: boolean): Promise<void> {
    await this.#metrics.write({ isFlushed })
    await this.#tensorBoard.write()
  }

  async #writeCheckpoint(): Promise<void> {
    const { config, outerStep } = this.#trainer
    await restoreRunConfig(this.#directory, config)
    await saveCheckpoint(this.#directory, config, this.#trainer.state())
    this.#checkpointStep = outerStep
    this.#isCheckpointDue = false
  }

  /** The checkpoint of the last outer step, if it is not there already, and none too many. */
  async #endWithCheckpoint(): Promise<void> {
    const { config, outerStep } = this.#trainer
    if (this.#checkpointStep !== outerStep) await this.#writeCheckpoint()
    else await removeOldCheckpoints(this.#directory, outerStep, config.checkpoint.keep)
  }

  async #writeBest(): Promise<void> {
    const { best, config } = this.#trainer
    if (best === undefined) return
    const { theta, outerStep, heldOutLoss } = best
    const path = join(this.#directory, 'theta-best.safetensors')
    await saveTheta(path, { theta, config, outerSteps: outerStep, heldOutLoss })
    this.#bestStep = outerStep
  }

  async #writeTheta(): Promise<void> {
    const { theta, config, outerStep } = this.#trainer
    await saveTheta(join(this.#directory, 'theta.safetensors'), { theta, config, outerSteps: outerStep })
  }

  /** Does each of the jobs, whether or not another fails: a file may be broken alone. Returns the first failure. */
  async #write(jobs: (() => Promise<void>)[]): Promise<Error | undefined> {
    let failure: Error | undefined
    for (const job of jobs) {
      try {
        await job()
      } catch (error) {
        if (!isFileFailure(error)) throw error
        failure ??= error
      }
    }
    if (failure === undefined) this.#succeeded()
    else this.#failed(failure)
    return failure
  }

  #failed(failure: Error): void {
    this.#backoff.failed()
    const code = systemCode(failure) ?? failure.message
    if (this.#told === code) return
    this.#told = code
    const last =
      this.#checkpointStep === undefined
        ? 'No checkpoint has been written yet'
        : `The last checkpoint is that of outer step ${this.#checkpointStep}`
    this.#onNote(
      `${this.#directory} cannot be written: ${failure.message}. ` +
        `${last}; what came after it is kept in memory, and writing is tried again.`,
    )
  }

  #succeeded(): void {
    this.#backoff.succeeded()
    if (this.#told !== undefined) this.#onNote(`${this.#directory} can be written again; nothing is missing.`)
    this.#told = undefined
  }
}
