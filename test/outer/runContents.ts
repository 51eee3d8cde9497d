/** What a run's directory holds, without what differs from one run of the same config to the next. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readMetrics } from '../../ts/outer/metrics.js'
import type { StepRecord } from '../../ts/outer/stepRecord.js'

/** A record without its wall times. */
export function timeless(record: StepRecord): Partial<StepRecord> {
  const { seconds: _seconds, innerStepsPerSecond: _rate, phases: _phases, ...rest } = record
  return rest
}

/** All that two runs of the same config must have in common when they have ended; `best` if there is an evaluation. */
export async function contentsOf(directory: string) {
  // A lock is taken when a run begins; a directory that was made anew since has none.
  const names = (await readdir(directory)).filter((name) => name !== '.lock').sort()
  const bytes = async (name: string) => (names.includes(name) ? readFile(join(directory, name)) : undefined)
  const path = join(directory, 'metrics.jsonl')
  const [records, text] = [await readMetrics(path), await readFile(path, 'utf8')]
  return {
    names,
    theta: await bytes('theta.safetensors'),
    best: await bytes('theta-best.safetensors'),
    // `readMetrics` passes over a step that comes twice.
    numLines: text.split('\n').length - 1,
    records: records.map(timeless),
  }
}
