/** The directory of a training run, as the command line sees it. */
import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { TrainConfig } from '../config/trainConfig.js'
import { readMetrics } from '../outer/metrics.js'
import { readRunConfig } from '../outer/runDirectory.js'
import type { StepRecord } from '../outer/train.js'

/** Where a run goes if nothing else is said. */
export function defaultRunDirectory({ preset, seed }: Pick<TrainConfig, 'preset' | 'seed'>): string {
  return join('runs', `${preset ?? 'custom'}-${seed}`)
}

/** Config and metrics of the run that a theta file lies in; empty if it lies elsewhere. */
export async function readRunOf(theta: string): Promise<{ config?: TrainConfig; records?: StepRecord[] }> {
  const directory = dirname(theta)
  const names = await readdir(directory)
  if (!names.includes('metrics.jsonl') || !names.includes('config.json')) return {}
  const records = await readMetrics(join(directory, 'metrics.jsonl'))
  return { config: await readRunConfig(directory), records }
}
