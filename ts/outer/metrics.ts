/** metrics.jsonl: one record of an outer step a line. */
import { type FileHandle, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { OuterloopError } from '../errors.js'
import { writeAtomically } from './atomicFile.js'
import type { StepRecord } from './stepRecord.js'

/** Appends step records to `metrics.jsonl`, one line each. */
export class MetricsWriter {
  readonly #file: FileHandle

  private constructor(file: FileHandle) {
    this.#file = file
  }

  /**
   * Opens the file, cut back to the records up to `outerStep`, which are returned: those after the checkpoint that a
   * run resumes from will be written again. Lines that are no record are dropped: they must not keep a run from going on.
   */
  static async open(
    directory: string,
    outerStep: number,
  ): Promise<{ writer: MetricsWriter; records: StepRecord[] }> {
    const path = join(directory, 'metrics.jsonl')
    const text = await readFile(path, 'utf8').catch(() => '')
    const records = text.split('\n').flatMap((line) => {
      const record = parseRecord(line)
      return record && record.outerStep <= outerStep ? [record] : []
    })
    await writeAtomically(path, records.map((record) => `${JSON.stringify(record)}\n`).join(''))
    return { writer: new MetricsWriter(await open(path, 'a')), records }
  }

  async write(record: StepRecord): Promise<void> {
    await this.#file.appendFile(`${JSON.stringify(record)}\n`)
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
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
    const value = JSON.parse(line) as Partial<StepRecord> | null
    if (typeof value?.outerStep !== 'number' || typeof value.innerSteps !== 'number') return undefined
    // JSON has no NaN: a meta-loss that was not finite is written as null.
    return { ...value, metaLoss: value.metaLoss ?? Number.NaN } as StepRecord
  } catch {
    return undefined
  }
}
