/** Weight files of any format, as named leaves: before it is settled what optimizer they are of. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { OptimizerConfig } from '../config/optimizerConfig.js'
import type { WeightFormat } from '../config/weightFormat.js'
import { OuterloopError } from '../errors.js'
import { decodeText } from '../files/jsonFile.js'
import {
  type DecayOffsets,
  type InferredOptimizer,
  inferOptimizer,
  isOwnTensorFile,
  type PyloModule,
  readFlax,
  readPylo,
  readSafetensors,
  type WeightLeaf,
} from '../native.js'
import { readWhole } from './tensorFile.js'
import { namingFile, parseThetaFile } from './thetaFile.js'

/** What a weight file holds. */
export interface WeightSource {
  format: WeightFormat
  leaves: WeightLeaf[]
  /** Of this package's files. */
  optimizer?: OptimizerConfig
  /** What the format says of options that leaves cannot tell. */
  implied?: Record<string, unknown>
  metadata: Record<string, string>
  /** Whether it says nothing of its optimizer by custom: leaves that look like one's may be another program's. */
  isPlain?: boolean
  /** What was done to the numbers. */
  notes?: string[]
  /** The files that hold the weights: one, or PyLO's two. */
  files: { path: string; bytes: Uint8Array }[]
}

/**
 * Reads a file or a PyLO directory; its format is told by its content.
 *
 * @throws {OuterloopError} `CHECKPOINT_INVALID` if it is missing, damaged, or of no known format.
 */
export async function readWeightSource(path: string, decays?: DecayOffsets): Promise<WeightSource> {
  if (await isDirectory(path)) return readPyloDirectory(path, decays)
  if (decays !== undefined) {
    const message = `expected \`decayOffsets\` to be absent: ${path} is no PyLO directory`
    throw new OuterloopError('INVALID_OPTION', message)
  }
  const bytes = await readWhole(path)
  const files = [{ path, bytes }]
  if (isSafetensors(bytes)) {
    if (namingFile(path, () => isOwnTensorFile(bytes))) {
      return { format: 'safetensors', files, ...(await parseThetaFile(path, bytes)) }
    }
    const plain = namingFile(path, () => readSafetensors(bytes))
    return { format: 'safetensors', files, metadata: {}, isPlain: true, ...plain }
  }
  if (isMap(bytes)) {
    return { format: 'flax', files, leaves: namingFile(path, () => readFlax(bytes)), metadata: {} }
  }
  const message = `${path}: expected safetensors, flax's msgpack or a PyLO directory, got a file of another kind`
  throw new OuterloopError('CHECKPOINT_INVALID', message)
}

/** What a source tells of its optimizer. */
export interface ToldOptimizer {
  /** Whole if `isInferred` is false; absent if leaves tell nothing. */
  config?: Record<string, unknown>
  isInferred: boolean
  /** Options that the file does not tell and that its weights were trained for, with what they may be. */
  choices: InferredOptimizer['choices']
  /** Names of leaves that no step depends on. */
  dead: string[]
}

/** The config in the file, or what its leaves tell. */
export function toldOptimizer({ optimizer, implied = {}, leaves }: WeightSource): ToldOptimizer {
  const { inferred, dead } = inferOptimizer(leaves.map(({ name, shape }) => ({ name, shape })))
  if (optimizer !== undefined) return { config: optimizer, isInferred: false, choices: [], dead }
  if (inferred === undefined) return { isInferred: false, choices: [], dead }
  const choices = inferred.choices.filter(({ option }) => !(option in implied))
  return { config: { ...inferred.config, ...implied }, isInferred: true, choices, dead }
}

async function isDirectory(path: string): Promise<boolean> {
  // A path that is not there is for the reading to report.
  return stat(path).then(
    (entry) => entry.isDirectory(),
    () => false,
  )
}

/** A length of eight bytes that the file has, and JSON. */
function isSafetensors(bytes: Uint8Array): boolean {
  if (bytes.length < 10 || bytes[8] !== 0x7b) return false
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return view.getBigUint64(0, true) <= BigInt(bytes.length - 8)
}

/** msgpack's three kinds of map. */
function isMap([first = 0]: Uint8Array): boolean {
  return (first & 0xf0) === 0x80 || first === 0xde || first === 0xdf
}

/** What PyLO's VeLO is, which has no such options. */
const pyloVelo = { buggedLossFeatures: false, buggedNextLstmState: false, ffMult: 100 }

async function readPyloDirectory(path: string, decays: DecayOffsets | undefined): Promise<WeightSource> {
  const isPair = await isDirectory(join(path, 'mlp'))
  const directories = isPair ? ['mlp', 'rnn'] : ['']
  const files = await Promise.all(
    directories.map(async (directory) => {
      const file = join(path, directory, 'model.safetensors')
      const configFile = join(path, directory, 'config.json')
      const [bytes, config] = await Promise.all([readWhole(file), readWhole(configFile)])
      return { path: file, bytes, config: decodeText(config, configFile, 'CHECKPOINT_INVALID'), directory }
    }),
  )
  const modules: PyloModule[] = files.map(({ directory, config, bytes }) => ({
    directory,
    config,
    weights: bytes,
  }))
  const leaves = namingFile(path, () => readPylo(modules, decays))
  return { format: 'pylo', files, leaves, metadata: {}, ...(isPair && { implied: pyloVelo }) }
}
