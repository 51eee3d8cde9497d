/** Checkpoints: a run's whole state in one file. */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { TrainConfig } from '../config/trainConfig.js'
import { OuterloopError } from '../errors.js'
import type { EstimatorState } from '../es/estimator.js'
import { engineVersion } from '../native.js'
import { readTensorFile, writeTensorFile } from './tensorFile.js'
import type { TrainerState } from './trainer.js'

const FORMAT = 'outerloop-checkpoint-1'
const NAME = /^checkpoint-(\d{8})\.safetensors$/

/** What of a state is text. */
interface Description {
  outerStep: number
  innerSteps: number
  startLoss: number
  beta1Power: number
  beta2Power: number
  estimator: EstimatorState
  unroller: string
}

/** Writes the checkpoint of `state` into `directory`, then deletes all but the newest `keep`. */
export async function saveCheckpoint(
  directory: string,
  config: TrainConfig,
  state: TrainerState,
): Promise<void> {
  const { outerStep, innerSteps, startLoss, theta, average, adam, estimator, unroller } = state
  const { m, v, beta1Power, beta2Power } = adam
  const unrollerText = unroller.description
  const description: Description = {
    outerStep,
    innerSteps,
    startLoss,
    beta1Power,
    beta2Power,
    estimator,
    unroller: unrollerText,
  }
  const arrays = { theta, average, 'adam/m': m, 'adam/v': v, unroller: unroller.numbers }
  const tensors = Object.entries(arrays).map(([name, data]) => ({ name, shape: [data.length], data }))
  await writeTensorFile(join(directory, fileName(outerStep)), tensors, {
    format: FORMAT,
    version: engineVersion(),
    config: fingerprint(config),
    state: JSON.stringify(description),
  })
  const old = (await listCheckpoints(directory)).slice(config.checkpoint.keep)
  await Promise.all(old.map((name) => rm(join(directory, name), { force: true })))
}

/**
 * The newest intact checkpoint of a directory; undefined if it has none at all.
 *
 * @param onNote - Told of every damaged one that is passed over.
 * @throws {OuterloopError} `CHECKPOINT_INVALID` if all are damaged, or the newest is of another config or version.
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
  const array = (name: string) => {
    const found = tensors.get(name)
    if (found) return found
    throw new OuterloopError('CHECKPOINT_INVALID', `${path}: expected a tensor \`${name}\`, got none`)
  }
  // The checksum vouches for what we wrote ourselves.
  const text = JSON.parse(metadata.state ?? '') as Description
  return {
    outerStep: text.outerStep,
    innerSteps: text.innerSteps,
    startLoss: text.startLoss,
    theta: array('theta'),
    average: array('average'),
    adam: {
      m: array('adam/m'),
      v: array('adam/v'),
      beta1Power: text.beta1Power,
      beta2Power: text.beta2Power,
    },
    estimator: text.estimator,
    unroller: { description: text.unroller, numbers: array('unroller') },
  }
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
