/** Limits on the meta-gradient before the outer optimizer sees it. */
import type { TrainConfig } from '../config/trainConfig.js'

/**
 * Clips `grad` in place, after setting its non-finite entries to zero.
 *
 * @returns The norm before clipping.
 */
export function clipGradient(clip: TrainConfig['clip'], grad: Float32Array): number {
  let squared = 0
  for (let i = 0; i < grad.length; i++) {
    if (!Number.isFinite(grad[i])) grad[i] = 0
    squared += grad[i]! * grad[i]!
  }
  const norm = Math.sqrt(squared)
  switch (clip.kind) {
    case 'none':
      break
    case 'value':
      for (let i = 0; i < grad.length; i++) grad[i] = Math.min(clip.max, Math.max(-clip.max, grad[i]!))
      break
    case 'globalNorm':
      if (norm > clip.max) for (let i = 0; i < grad.length; i++) grad[i] = grad[i]! * (clip.max / norm)
  }
  return norm
}
