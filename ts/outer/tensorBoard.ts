/** tensorboard/: the numbers of a run as event files, which TensorBoard shows while the run goes on. */
import { constants } from 'node:fs'
import { appendFile, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { OuterloopError } from '../errors.js'
import { fileVersionEvent, sessionStartEvent, summaryEvent } from './tensorBoardEvent.js'
import { tfRecord } from './tfRecord.js'

/**
 * Appends the scalars of outer steps to an event file of TensorBoard.
 *
 * Every start of a run has a file of its own, for TensorBoard reads on where it was, and never goes back to a file after
 * it has seen one whose name sorts later. No step is shown twice after a resume. TensorBoard has two readers, and each
 * has its own rule: that in Python (`event_accumulator.py`, also `--load_fast=false`) drops all steps from that of a
 * `SessionLog` `START` on, if the file's version is at least 2; the data server (`data/server/reservoir.rs`) drops what a
 * tag has from a step on when the tag is written at that step again.
 */
export class TensorBoardWriter {
  readonly #path: string

  private constructor(path: string) {
    this.#path = path
  }

  /**
   * Begins a file in `directory/tensorboard`, which is made if it is not there.
   *
   * @param directory - The directory of the run, which must be there.
   * @param fromStep - The last step that is kept of earlier files. 0: the run begins anew, and nothing of them is.
   * @throws {OuterloopError} `INVALID_OPTION` if `fromStep` is no integer ≥ 0.
   */
  static async open(directory: string, fromStep: number): Promise<TensorBoardWriter> {
    checkStep('fromStep', fromStep)
    const place = join(directory, 'tensorboard')
    await mkdir(place).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
    const now = Date.now() / 1000
    const path = join(place, nextName(await readdir(place), now))
    const start = sessionStartEvent(fromStep === 0 ? 0 : fromStep + 1, now)
    const head = Buffer.concat([tfRecord(fileVersionEvent(now)), tfRecord(start)])
    // Exclusive: two runs at the same time in one directory must not share a file.
    await appendFile(path, head, { flag: 'ax' })
    return new TensorBoardWriter(path)
  }

  /**
   * Appends one event with all values of a step. It is one record and one write: a process that is killed leaves at most
   * its last record torn, and TensorBoard reads up to that. After a write that failed, go on with a new file.
   *
   * @param step - Steps of a file ascend.
   * @param scalars - Values by tag. They are rounded to float32; what is not finite is shown as such.
   * @param wallSeconds - When, in seconds since 1970.
   * @throws {OuterloopError} `INVALID_OPTION` if `step` is no integer ≥ 0.
   */
  async write(step: number, scalars: Readonly<Record<string, number>>, wallSeconds: number): Promise<void> {
    checkStep('step', step)
    // By name, and never a new file: what goes to a file that was deleted is lost without an error.
    const flag = constants.O_WRONLY | constants.O_APPEND
    await appendFile(this.#path, tfRecord(summaryEvent(step, scalars, wallSeconds)), { flag })
  }
}

/**
 * A name that sorts after those of all event files, also within a second and when the clock was put back: their stamps
 * are seconds with ten digits.
 */
function nextName(names: readonly string[], nowSeconds: number): string {
  const stamps = names.map((name) => Number(/^events\.out\.tfevents\.(\d{10})\./.exec(name)?.[1] ?? 0))
  const stamp = Math.max(Math.floor(nowSeconds), ...stamps.map((stamp) => stamp + 1))
  return `events.out.tfevents.${String(stamp).padStart(10, '0')}.outerloop`
}

function checkStep(path: string, step: number): void {
  if (Number.isSafeInteger(step) && step >= 0) return
  throw new OuterloopError('INVALID_OPTION', `expected \`${path}\` to be an integer >= 0, got ${step}`)
}
