/** metrics.jsonl: one record of an outer step a line. */
import { open, readFile, stat } from 'node:fs/promises'
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
   * written again. Lines that are no record are dropped, and records may be missing: that must not keep a run from going on.
   *
   * @param onNote - Told what is damaged or missing.
   * @throws {OuterloopError} `DATA_INVALID` if the file cannot be read.
   */
  static async open(
    directory: string,
    outerStep: number,
    onNote: (message: string) => void,
  ): Promise<MetricsFile> {
    const path = join(directory, 'metrics.jsonl')
    const text = await readText(path)
    const { records: all, damaged } = parseRecords(text ?? '')
    const records = all.filter((record) => record.outerStep <= outerStep)
    const numMissing = outerStep - records.length
    if (text === undefined ? outerStep > 0 : damaged.length > 0 || numMissing > 0) {
      onNote(describeDamage(path, text === undefined, damaged.length, numMissing))
    }
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
  const text = await readText(path)
  if (text === undefined) {
    throw new OuterloopError('DATA_INVALID', `readMetrics: expected a readable file, got none at ${path}`)
  }
  const { records, damaged } = parseRecords(text)
  const [first] = damaged
  if (first === undefined) return records
  throw new OuterloopError(
    'DATA_INVALID',
    `readMetrics: expected a JSON record with \`outerStep\`, \`innerSteps\` and \`metaLoss\` in line ${first.number} of ${path}, got ${first.line.slice(0, 80)}`,
  )
}

/**
 * The text of a file; undefined if there is none.
 *
 * @throws {OuterloopError} `DATA_INVALID`, at once, if it is no regular file or cannot be read.
 */
async function readText(path: string): Promise<string | undefined> {
  try {
    // A pipe would wait for a writer.
    if ((await stat(path)).isFile()) return await readFile(path, 'utf8')
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw new OuterloopError('DATA_INVALID', `expected ${path} to be a readable file, got ${message}`, {
      cause,
    })
  }
  throw new OuterloopError('DATA_INVALID', `expected ${path} to be a regular file, got something else`)
}

/** Records by ascending outer step, the later one where a step comes twice, and the lines that are none. */
function parseRecords(text: string): {
  records: StepRecord[]
  /** Without a last line that is torn, as a killed process leaves it. */
  damaged: { number: number; line: string }[]
} {
  const records = new Map<number, StepRecord>()
  const damaged: { number: number; line: string }[] = []
  const lines = text.split('\n')
  for (const [i, line] of lines.entries()) {
    if (line.trim() === '') continue
    const record = parseRecord(line)
    if (record) records.set(record.outerStep, record)
    else if (i < lines.length - 1) damaged.push({ number: i + 1, line })
  }
  return { records: [...records.values()].sort((a, b) => a.outerStep - b.outerStep), damaged }
}

function describeDamage(path: string, isGone: boolean, numDamaged: number, numMissing: number): string {
  const lines = numDamaged === 1 ? 'a damaged line' : `${numDamaged} damaged lines`
  const what = isGone ? 'is gone' : numDamaged > 0 ? `has ${lines}` : 'is not whole'
  const steps = numMissing === 1 ? 'one outer step is' : `${numMissing} outer steps are`
  const missing = numMissing === 0 ? 'nothing is missing' : `${steps} missing from metrics and figures`
  return `${path} ${what}: ${missing}. Theta does not depend on it.`
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
