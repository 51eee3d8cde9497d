/** The config of a run in its directory. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { loadConfigFile } from '../config/configFile.js'
import { parseTrainConfig, type TrainConfig } from '../config/trainConfig.js'
import { writeAtomically } from './atomicFile.js'

/** Creates the directory and writes `config.json`. */
export async function createRunDirectory(directory: string, config: TrainConfig): Promise<void> {
  await mkdir(directory, { recursive: true })
  await writeAtomically(join(directory, 'config.json'), `${JSON.stringify(config, null, 2)}\n`)
}

/**
 * The config of the run in a directory.
 *
 * @throws {OuterloopError} `INVALID_OPTION` if there is none, or it is not valid.
 */
export async function readRunConfig(directory: string): Promise<TrainConfig> {
  return parseTrainConfig(await loadConfigFile(join(directory, 'config.json')))
}
