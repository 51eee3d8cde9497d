/** The directory of a run: its config, and the lock that keeps other runs out. */
import { access, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { loadConfigFile } from '../config/configFile.js'
import { parseTrainConfig, type TrainConfig } from '../config/trainConfig.js'
import { OuterloopError } from '../errors.js'
import { FileLock } from '../native.js'
import { removeLeftovers, writeAtomically } from '../weights/atomicFile.js'
import { refuseExistingRun, removeRun, unwritable } from './existingRun.js'

/**
 * Makes the directory if it is not there, and keeps other runs out of it until the result is disposed of or the process
 * ends.
 *
 * @param onNote - Told if the file system has no locks: the run goes on without.
 * @throws {OuterloopError} `IN_USE` if another run has the directory, `WRITE_FAILED` if it cannot be made.
 */
export async function lockRunDirectory(
  directory: string,
  onNote: (message: string) => void,
): Promise<Disposable> {
  await mkdir(directory, { recursive: true }).catch((cause: unknown) => {
    throw unwritable(directory, cause)
  })
  const lock = new FileLock(join(directory, '.lock'))
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
  return lock
}

/**
 * Clears away what a killed run left in a locked directory, and writes `config.json`.
 *
 * @param isForced - Whether a run there is replaced.
 * @throws {OuterloopError} `INVALID_OPTION` if there is one, and it is not to be or cannot be replaced.
 */
export async function beginRunDirectory(
  directory: string,
  config: TrainConfig,
  isForced: boolean,
): Promise<void> {
  if (isForced) await removeRun(directory, weightsOf(config))
  // Another run may have begun there since the directory was looked at.
  else await refuseExistingRun(directory)
  await removeLeftovers(directory)
  await writeRunConfig(directory, config)
}

/** Files that a run reads weights from. */
function weightsOf({ start, outerOptimizer }: Pick<TrainConfig, 'start' | 'outerOptimizer'>): string[] {
  const applied = outerOptimizer.name === 'apply' ? outerOptimizer.weights : undefined
  return [start.theta, applied].filter((path) => path !== undefined)
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

/** Writes `config.json`, in the place of the one there is. */
export async function writeRunConfig(directory: string, config: TrainConfig): Promise<void> {
  await writeAtomically(join(directory, 'config.json'), `${JSON.stringify(config, null, 2)}\n`)
}
