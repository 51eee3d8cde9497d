/** Checkpoints: a run's whole state in one file. */
import type { Dirent } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { TrainConfig } from '../config/trainConfig.js'
import { OuterloopError } from '../errors.js'
import { engineVersion } from '../native.js'
import { readTensorFile, writeTensorFile } from '../weights/tensorFile.js'
import type { TrainerFacts, TrainerState } from './trainerState.js'

const FORMAT = 'outerloop-checkpoint-3'
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
    outerSteps: String(config.outerSteps),
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
  const checkpoints = await listCheckpoints(directory)
  const old = checkpoints.filter(({ name }) => name <= fileName(newest)).slice(keep)
  // A directory of that name is none of ours.
  const files = old.filter((entry) => !entry.isDirectory())
  await Promise.all(files.map(({ name }) => rm(join(directory, name), { force: true })))
}

/** What a checkpoint holds. */
export interface Checkpoint {
  state: TrainerState
  /** Outer steps that the run was to have when it was written. */
  outerSteps: number
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
): Promise<Checkpoint | undefined> {
  const checkpoints = await listCheckpoints(directory)
  for (const [i, { name }] of checkpoints.entries()) {
    try {
      return await loadCheckpoint(join(directory, name), config)
    } catch (error) {
      if (!(error instanceof OuterloopError)) throw error
      const next = checkpoints[i + 1]
      if (next === undefined) throw error
      onNote(`${error.message}. Using ${next.name} instead.`)
    }
  }
  return undefined
}

async function loadCheckpoint(path: string, config: TrainConfig): Promise<Checkpoint> {
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
  const state = { facts, arrays: Object.fromEntries(tensors) }
  return { state, outerSteps: Number(metadata.outerSteps) }
}

/** The checkpoints in a directory, newest first. */
async function listCheckpoints(directory: string): Promise<Dirent[]> {
  const entries = await readdir(directory, { withFileTypes: true })
  return entries.filter(({ name }) => NAME.test(name)).sort((a, b) => (a.name < b.name ? 1 : -1))
}

function fileName(outerStep: number): string {
  return `checkpoint-${String(outerStep).padStart(8, '0')}.safetensors`
}

/** The part of a config that a state depends on. */
function fingerprint({
  outerSteps: _outerSteps,
  threads: _threads,
  cpu: _cpu,
  checkpoint: _checkpoint,
  maxMemoryBytes: _bytes,
  ...rest
}: TrainConfig): string {
  return JSON.stringify(rest)
}
