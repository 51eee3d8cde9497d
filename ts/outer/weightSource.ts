/** Weight files of any format, as named leaves: before it is settled what optimizer they are of. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { OptimizerConfig } from '../config/optimizerConfig.js'
import type { WeightFormat } from '../config/weightFormat.js'
import { OuterloopError } from '../errors.js'
import { type DecayOffsets, type PyloModule, readFlax, readPylo, type WeightLeaf } from '../native.js'
import { readWhole } from './tensorFile.js'
import { namingFile, parseThetaFile } from './thetaFile.js'

/** What a weight file holds. */
export interface WeightSource {
  format: WeightFormat
  leaves: WeightLeaf[]
  /** Of this package's files. */
  optimizer?: OptimizerConfig
  metadata: Record<string, string>
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
  if (isSafetensors(bytes)) return { format: 'safetensors', files, ...(await parseThetaFile(path, bytes)) }
  if (isMap(bytes)) {
    return { format: 'flax', files, leaves: namingFile(path, () => readFlax(bytes)), metadata: {} }
  }
  const message = `${path}: expected safetensors, flax's msgpack or a PyLO directory, got a file of another kind`
  throw new OuterloopError('CHECKPOINT_INVALID', message)
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

async function readPyloDirectory(path: string, decays: DecayOffsets | undefined): Promise<WeightSource> {
  const isPair = await isDirectory(join(path, 'mlp'))
  const directories = isPair ? ['mlp', 'rnn'] : ['']
  const files = await Promise.all(
    directories.map(async (directory) => {
      const file = join(path, directory, 'model.safetensors')
      const [bytes, config] = await Promise.all([
        readWhole(file),
        readWhole(join(path, directory, 'config.json')),
      ])
      return { path: file, bytes, config: config.toString(), directory }
    }),
  )
  const modules: PyloModule[] = files.map(({ directory, config, bytes }) => ({
    directory,
    config,
    weights: bytes,
  }))
  return { format: 'pylo', files, leaves: namingFile(path, () => readPylo(modules, decays)), metadata: {} }
}
