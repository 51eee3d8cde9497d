/** The directory of a run: its config, and the lock that keeps other runs out. */
import { access, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { loadConfigFile } from '../config/configFile.js'
import { parseTrainConfig, type TrainConfig } from '../config/trainConfig.js'
import { OuterloopError } from '../errors.js'
import { FileLock } from '../native.js'
import { removeLeftovers, writeAtomically } from '../weights/atomicFile.js'

/**
 * Creates the directory, takes it and writes `config.json`.
 *
 * @throws {OuterloopError} As {@link takeRunDirectory}.
 */
export async function createRunDirectory(
  directory: string,
  config: TrainConfig,
  onNote: (message: string) => void,
): Promise<Disposable> {
  await mkdir(directory, { recursive: true })
  return await takeRunDirectory(directory, onNote, () => writeRunConfig(directory, config))
}

/**
 * Keeps other runs out of a directory until the result is disposed of or the process ends, and clears away what a killed
 * run left.
 *
 * @param directory - Must exist.
 * @param onNote - Told if the file system has no locks: the run goes on without.
 * @param then - Done before the result is there; if it fails the directory is given back.
 * @throws {OuterloopError} `IN_USE` if another run has the directory.
 */
export async function takeRunDirectory(
  directory: string,
  onNote: (message: string) => void,
  then: () => Promise<void> = async () => {},
): Promise<Disposable> {
  const lock = new FileLock(join(directory, '.lock'))
  try {
    const { isHeld, holder, problem } = lock
    if (problem !== undefined) {
      onNote(`${directory} cannot be locked (${problem}): nothing keeps another run from writing there too.`)
    } else if (!isHeld) {
      const who = holder === undefined ? 'another run' : `the run of process ${holder}`
      throw new OuterloopError(
        'IN_USE',
        `expected a directory that no run writes to, got ${directory}, where ${who} does`,
      )
    }
    await removeLeftovers(directory)
    await then()
    return lock
  } catch (error) {
    lock[Symbol.dispose]()
    throw error
  }
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
