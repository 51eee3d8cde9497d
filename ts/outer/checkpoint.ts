/** Checkpoints: a run's whole state in one file. */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { TrainConfig } from '../config/trainConfig.js'
import { OuterloopError } from '../errors.js'
import { engineVersion } from '../native.js'
import { readTensorFile, writeTensorFile } from '../weights/tensorFile.js'
import type { TrainerFacts, TrainerState } from './trainerState.js'

const FORMAT = 'outerloop-checkpoint-2'
const NAME = /^checkpoint-(\d{8})\.safetensors$/

/** Writes the checkpoint of `state` into `directory`; when it is safely there, old ones are deleted. */
export async function saveCheckpoint(
  directory: string,
  config: TrainConfig,
  state: TrainerState,
): Promise<void> {
  const tensors = Object.entries(state.arrays).map(([name, data]) => ({ name, shape: [data.length], data }))
  const { outerStep } = state.facts
  await writeTensorFile(join(directory, fileName(outerStep)), tensors, {
    format: FORMAT,
    version: engineVersion(),
    config: fingerprint(config),
    state: JSON.stringify(state.facts),
  })
  await removeOldCheckpoints(directory, outerStep, config.checkpoint.keep)
}

/**
 * Deletes all checkpoints up to that of outer step `newest` but the last `keep`. A process that was killed may have left more.
 *
 * Checkpoints of later outer steps do not count: the run started before them because they are damaged.
 */
export async function removeOldCheckpoints(directory: string, newest: number, keep: number): Promise<void> {
  const names = await listCheckpoints(directory)
  const old = names.filter((name) => name <= fileName(newest)).slice(keep)
  await Promise.all(old.map((name) => rm(join(directory, name), { force: true })))
}

/**
 * The newest intact checkpoint of a directory; undefined if it has none at all.
 *
 * @param onNote - Told of every damaged one that is passed over.
 * @throws {OuterloopError} `CHECKPOINT_INVALID` if all are damaged, or of another config or version.
 */
export async function loadNewestCheckpoint(
  directory: string,
  config: TrainConfig,
  onNote: (message: string) => void,
): Promise<TrainerState | undefined> {
  const names = await listCheckpoints(directory)
  for (const [i, name] of names.entries()) {
    try {
      return await loadCheckpoint(join(directory, name), config)
    } catch (error) {
      if (!(error instanceof OuterloopError)) throw error
      const next = names[i + 1]
      if (next === undefined) throw error
      onNote(`${error.message}. Using ${next} instead.`)
    }
  }
  return undefined
}

async function loadCheckpoint(path: string, config: TrainConfig): Promise<TrainerState> {
  const { tensors, metadata } = await readTensorFile(path, FORMAT)
  const version = engineVersion()
  if (metadata.version !== version) {
    const message = `${path}: expected a checkpoint of version ${version}, got one of ${metadata.version}`
    throw new OuterloopError('CHECKPOINT_INVALID', message)
  }
  if (metadata.config !== fingerprint(config)) {
    const message = `${path}: expected a checkpoint of the config in config.json, got one of another config`
    throw new OuterloopError('CHECKPOINT_INVALID', message)
  }
  // The checksum vouches for what we wrote ourselves.
  const facts = JSON.parse(metadata.state ?? '') as TrainerFacts
  return { facts, arrays: Object.fromEntries(tensors) }
}

/** Names of the checkpoints in a directory, newest first. */
async function listCheckpoints(directory: string): Promise<string[]> {
  const names = await readdir(directory)
  return names
    .filter((name) => NAME.test(name))
    .sort()
    .reverse()
}

function fileName(outerStep: number): string {
  return `checkpoint-${String(outerStep).padStart(8, '0')}.safetensors`
}

/** The part of a config that the results depend on. */
function fingerprint({
  threads: _threads,
  cpu: _cpu,
  checkpoint: _checkpoint,
  ...rest
}: TrainConfig): string {
  return JSON.stringify(rest)
}
