/** The directory of a training run, as the command line sees it. */
import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { loadConfigFile } from '../config/configFile.js'
import { parseTrainConfig, type TrainConfig } from '../config/trainConfig.js'
import { OuterloopError } from '../errors.js'
import type { StepRecord } from '../outer/train.js'
import type { MetaTrainingPoint } from '../report/metaTrainingFigure.js'
import { readMetrics } from '../report/metricsLog.js'

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

/**
 * The config of the run in a directory.
 *
 * @throws {OuterloopError} `INVALID_OPTION` if there is none, or it is not valid.
 */
export async function readRunConfig(directory: string): Promise<TrainConfig> {
  return parseTrainConfig(await loadConfigFile(join(directory, 'config.json')))
}

/** Config and metrics of the run that a theta file lies in; empty if it lies elsewhere. */
export async function readRunOf(
  theta: string,
): Promise<{ config?: TrainConfig; records?: MetaTrainingPoint[] }> {
  const directory = dirname(theta)
  const names = await readdir(directory)
  if (!names.includes('metrics.jsonl') || !names.includes('config.json')) return {}
  const records = await readMetrics(join(directory, 'metrics.jsonl'))
  return { config: await readRunConfig(directory), records: curvePoints(records) }
}

/** Records as the figure wants them: a meta-loss that is not finite is null in a record, which is JSON, and NaN there. */
export function curvePoints(records: readonly StepRecord[]): MetaTrainingPoint[] {
  return records.map((record) => ({ ...record, metaLoss: record.metaLoss ?? Number.NaN }))
}
