/** Weights of trained optimizers in the formats of this package and of others. */
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { type DecayOffsetsInput, decayOffsetsSchema } from '../config/decayOffsets.js'
import { float32Array, path as pathField, unicode } from '../config/fields.js'
import {
  type OptimizerConfig,
  type OptimizerConfigInput,
  optimizerConfigSchema,
} from '../config/optimizerConfig.js'
import { parseWith } from '../config/parse.js'
import { type WeightFormat, weightFormats } from '../config/weightFormat.js'
import { OuterloopError } from '../errors.js'
import { makeDirectory, writeFailure } from '../files/systemError.js'
import {
  type DecayOffsets,
  muloDecayOffsets,
  numElements,
  type PyloModule,
  thetaLayout,
  type WeightLeaf,
  writeFlax,
  writePylo,
} from '../native.js'
import { writeAtomically } from './atomicFile.js'
import { type TrainedOptimizer, thetaOf, writeThetaFile } from './thetaFile.js'
import { readWeightSource, toldOptimizer, type WeightSource } from './weightSource.js'

/** Options of {@link loadWeights}. */
export interface LoadWeightsOptions {
  /**
   * The optimizer's config, or the part of it that the file does not tell: this package's files hold it whole, those of
   * flax and PyLO only its name and sizes; for safetensors of another program the name must be given. What is given
   * here comes before what the file says.
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
  metadata: z.record(unicode(), unicode()).default({}),
  /** What {@link loadWeights} gives is taken as it is. */
  notes: z.array(z.string()).optional(),
})

/** What {@link loadWeights} gives. */
export interface LoadedWeights extends TrainedOptimizer {
  /** What was done to numbers that are no f32, and how leaves without a name were taken. */
  notes: string[]
}

/** Options of {@link saveWeights}. */
export interface SaveWeightsOptions {
  /** Default `safetensors`, the only one that holds the optimizer's config. `pylo` has `adafac_mlp`, `celo2` and `velo`. */
  format?: WeightFormat
  /** For `pylo`: whether to write into a directory that is not empty. Its other files stay. Default false. */
  force?: boolean | undefined
}

const saveSchema = z.strictObject({
  format: z.enum(weightFormats).default('safetensors'),
  force: z.boolean().default(false),
})

/**
 * Reads a trained optimizer from safetensors, from flax's `theta.state` (google/learned_optimization, amoudgl/celo), or
 * from a directory of PyLO's. The content tells which.
 *
 * Safetensors of other programs have the optimizer's leaves by name, or one array: theta, flat in the order of
 * {@link thetaLayout}. They may be F32, F64, F16 or BF16; `notes` says what was converted.
 *
 * @param path - The file, or the directory. VeLO's has the modules in `mlp` and `rnn`.
 * @param options - See {@link LoadWeightsOptions}.
 * @throws {OuterloopError} `CHECKPOINT_INVALID` if the file is missing, damaged, of no known format, or does not hold
 *  exactly the leaves of its optimizer; `INVALID_OPTION` if an option is wrong, or missing because the file does not
 *  tell it.
 * @example
 * const celo2 = await loadWeights('celo2/theta.state', { optimizer: { adamBiasCorrection: true } })
 */
export async function loadWeights(path: string, options: LoadWeightsOptions = {}): Promise<LoadedWeights> {
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
  const { leaves, metadata, notes = [] } = source
  const flat = flatArray(source, optimizer)
  if (flat === undefined) return { theta: thetaOf(path, optimizer, leaves), optimizer, metadata, notes }
  const note = `The array \`${flat.name}\` was taken for theta, flat in the order of the leaves of ${optimizer.name}.`
  return { theta: flat.data, optimizer, metadata, notes: [...notes, note] }
}

/** The only array of a file that says nothing of its optimizer, if it is no leaf but as long as all of them. */
function flatArray({ isPlain, leaves }: WeightSource, optimizer: OptimizerConfig): WeightLeaf | undefined {
  const [only, ...others] = leaves
  if (isPlain !== true || only?.shape.length !== 1 || others.length > 0) return undefined
  const layout = thetaLayout(optimizer)
  const length = layout.reduce((sum, leaf) => sum + numElements(leaf), 0)
  return only.data.length === length && layout.every(({ name }) => name !== only.name) ? only : undefined
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
  if (source.isPlain === true && given.name === undefined) {
    const looks = told.name === undefined ? '' : `; its leaves look like those of ${String(told.name)}`
    const message = `${path}: expected \`optimizer.name\` to be given: the file says nothing of its optimizer${looks}`
    throw new OuterloopError('INVALID_OPTION', message)
  }
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
 * @param options - See {@link SaveWeightsOptions}. A file that is there is replaced; a directory of PyLO's only if `force`
 *  says so.
 * @returns `notes`: for `pylo` the call of its constructor, with the values that its files do not hold, and what PyLO
 *  does otherwise.
 * @throws {OuterloopError} `SHAPE_MISMATCH` if theta is not of the optimizer, `CHECKPOINT_INVALID` if a weight is not
 *  finite, `INVALID_OPTION` for a wrong format, an optimizer that it cannot hold, or a directory that is not empty,
 *  `WRITE_FAILED` if it cannot be written.
 */
export async function saveWeights(
  path: string,
  trained: Pick<TrainedOptimizer, 'theta' | 'optimizer'> & Partial<TrainedOptimizer>,
  options: SaveWeightsOptions = {},
): Promise<{ notes: string[] }> {
  parseWith(pathField(), path, 'path')
  const { theta, optimizer, metadata } = parseWith(trainedSchema, trained, 'trained')
  const { format, force } = parseWith(saveSchema, options)
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
  await checkPyloDirectory(path, modules, force)
  for (const { directory, config, weights } of modules) {
    await makeDirectory(join(path, directory))
    await writeAtomically(join(path, directory, 'config.json'), config)
    await writeAtomically(join(path, directory, 'model.safetensors'), weights)
  }
  return { notes }
}

/** Refuses a path that is no directory, one that is not empty unless `force`, and one whose other files would be read instead. */
async function checkPyloDirectory(path: string, modules: PyloModule[], force: boolean): Promise<void> {
  const names = await readdir(path).catch((cause: NodeJS.ErrnoException): string[] => {
    if (cause.code === 'ENOENT') return []
    if (cause.code !== 'ENOTDIR' || !existsSync(path)) throw writeFailure(path, cause)
    throw new OuterloopError('INVALID_OPTION', `expected \`path\` to be a directory, got the file ${path}`, {
      cause,
    })
  })
  if (names.length === 0) return
  if (!force) {
    const got = `${path} with ${names.length === 1 ? 'an entry' : `${names.length} entries`}`
    const message = `expected \`path\` to be an empty directory, or \`force\` to be given, got ${got}`
    throw new OuterloopError('INVALID_OPTION', message)
  }
  // A directory with `mlp` in it is read as VeLO's.
  if (names.includes('mlp') && modules.every(({ directory }) => directory === '')) {
    const message = `expected \`path\` to hold no \`mlp\` of VeLO's, got ${path}`
    throw new OuterloopError('INVALID_OPTION', message)
  }
}
