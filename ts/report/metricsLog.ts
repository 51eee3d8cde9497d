/** Reads metrics.jsonl: one record of an outer step a line. */
import { readFile } from 'node:fs/promises'
import { OuterloopError } from '../errors.js'
import type { StepRecord } from '../outer/train.js'

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
