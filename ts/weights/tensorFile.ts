/** safetensors files with a checksum over everything in them. */
import { OuterloopError } from '../errors.js'
import { readRegularFile } from '../files/regularFile.js'
import { decodeTensors, encodeTensors, type TensorBytes } from '../native.js'
import { writeAtomically } from './atomicFile.js'

/** Tensors by name, and text. */
export interface TensorFile {
  tensors: Map<string, Float32Array>
  /** Shapes by name, sorted. */
  shapes: Map<string, number[]>
  metadata: Record<string, string>
}

/** Writes a file atomically; `metadata` gets the checksum under `sha256`. */
export async function writeTensorFile(
  path: string,
  tensors: readonly { name: string; shape: number[]; data: Float32Array }[],
  metadata: Record<string, string>,
): Promise<void> {
  const encoded: TensorBytes[] = tensors.map(({ name, shape, data }) => ({
    name,
    shape,
    dtype: 'F32',
    data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  }))
  const sha256 = await checksum(encoded, metadata)
  await writeAtomically(path, encodeTensors(encoded, { ...metadata, sha256 }))
}

/**
 * Reads a file and checks its checksum.
 *
 * @param format - The expected `format` entry.
 * @throws {OuterloopError} `CHECKPOINT_INVALID` if the file is missing, damaged or of another format.
 */
export async function readTensorFile(path: string, format: string): Promise<TensorFile> {
  return parseTensorFile(path, await readWhole(path), format)
}

/** Most bytes of a file with tensors. */
const MAX_BYTES = 2 ** 31 - 1

/** @throws {OuterloopError} `CHECKPOINT_INVALID` if the file cannot be read, is no regular file, or is too large. */
export async function readWhole(path: string): Promise<Buffer> {
  return readRegularFile(path, { code: 'CHECKPOINT_INVALID', maxBytes: MAX_BYTES })
}

/** As {@link readTensorFile}, of a file that is in memory. */
export async function parseTensorFile(path: string, bytes: Uint8Array, format: string): Promise<TensorFile> {
  const invalid = (what: string, cause?: unknown) =>
    new OuterloopError('CHECKPOINT_INVALID', `${path}: ${what}`, { cause })
  const { tensors, metadata } = decoded(bytes, invalid)
  if (metadata.format !== format) {
    throw invalid(`expected format ${format}, got ${metadata.format ?? 'a file of another program'}`)
  }
  const { sha256, ...rest } = metadata
  const actual = await checksum(tensors, rest)
  if (sha256 !== actual) throw invalid(`expected the checksum ${sha256}, got ${actual}: the file is damaged`)
  const arrays = new Map<string, Float32Array>()
  for (const { name, dtype, data } of tensors) {
    if (dtype !== 'F32') throw invalid(`expected F32 for \`${name}\`, got ${dtype}`)
    // A copy only if the bytes are not aligned.
    const { buffer, byteOffset, length } = data.byteOffset % 4 === 0 ? data : data.slice()
    arrays.set(name, new Float32Array(buffer, byteOffset, length / 4))
  }
  const shapes = new Map(tensors.map(({ name, shape }) => [name, shape]))
  return { tensors: arrays, shapes, metadata: rest }
}

function decoded(bytes: Uint8Array, invalid: (what: string, cause?: unknown) => OuterloopError) {
  try {
    return decodeTensors(bytes)
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : String(error), error)
  }
}

/** SHA-256 over metadata, names, shapes and numbers, computed off the event loop. */
async function checksum(tensors: readonly TensorBytes[], metadata: Record<string, string>): Promise<string> {
  const sorted = [...tensors].sort((a, b) => (a.name < b.name ? -1 : 1))
  const header = JSON.stringify([
    Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)),
    sorted.map(({ name, shape, dtype }) => [name, shape, dtype]),
  ])
  const parts = [Buffer.from(header), ...sorted.map(({ data }) => data)]
  const digest = await crypto.subtle.digest('SHA-256', Buffer.concat(parts))
  return Buffer.from(digest).toString('hex')
}
