/**
 * The outer optimizer: Adam on theta, in place.
 *
 * m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², theta ← theta − lr·m̂/(√(v̂ + epsRoot) + eps). Arrays are f32, arithmetic f64.
 * @see Kingma, Ba 2014, arXiv:1412.6980.
 */
import type { TrainConfig } from '../config/trainConfig.js'

/** Constants of Adam and its schedule. */
export type OuterOptimizerConfig = TrainConfig['outerOptimizer']

/** State of Adam. The powers β^t are carried along, since `Math.pow` may differ between machines. */
export interface AdamState {
  m: Float32Array
  v: Float32Array
  beta1Power: number
  beta2Power: number
}

/** The state before the first update. */
export function initAdam(thetaLength: number): AdamState {
  return { m: new Float32Array(thetaLength), v: new Float32Array(thetaLength), beta1Power: 1, beta2Power: 1 }
}

/**
 * One update of `theta` and `state`.
 *
 * @param lr - Learning rate of this step; 0 moves the moments alone.
 * @returns Norm of the change of theta.
 */
export function adamStep(
  { beta1, beta2, eps, epsRoot }: OuterOptimizerConfig,
  state: AdamState,
  theta: Float32Array,
  grad: Float32Array,
  lr: number,
): number {
  const { m, v } = state
  state.beta1Power *= beta1
  state.beta2Power *= beta2
  const mScale = 1 / (1 - state.beta1Power)
  const vScale = 1 / (1 - state.beta2Power)
  let squared = 0
  for (let i = 0; i < theta.length; i++) {
    const g = grad[i]!
    m[i] = beta1 * m[i]! + (1 - beta1) * g
    v[i] = beta2 * v[i]! + (1 - beta2) * g * g
    const root = Math.sqrt(v[i]! * vScale + epsRoot) + eps
    // Never moved and eps 0: no step.
    const step = root > 0 ? (lr * m[i]! * mScale) / root : 0
    theta[i] = theta[i]! - step
    squared += step * step
  }
  return Math.sqrt(squared)
}

/**
 * Learning rate of outer step `outerStep` of `outerSteps`.
 *
 * Rounded to nine digits, so that machines whose cosine differs in the last bit agree.
 */
export function learningRateAt(
  { lr, schedule, warmupOuterSteps }: OuterOptimizerConfig,
  outerStep: number,
  outerSteps: number,
): number {
  if (outerStep < warmupOuterSteps) return 0
  if (schedule.kind === 'constant') return lr
  const progress = (outerStep - warmupOuterSteps) / Math.max(1, outerSteps - warmupOuterSteps)
  const half = (1 + Math.cos(Math.PI * Math.min(1, progress))) / 2
  return Number((lr * (schedule.finalFraction + (1 - schedule.finalFraction) * half)).toPrecision(9))
}
