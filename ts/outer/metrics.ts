/** metrics.jsonl: one record of an outer step a line. */
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { OuterloopError } from '../errors.js'
import { writeAtomically } from '../weights/atomicFile.js'
import type { StepRecord } from './stepRecord.js'

/** The records of a run, in memory and in `metrics.jsonl`. */
export class MetricsFile {
  /** All of the run. What is pushed here, {@link MetricsFile.write} writes. */
  readonly records: StepRecord[]
  readonly #path: string
  #numWritten: number
  #lengthBytes: number

  private constructor(path: string, records: StepRecord[], lengthBytes: number) {
    this.#path = path
    this.records = records
    this.#numWritten = records.length
    this.#lengthBytes = lengthBytes
  }

  /**
   * Opens the file, cut back to the records up to `outerStep`: those after the checkpoint that a run resumes from will be
   * written again. Lines that are no record are dropped: they must not keep a run from going on.
   */
  static async open(directory: string, outerStep: number): Promise<MetricsFile> {
    const path = join(directory, 'metrics.jsonl')
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    const records = (text ?? '').split('\n').flatMap((line) => {
      const record = parseRecord(line)
      return record && record.outerStep <= outerStep ? [record] : []
    })
    const kept = toLines(records)
    if (text !== kept) await writeAtomically(path, kept)
    return new MetricsFile(path, records, Buffer.byteLength(kept))
  }

  /**
   * Brings the file up to {@link MetricsFile.records}. When it fails, the same call later makes up for it.
   *
   * @param isFlushed - Whether the file is to survive a power failure.
   */
  async write({ isFlushed }: { isFlushed: boolean }): Promise<void> {
    const text = toLines(this.records.slice(this.#numWritten))
    if (!(await this.#append(text, isFlushed))) {
      const whole = toLines(this.records)
      await writeAtomically(this.#path, whole)
      this.#lengthBytes = Buffer.byteLength(whole)
    }
    this.#numWritten = this.records.length
  }

  /** False, and nothing is done, if the file is not as we left it: torn by a write that failed, or deleted. */
  async #append(text: string, isFlushed: boolean): Promise<boolean> {
    const file = await open(this.#path, 'a')
    try {
      if ((await file.stat()).size !== this.#lengthBytes) return false
      await file.appendFile(text)
      if (isFlushed) await file.datasync()
    } finally {
      await file.close()
    }
    this.#lengthBytes += Buffer.byteLength(text)
    return true
  }
}

function toLines(records: readonly StepRecord[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('')
}

/**
 * Reads the records of a run, ascending by outer step.
 *
 * A last line that is torn, as a killed process leaves it, is left out. Where an outer step comes twice, because a
 * resumed run did it again, the later record counts.
 *
 * @param path - The file.
 * @throws {OuterloopError} `DATA_INVALID` when the file cannot be read, or a line before the last is no record.
 */
export async function readMetrics(path: string): Promise<StepRecord[]> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new OuterloopError('DATA_INVALID', `readMetrics: expected a readable file, got ${path}`, { cause })
  })
  const lines = text.split('\n')
  const records = new Map<number, StepRecord>()
  for (const [i, line] of lines.entries()) {
    if (line.trim() === '') continue
    const record = parseRecord(line)
    if (record) records.set(record.outerStep, record)
    else if (i < lines.length - 1) {
      throw new OuterloopError(
        'DATA_INVALID',
        `readMetrics: expected a JSON record with \`outerStep\`, \`innerSteps\` and \`metaLoss\` in line ${i + 1} of ${path}, got ${line.slice(0, 80)}`,
      )
    }
  }
  return [...records.values()].sort((a, b) => a.outerStep - b.outerStep)
}

function parseRecord(line: string): StepRecord | undefined {
  try {
    // JSON has no NaN: what was not finite is written as null.
    const value = JSON.parse(line, (_, field) => field ?? Number.NaN) as Partial<StepRecord>
    const isRecord = Number.isInteger(value.outerStep) && Number.isInteger(value.innerSteps)
    return isRecord && typeof value.metaLoss === 'number' ? (value as StepRecord) : undefined
  } catch {
    return undefined
  }
}
