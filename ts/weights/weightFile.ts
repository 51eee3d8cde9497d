/** Weights of trained optimizers in the formats of this package and of others. */
import { join } from 'node:path'
import { z } from 'zod'
import { type DecayOffsetsInput, decayOffsetsSchema } from '../config/decayOffsets.js'
import { float32Array, path as pathField } from '../config/fields.js'
import {
  type OptimizerConfig,
  type OptimizerConfigInput,
  optimizerConfigSchema,
} from '../config/optimizerConfig.js'
import { parseWith } from '../config/parse.js'
import { type WeightFormat, weightFormats } from '../config/weightFormat.js'
import { OuterloopError } from '../errors.js'
import { makeDirectory } from '../files/systemError.js'
import { type DecayOffsets, muloDecayOffsets, writeFlax, writePylo } from '../native.js'
import { writeAtomically } from './atomicFile.js'
import { type TrainedOptimizer, thetaOf, writeThetaFile } from './thetaFile.js'
import { readWeightSource, toldOptimizer, type WeightSource } from './weightSource.js'

/** Options of {@link loadWeights}. */
export interface LoadWeightsOptions {
  /**
   * The optimizer's config, or the part of it that the file does not tell: this package's files hold it whole, others
   * only its name and sizes. What is given here comes before what the file says.
   */
  optimizer?: Partial<OptimizerConfigInput> | Record<string, unknown>
  /** For a PyLO directory of `adafac_mlp`, which lacks them, and for nothing else: see {@link DecayOffsetsInput}. */
  decayOffsets?: DecayOffsetsInput
}

const loadSchema = z.strictObject({
  optimizer: z.record(z.string(), z.unknown()).optional(),
  decayOffsets: decayOffsetsSchema.optional(),
})

const trainedSchema = z.strictObject({
  theta: float32Array(),
  optimizer: optimizerConfigSchema,
  metadata: z.record(z.string(), z.string()).default({}),
})

const saveSchema = z.strictObject({ format: z.enum(weightFormats).default('safetensors') })

/**
 * Reads a trained optimizer from this package's safetensors, from flax's `theta.state` (google/learned_optimization,
 * amoudgl/celo), or from a directory of PyLO's. The content tells which.
 *
 * @param path - The file, or the directory. VeLO's has the modules in `mlp` and `rnn`.
 * @param options - See {@link LoadWeightsOptions}.
 * @throws {OuterloopError} `CHECKPOINT_INVALID` if the file is missing, damaged, of no known format, or does not hold
 *  exactly the leaves of its optimizer; `INVALID_OPTION` if an option is wrong, or missing because the file does not
 *  tell it.
 * @example
 * const celo2 = await loadWeights('celo2/theta.state', { optimizer: { adamBiasCorrection: true } })
 */
export async function loadWeights(path: string, options: LoadWeightsOptions = {}): Promise<TrainedOptimizer> {
  parseWith(pathField(), path, 'path')
  const { optimizer: given, decayOffsets } = parseWith(loadSchema, options)
  const source = await readWeightSource(path, offsets(decayOffsets))
  const optimizer = settleOptimizer(path, source, given ?? {})
  if (source.format === 'pylo' && optimizer.name === 'adafac_mlp' && decayOffsets === undefined) {
    const expected = 'expected `decayOffsets` to be "zero", "mulo" or the numbers, got nothing'
    throw new OuterloopError(
      'INVALID_OPTION',
      `${path}: ${expected}: PyLO passes them to its optimizer's constructor`,
    )
  }
  return { theta: thetaOf(path, optimizer, source.leaves), optimizer, metadata: source.metadata }
}

function offsets(given: DecayOffsetsInput | undefined): DecayOffsets | undefined {
  if (given === 'zero') return { momentum: [0, 0, 0], rms: [0], adafactor: [0, 0, 0] }
  return given === 'mulo' ? muloDecayOffsets() : given
}

/** The config that file and user agree on. */
function settleOptimizer(
  path: string,
  source: WeightSource,
  given: Record<string, unknown>,
): OptimizerConfig {
  const { config: told = {}, choices } = toldOptimizer(source)
  const isOther = given.name !== undefined && told.name !== given.name
  const config = isOther ? given : { ...told, ...given }
  if (config.name === undefined) {
    const message = `${path}: expected \`optimizer\` to be given: the leaves are of none that is known`
    throw new OuterloopError('INVALID_OPTION', message)
  }
  try {
    return parseWith(optimizerConfigSchema, config, 'optimizer')
  } catch (cause) {
    if (!(cause instanceof OuterloopError)) throw cause
    const hints = isOther ? [] : choices.filter(({ option }) => !(option in config))
    const lines = hints.map(({ option, values }) => `The file does not tell \`${option}\`: ${values}.`)
    throw new OuterloopError(cause.code, [`${path}: optimizer: ${cause.message}`, ...lines].join('\n'), {
      cause,
    })
  }
}

/**
 * Writes a trained optimizer; equal input gives equal bytes.
 *
 * @param path - The file, or for `pylo` the directory, which is made.
 * @param trained - What {@link loadWeights} gives, or a theta and its optimizer.
 * @param options - `format`: default `safetensors`, the only one that holds the optimizer's config. `pylo` exists for
 *  `adafac_mlp`, `celo2` and `velo`.
 * @returns `notes`: for `pylo` the call of its constructor, with the values that its files do not hold, and what PyLO
 *  does otherwise.
 * @throws {OuterloopError} `SHAPE_MISMATCH` if theta is not of the optimizer, `CHECKPOINT_INVALID` if a weight is not
 *  finite, `INVALID_OPTION` for a wrong format or an optimizer that it cannot hold, `WRITE_FAILED` if it cannot be
 *  written.
 */
export async function saveWeights(
  path: string,
  trained: Pick<TrainedOptimizer, 'theta' | 'optimizer'> & Partial<TrainedOptimizer>,
  options: { format?: WeightFormat } = {},
): Promise<{ notes: string[] }> {
  parseWith(pathField(), path, 'path')
  const { theta, optimizer, metadata } = parseWith(trainedSchema, trained, 'trained')
  const { format } = parseWith(saveSchema, options)
  const at = theta.findIndex((x) => !Number.isFinite(x))
  if (at >= 0) {
    throw new OuterloopError(
      'CHECKPOINT_INVALID',
      `theta: expected finite weights, got ${theta[at]} at ${at}`,
    )
  }
  if (format === 'safetensors') {
    const { config, outerSteps } = metadata
    const text = { ...(config !== undefined && { config }), ...(outerSteps !== undefined && { outerSteps }) }
    await writeThetaFile(path, theta, optimizer, text)
    return { notes: [] }
  }
  if (format === 'flax') {
    await writeAtomically(path, writeFlax(optimizer, theta))
    return { notes: [] }
  }
  const { modules, notes } = writePylo(optimizer, theta, path)
  for (const { directory, config, weights } of modules) {
    await makeDirectory(join(path, directory))
    await writeAtomically(join(path, directory, 'config.json'), config)
    await writeAtomically(join(path, directory, 'model.safetensors'), weights)
  }
  return { notes }
}
