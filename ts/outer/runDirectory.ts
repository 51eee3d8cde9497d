/** The config of a run in its directory. */
import { access, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { loadConfigFile } from '../config/configFile.js'
import { parseTrainConfig, type TrainConfig } from '../config/trainConfig.js'
import { removeLeftovers, writeAtomically } from '../weights/atomicFile.js'

/** Creates the directory and writes `config.json`. */
export async function createRunDirectory(directory: string, config: TrainConfig): Promise<void> {
  await mkdir(directory, { recursive: true })
  await removeLeftovers(directory)
  await writeRunConfig(directory, config)
}

/** Writes `config.json` if it is gone: without it no checkpoint can be resumed. Makes no directory. */
export async function restoreRunConfig(directory: string, config: TrainConfig): Promise<void> {
  await access(join(directory, 'config.json')).catch(() => writeRunConfig(directory, config))
}

/**
 * The config of the run in a directory.
 *
 * @throws {OuterloopError} `INVALID_OPTION` if there is none, or it is not valid.
 */
export async function readRunConfig(directory: string): Promise<TrainConfig> {
  return parseTrainConfig(await loadConfigFile(join(directory, 'config.json')))
}

async function writeRunConfig(directory: string, config: TrainConfig): Promise<void> {
  await writeAtomically(join(directory, 'config.json'), `${JSON.stringify(config, null, 2)}\n`)
}
