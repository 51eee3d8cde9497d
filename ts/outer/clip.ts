/** Limits on the meta-gradient before the outer optimizer sees it. */
import type { ClipConfig } from '../config/outerOptimizerConfig.js'
import { norm } from '../es/vectors.js'
import { numElements, type ThetaLeaf } from '../native.js'

/** Largest entry whose square the moments of an outer optimizer hold with room to spare; they are f32. */
const LARGEST = 2 ** 61

/**
 * Clips `grad` in place, after setting its non-finite entries to zero. What is too large for an outer optimizer even then
 * is scaled down by a power of two.
 *
 * @param leaves - Leaves of theta, for limits by leaf.
 * @returns The norm before clipping.
 */
export function clipGradient(clip: ClipConfig, grad: Float32Array, leaves: readonly ThetaLeaf[]): number {
  for (let i = 0; i < grad.length; i++) if (!Number.isFinite(grad[i])) grad[i] = 0
  const before = norm(grad)
  switch (clip.kind) {
    case 'none':
      break
    case 'value':
      for (let i = 0; i < grad.length; i++) grad[i] = Math.min(clip.max, Math.max(-clip.max, grad[i]!))
      break
    case 'globalNorm':
      scaleDown(grad, clip.max)
      break
    case 'leafNorm': {
      let end = 0
      for (const leaf of leaves) {
        const start = end
        end += numElements(leaf)
        scaleDown(grad.subarray(start, end), clip.max)
      }
    }
  }
  hold(grad)
  return before
}

/** Scales `values` by a power of two so that none is beyond {@link LARGEST}. */
function hold(values: Float32Array): void {
  let largest = 0
  for (const value of values) largest = Math.max(largest, Math.abs(value))
  let factor = 1
  while (largest * factor > LARGEST) factor /= 2
  if (factor < 1) for (let i = 0; i < values.length; i++) values[i] = values[i]! * factor
}

/** Scales `values` to norm `max` if theirs is greater. */
function scaleDown(values: Float32Array, max: number): void {
  const factor = max / norm(values)
  if (factor < 1) for (let i = 0; i < values.length; i++) values[i] = values[i]! * factor
}
