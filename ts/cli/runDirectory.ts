/** The directory of a training run, as the command line sees it. */
import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { TrainConfig } from '../config/trainConfig.js'
import { OuterloopError } from '../errors.js'
import { readMetrics } from '../outer/metrics.js'
import { readRunConfig } from '../outer/runDirectory.js'
import type { StepRecord } from '../outer/train.js'

/** Where a run goes if nothing else is said. */
export function defaultRunDirectory({ preset, seed }: TrainConfig): string {
  return join('runs', `${preset ?? 'custom'}-${seed}`)
}

/**
 * Refuses a directory that holds a run, so that none is overwritten by mistake.
 *
 * @throws {OuterloopError} `INVALID_OPTION`, with the two ways out.
 */
export async function refuseExistingRun(directory: string): Promise<void> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw new OuterloopError('INVALID_OPTION', `expected ${directory} to be a directory, got ${error.code}`, {
      cause: error,
    })
  })
  const trace = names.find((name) => /^(metrics\.jsonl|(checkpoint-.*|theta)\.safetensors)$/.test(name))
  if (trace === undefined) return
  throw new OuterloopError(
    'INVALID_OPTION',
    `expected ${directory} to hold no run, got one (${trace}): ` +
      `continue it with --resume ${directory}, or choose another directory with --out`,
  )
}

/** Config and metrics of the run that a theta file lies in; empty if it lies elsewhere. */
export async function readRunOf(theta: string): Promise<{ config?: TrainConfig; records?: StepRecord[] }> {
  const directory = dirname(theta)
  const names = await readdir(directory)
  if (!names.includes('metrics.jsonl') || !names.includes('config.json')) return {}
  const records = await readMetrics(join(directory, 'metrics.jsonl'))
  return { config: await readRunConfig(directory), records }
}
