/** Trained optimizers as files: theta by leaf, and the config that gives it meaning. */
import { type OptimizerConfig, optimizerConfigSchema } from '../config/optimizerConfig.js'
import type { TrainConfig } from '../config/trainConfig.js'
import { OuterloopError } from '../errors.js'
import { engineVersion, numElements, thetaLayout } from '../native.js'
import { readTensorFile, writeTensorFile } from './tensorFile.js'

const FORMAT = 'outerloop-theta-1'

/** A trained optimizer. */
export interface TrainedOptimizer {
  /** Weights, flat in the order of the optimizer's leaves. */
  theta: Float32Array
  optimizer: OptimizerConfig
  /** What else the file says: `version`, `outerSteps`, `config` (JSON of the run's config). */
  metadata: Record<string, string>
}

/** Writes a trained optimizer; equal input gives equal bytes. */
export async function saveTheta(
  path: string,
  { theta, config, outerSteps }: { theta: Float32Array; config: TrainConfig; outerSteps: number },
): Promise<void> {
  // Threads and backend change nothing in the result, so they are not part of it.
  const { threads: _threads, cpu: _cpu, ...recorded } = config
  let at = 0
  const tensors = thetaLayout(config.optimizer).map((leaf) => {
    const length = numElements(leaf)
    at += length
    return { ...leaf, data: theta.subarray(at - length, at) }
  })
  if (at !== theta.length) {
    throw new OuterloopError('SHAPE_MISMATCH', `theta: expected ${at} weights, got ${theta.length}`)
  }
  await writeTensorFile(path, tensors, {
    format: FORMAT,
    version: engineVersion(),
    optimizer: JSON.stringify(config.optimizer),
    config: JSON.stringify(recorded),
    outerSteps: String(outerSteps),
  })
}

/**
 * Reads a trained optimizer.
 *
 * @throws {OuterloopError} `CHECKPOINT_INVALID` if the file is missing, damaged, of another format, or does not hold
 *  exactly the leaves of its optimizer.
 */
export async function loadTheta(path: string): Promise<TrainedOptimizer> {
  const { tensors, metadata } = await readTensorFile(path, FORMAT)
  const optimizer = optimizerOf(path, metadata.optimizer ?? '')
  const layout = thetaLayout(optimizer)
  const lengths = layout.map(numElements)
  const theta = new Float32Array(lengths.reduce((sum, length) => sum + length, 0))
  let at = 0
  for (const [i, { name }] of layout.entries()) {
    const leaf = tensors.get(name)
    if (leaf === undefined || leaf.length !== lengths[i]) {
      const got = leaf === undefined ? 'none' : `${leaf.length}`
      const message = `${path}: expected ${lengths[i]} weights for leaf \`${name}\`, got ${got}`
      throw new OuterloopError('CHECKPOINT_INVALID', message)
    }
    theta.set(leaf, at)
    at += leaf.length
  }
  if (tensors.size !== layout.length) {
    const names = new Set(layout.map(({ name }) => name))
    const others = [...tensors.keys()].filter((name) => !names.has(name))
    throw new OuterloopError('CHECKPOINT_INVALID', `${path}: unexpected leaves ${others.join(', ')}`)
  }
  return { theta, optimizer, metadata }
}

function optimizerOf(path: string, json: string): OptimizerConfig {
  try {
    return optimizerConfigSchema.parse(JSON.parse(json))
  } catch (cause) {
    throw new OuterloopError(
      'CHECKPOINT_INVALID',
      `${path}: expected a valid optimizer config, got ${json}`,
      {
        cause,
      },
    )
  }
}
