/** The formats of weight files. */
export const weightFormats = ['safetensors', 'flax', 'pylo'] as const

/**
 * Format of a weight file: `safetensors` is this package's own, `flax` is `theta.state` of google/learned_optimization
 * and amoudgl/celo (msgpack), `pylo` is a directory of PyLO's.
 */
export type WeightFormat = (typeof weightFormats)[number]
