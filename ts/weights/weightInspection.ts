/** What is in a weight file, without settling what optimizer it is of. */
import { createHash } from 'node:crypto'
import { path as pathField } from '../config/fields.js'
import { parseWith } from '../config/parse.js'
import type { WeightFormat } from '../config/weightFormat.js'
import type { ThetaLeaf } from '../native.js'
import { readWeightSource, toldOptimizer } from './weightSource.js'

/** A leaf and the range of its weights. */
export interface LeafSummary extends ThetaLeaf {
  min: number
  max: number
  /** Root mean square. */
  rms: number
  /** Whether no step depends on it: such leaves are there because the published files have them. */
  isDead: boolean
}

/** What {@link inspectWeights} finds. */
export interface WeightInspection {
  format: WeightFormat
  /** Config of the optimizer, whole if the file holds it, else name and sizes as its leaves tell them. */
  optimizer?: Record<string, unknown>
  /** Whether `optimizer` is told by leaves alone. */
  isInferred: boolean
  /** Options that the file does not tell and that its weights were trained for. */
  choices: { option: string; values: string }[]
  /** What was done to numbers that are no f32. */
  notes: string[]
  numWeights: number
  /** In the file's order; those of safetensors sorted by name. */
  leaves: LeafSummary[]
  /** Checksums of the files that hold weights. */
  sha256: { path: string; sha256: string }[]
}

/**
 * Reads a weight file of any format and says what is in it.
 *
 * @throws {OuterloopError} `CHECKPOINT_INVALID` if it is missing, damaged, or of no known format.
 */
export async function inspectWeights(path: string): Promise<WeightInspection> {
  parseWith(pathField(), path, 'path')
  const source = await readWeightSource(path)
  const { format, leaves, files, notes = [] } = source
  const { config, isInferred, choices, dead } = toldOptimizer(source)
  return {
    format,
    ...(config !== undefined && { optimizer: config }),
    isInferred,
    choices,
    notes,
    numWeights: leaves.reduce((sum, { data }) => sum + data.length, 0),
    leaves: leaves.map(({ name, shape, data }) => ({
      name,
      shape,
      ...rangeOf(data),
      isDead: dead.includes(name),
    })),
    sha256: files.map(({ path, bytes }) => ({
      path,
      sha256: createHash('sha256').update(bytes).digest('hex'),
    })),
  }
}

function rangeOf(data: Float32Array): { min: number; max: number; rms: number } {
  let [min, max, squares] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0]
  for (const x of data) {
    min = Math.min(min, x)
    max = Math.max(max, x)
    squares += x * x
  }
  return { min, max, rms: Math.sqrt(squares / data.length) }
}
