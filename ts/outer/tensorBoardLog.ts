/** The event files of a run, as far as they can be written. */
import { recordScalars } from './recordScalars.js'
import type { StepRecord } from './stepRecord.js'
import { TensorBoardWriter } from './tensorBoard.js'

/** Writes records to event files; those that could not be written wait. */
export class TensorBoardLog {
  readonly #directory: string
  /** The last outer step that is in the event files. */
  #writtenStep: number
  #writer: TensorBoardWriter | undefined
  readonly #waiting: { record: StepRecord; wallSeconds: number }[] = []

  /** @param fromOuterStep - The outer step of the checkpoint that the run resumes from; 0: a fresh run. */
  constructor(directory: string, fromOuterStep: number) {
    this.#directory = directory
    this.#writtenStep = fromOuterStep
  }

  /** Takes the record of the outer step that ends now. */
  add(record: StepRecord): void {
    this.#waiting.push({ record, wallSeconds: Date.now() / 1000 })
  }

  /** Writes what waits. When it fails, the same call later goes on with a file of its own, for the last may be torn. */
  async write(): Promise<void> {
    try {
      for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
        const { record, wallSeconds } = next
        this.#writer ??= await TensorBoardWriter.open(this.#directory, this.#writtenStep)
        await this.#writer.write(record.outerStep, recordScalars(record), wallSeconds)
        this.#writtenStep = record.outerStep
        this.#waiting.shift()
      }
    } catch (error) {
      this.#writer = undefined
      throw error
    }
  }
}
