/** The files of a run, besides its checkpoints. */
import { type FileHandle, mkdir, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseTrainConfig, type TrainConfig } from '../config/trainConfig.js'
import { OuterloopError } from '../errors.js'
import { writeAtomically } from './atomicFile.js'
import type { StepRecord } from './trainer.js'

/** Creates the directory and writes `config.json`. */
export async function createRunDirectory(directory: string, config: TrainConfig): Promise<void> {
  await mkdir(directory, { recursive: true })
  await writeAtomically(join(directory, 'config.json'), `${JSON.stringify(config, null, 2)}\n`)
}

/** @throws {OuterloopError} `INVALID_OPTION` if the directory holds no readable config. */
export async function readConfig(directory: string): Promise<TrainConfig> {
  const path = join(directory, 'config.json')
  try {
    return parseTrainConfig(JSON.parse(await readFile(path, 'utf8')))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new OuterloopError('INVALID_OPTION', `resume: expected a run in ${directory}, got ${reason}`, {
      cause,
    })
  }
}

/** Appends step records to `metrics.jsonl`, one line each. */
export class MetricsWriter {
  readonly #file: FileHandle

  private constructor(file: FileHandle) {
    this.#file = file
  }

  /**
   * Opens the file, cut back to the records up to `outerStep`, which are returned: those after the checkpoint that a
   * run resumes from will be written again.
   */
  static async open(
    directory: string,
    outerStep: number,
  ): Promise<{ writer: MetricsWriter; records: StepRecord[] }> {
    const path = join(directory, 'metrics.jsonl')
    const text = await readFile(path, 'utf8').catch(() => '')
    const records = text.split('\n').flatMap((line) => {
      const record = parsed(line)
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

/** A line's record; undefined for a torn or empty line. */
function parsed(line: string): StepRecord | undefined {
  try {
    const record = JSON.parse(line) as StepRecord
    // JSON has no NaN.
    return { ...record, metaLoss: record.metaLoss ?? Number.NaN }
  } catch {
    return undefined
  }
}
