/** Trained optimizers as files: theta by leaf, and the config that gives it meaning. */
import { z } from 'zod'
import { float32Array, integer, path as pathField, unchecked } from '../config/fields.js'
import { type OptimizerConfig, optimizerConfigSchema } from '../config/optimizerConfig.js'
import { parseWith } from '../config/parse.js'
import { quote } from '../config/quote.js'
import { parseTrainConfig, type TrainConfig } from '../config/trainConfig.js'
import { OuterloopError } from '../errors.js'
import { engineVersion, flatTheta, numElements, thetaLayout, type WeightLeaf } from '../native.js'
import { parseTensorFile, readWhole, writeTensorFile } from './tensorFile.js'

const FORMAT = 'outerloop-theta-1'

/** A trained optimizer. */
export interface TrainedOptimizer {
  /** Weights, flat in the order of the optimizer's leaves. */
  theta: Float32Array
  optimizer: OptimizerConfig
  /** What else the file says: `version`, `outerSteps`, `config` (JSON of the run's config), `heldOutLoss` if measured. */
  metadata: Record<string, string>
}

const savedSchema = z.strictObject({
  theta: float32Array(),
  config: unchecked(),
  outerSteps: integer(0),
  heldOutLoss: z.number().optional(),
})

/**
 * Writes a trained optimizer, with its loss on the tasks of `evaluation` if that is known. Equal input gives equal bytes.
 *
 * @throws {OuterloopError} `SHAPE_MISMATCH` if theta is not of the optimizer, `WRITE_FAILED` if it cannot be written.
 */
export async function saveTheta(
  path: string,
  trained: { theta: Float32Array; config: TrainConfig; outerSteps: number; heldOutLoss?: number },
): Promise<void> {
  parseWith(pathField(), path, 'path')
  const { theta, config: given, outerSteps, heldOutLoss } = parseWith(savedSchema, trained, 'trained')
  const config = parseTrainConfig(given)
  // Threads, backend and memory change nothing in the result, so they are not part of it.
  const { threads: _threads, cpu: _cpu, maxMemoryBytes: _bytes, ...recorded } = config
  await writeThetaFile(path, theta, config.optimizer, {
    config: JSON.stringify(recorded),
    outerSteps: String(outerSteps),
    ...(heldOutLoss !== undefined && { heldOutLoss: String(heldOutLoss) }),
  })
}

/** Writes a trained optimizer with further text. */
export async function writeThetaFile(
  path: string,
  theta: Float32Array,
  optimizer: OptimizerConfig,
  text: Record<string, string>,
): Promise<void> {
  let at = 0
  // A copy: writing takes a while, and the caller may go on with the array.
  const weights = theta.slice()
  const tensors = thetaLayout(optimizer).map((leaf) => {
    const length = numElements(leaf)
    at += length
    return { ...leaf, data: weights.subarray(at - length, at) }
  })
  if (at !== theta.length) {
    throw new OuterloopError('SHAPE_MISMATCH', `theta: expected ${at} weights, got ${theta.length}`)
  }
  await writeTensorFile(path, tensors, {
    format: FORMAT,
    version: engineVersion(),
    optimizer: JSON.stringify(optimizer),
    ...text,
  })
}

/**
 * Reads a trained optimizer.
 *
 * @throws {OuterloopError} `CHECKPOINT_INVALID` if the file is missing, damaged, of another format, or does not hold
 *  exactly the leaves of its optimizer.
 */
export async function loadTheta(path: string): Promise<TrainedOptimizer> {
  parseWith(pathField(), path, 'path')
  const { leaves, optimizer, metadata } = await parseThetaFile(path, await readWhole(path))
  return { theta: thetaOf(path, optimizer, leaves), optimizer, metadata }
}

/**
 * What a theta file holds, before its leaves are matched with its optimizer.
 *
 * @throws {OuterloopError} `CHECKPOINT_INVALID` if it is damaged or of another format.
 */
export async function parseThetaFile(
  path: string,
  bytes: Uint8Array,
): Promise<{ leaves: WeightLeaf[]; optimizer: OptimizerConfig; metadata: Record<string, string> }> {
  const { tensors, shapes, metadata } = await parseTensorFile(path, bytes, FORMAT)
  const leaves = [...tensors].map(([name, data]) => ({ name, shape: shapes.get(name) ?? [], data }))
  return { leaves, optimizer: optimizerOf(path, metadata.optimizer ?? ''), metadata }
}

/** Flat theta of the leaves in file `path`. */
export function thetaOf(path: string, optimizer: OptimizerConfig, leaves: WeightLeaf[]): Float32Array {
  return namingFile(path, () => flatTheta(optimizer, leaves))
}

/** Puts the file's path before an error's message. */
export function namingFile<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (!(cause instanceof OuterloopError)) throw cause
    throw new OuterloopError(cause.code, `${path}: ${cause.message}`, { cause })
  }
}

function optimizerOf(path: string, json: string): OptimizerConfig {
  try {
    return optimizerConfigSchema.parse(JSON.parse(json))
  } catch (cause) {
    throw new OuterloopError(
      'CHECKPOINT_INVALID',
      `${path}: expected a valid optimizer config, got ${quote(json)}`,
      {
        cause,
      },
    )
  }
}
