/**
 * Adam and AdamW on theta.
 *
 * m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², theta ← theta − lr·(m̂/(√(v̂ + epsRoot) + eps) + weightDecay·theta). Arrays are f32,
 * arithmetic f64. The decay is that of optax: with the rate of the schedule, on all weights. Different from published
 * meta-training: frozen weights do not shrink unless `decayFrozen`.
 * @see Kingma, Ba 2014, arXiv:1412.6980; Loshchilov, Hutter 2017, arXiv:1711.05101.
 */
import type { OuterOptimizerConfig } from '../../config/outerOptimizerConfig.js'
import type { WeightRange } from '../frozenLeaves.js'
import { learningRateAt } from './learningRate.js'
import type { OuterOptimizer, OuterOptimizerState, OuterStep, OuterUpdate } from './outerOptimizer.js'

/** Adam's options, or AdamW's. */
export type OuterAdamConfig = OuterOptimizerConfig & { name: 'adam' | 'adamw' }

/** Adam's state. The powers β^t are carried along, since `Math.pow` may differ between machines. */
export class OuterAdam implements OuterOptimizer {
  readonly #config: OuterAdamConfig
  readonly #outerSteps: number
  readonly #m: Float32Array
  readonly #v: Float32Array
  /** Share of each weight that a step of rate 1 takes away. */
  readonly #decays: Float64Array | undefined
  #beta1Power: number
  #beta2Power: number

  /**
   * @param frozen - Weights that do not decay.
   * @param saved - What {@link OuterAdam.state} gave. Default: the state before the first update.
   */
  constructor(
    config: OuterAdamConfig,
    {
      thetaLength,
      outerSteps,
      frozen,
    }: { thetaLength: number; outerSteps: number; frozen: readonly WeightRange[] },
    saved?: OuterOptimizerState,
  ) {
    this.#config = config
    this.#outerSteps = outerSteps
    this.#m = saved?.arrays.m?.slice() ?? new Float32Array(thetaLength)
    this.#v = saved?.arrays.v?.slice() ?? new Float32Array(thetaLength)
    this.#beta1Power = saved?.facts.beta1Power ?? 1
    this.#beta2Power = saved?.facts.beta2Power ?? 1
    this.#decays = config.name === 'adamw' ? decays(config, thetaLength, frozen) : undefined
  }

  update(theta: Float32Array, grad: Float32Array, { outerStep }: OuterStep): OuterUpdate {
    const { beta1, beta2, eps, epsRoot } = this.#config
    const [m, v, decays] = [this.#m, this.#v, this.#decays]
    const lr = learningRateAt(this.#config, outerStep, this.#outerSteps)
    this.#beta1Power *= beta1
    this.#beta2Power *= beta2
    const mScale = 1 / (1 - this.#beta1Power)
    const vScale = 1 / (1 - this.#beta2Power)
    let squared = 0
    for (let i = 0; i < theta.length; i++) {
      const g = grad[i]!
      m[i] = beta1 * m[i]! + (1 - beta1) * g
      v[i] = beta2 * v[i]! + (1 - beta2) * g * g
      const root = Math.sqrt(v[i]! * vScale + epsRoot) + eps
      // Never moved and eps 0: no step.
      let step = root > 0 ? (lr * m[i]! * mScale) / root : 0
      if (decays !== undefined) step += lr * decays[i]! * theta[i]!
      theta[i] = theta[i]! - step
      squared += step * step
    }
    return { lr, updateNorm: Math.sqrt(squared) }
  }

  state(): OuterOptimizerState {
    return {
      arrays: { m: this.#m.slice(), v: this.#v.slice() },
      facts: { beta1Power: this.#beta1Power, beta2Power: this.#beta2Power },
    }
  }
}

function decays(
  { weightDecay, decayFrozen }: OuterOptimizerConfig & { name: 'adamw' },
  thetaLength: number,
  frozen: readonly WeightRange[],
): Float64Array {
  const all = new Float64Array(thetaLength).fill(weightDecay)
  if (!decayFrozen) for (const { start, end } of frozen) all.fill(0, start, end)
  return all
}
