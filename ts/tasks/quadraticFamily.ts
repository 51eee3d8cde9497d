/**
 * Random quadratics ‖(A + E)x‖², after TaskSet's `quadratic` family (Metz et al. 2020, arXiv:2002.11887).
 *
 * The distributions and the order of the draws are TaskSet's; the generator is ours, so the configs of TaskSet's
 * seeds are not reproduced.
 */
import type { Matrix, QuadraticTaskConfig } from '../config/taskConfig.js'
import type { QuadraticFamily } from '../config/taskMixture.js'
import type { Key } from './key.js'

/** Instance seeds lie below this. */
const NUM_INSTANCES = 100_000

const matrixKinds = ['normal', 'linspace_eigen', 'uniform', 'logspace_eigen'] as const

/** Ranges of a matrix's own parameters: of A, and (smaller) of the noise E. */
interface MatrixRanges {
  readonly normal: { readonly meanStd: number; readonly stdMax: number }
  readonly uniform: { readonly min: readonly [number, number]; readonly widthMax: number }
  readonly linspace: { readonly min: readonly [number, number]; readonly widthMax: number }
  readonly logspace: { readonly max: readonly [number, number] }
}

const fixedRanges: MatrixRanges = {
  normal: { meanStd: 1, stdMax: 2 },
  uniform: { min: [-3, 1], widthMax: 5 },
  linspace: { min: [0.01, 50], widthMax: 100 },
  logspace: { max: [1, 1000] },
}

const noiseRanges: MatrixRanges = {
  normal: { meanStd: 0.05, stdMax: 0.05 },
  uniform: { min: [-0.15, 0.05], widthMax: 0.25 },
  linspace: { min: [0.01, 2], widthMax: 10 },
  logspace: { max: [1, 10] },
}

/**
 * Draws one quadratic task.
 *
 * @param ranges - What to draw from; see `quadraticFamilySchema` for the defaults.
 * @param key - Names the draw; used up by it.
 */
export function sampleQuadratic(ranges: QuadraticFamily, key: Key): QuadraticTaskConfig {
  return {
    family: 'quadratic',
    matrix: sampleMatrix(fixedRanges, key),
    start: sampleStart(key),
    output: key.choice(ranges.outputs),
    dims: key.logUniformInteger(ranges.dims.min, ranges.dims.max),
    instanceSeed: key.integer(NUM_INSTANCES),
    lossScale: key.logUniform(ranges.lossScale.min, ranges.lossScale.max),
    noise: key.chance(ranges.noiseProbability) ? sampleMatrix(noiseRanges, key) : null,
  }
}

function sampleMatrix(ranges: MatrixRanges, key: Key): Matrix {
  const kind = key.choice(matrixKinds)
  switch (kind) {
    case 'normal':
      return { kind, mean: key.normal(0, ranges.normal.meanStd), std: key.real(0, ranges.normal.stdMax) }
    case 'uniform':
      return { kind, ...interval(ranges.uniform.min, ranges.uniform.widthMax, key) }
    case 'linspace_eigen':
      return { kind, ...interval(ranges.linspace.min, ranges.linspace.widthMax, key) }
    case 'logspace_eigen':
      return { kind, min: 1e-5, max: key.real(...ranges.logspace.max) }
  }
}

function sampleStart(key: Key): QuadraticTaskConfig['start'] {
  const kind = key.choice(['normal', 'uniform'] as const)
  if (kind === 'normal') return { kind, mean: key.normal(0, 1), std: key.real(0, 2) }
  return { kind, ...interval([-5, 2.5], 5, key) }
}

function interval(lowest: readonly [number, number], widthMax: number, key: Key) {
  const min = key.real(...lowest)
  return { min, max: key.real(min, min + widthMax) }
}
