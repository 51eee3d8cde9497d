/**
 * Gradient descent on theta, with or without momentum.
 *
 * m ← momentum·m + g, theta ← theta − lr·m. m is f32, arithmetic f64.
 */
import type { OuterOptimizerConfig } from '../../config/outerOptimizerConfig.js'
import { learningRateAt } from './learningRate.js'
import type { OuterOptimizer, OuterOptimizerState, OuterStep, OuterUpdate } from './outerOptimizer.js'

/** The state: m. */
export class OuterSgd implements OuterOptimizer {
  readonly #config: OuterOptimizerConfig & { name: 'sgd' }
  readonly #outerSteps: number
  readonly #m: Float32Array

  /** @param saved - What {@link OuterSgd.state} gave. Default: the state before the first update. */
  constructor(
    config: OuterOptimizerConfig & { name: 'sgd' },
    { thetaLength, outerSteps }: { thetaLength: number; outerSteps: number },
    saved?: OuterOptimizerState,
  ) {
    this.#config = config
    this.#outerSteps = outerSteps
    this.#m = saved?.arrays.m?.slice() ?? new Float32Array(thetaLength)
  }

  update(theta: Float32Array, grad: Float32Array, { outerStep }: OuterStep): OuterUpdate {
    const m = this.#m
    const lr = learningRateAt(this.#config, outerStep, this.#outerSteps)
    let squared = 0
    for (let i = 0; i < theta.length; i++) {
      m[i] = this.#config.momentum * m[i]! + grad[i]!
      const step = lr * m[i]!
      theta[i] = theta[i]! - step
      squared += step * step
    }
    return { lr, updateNorm: Math.sqrt(squared) }
  }

  state(): OuterOptimizerState {
    return { arrays: { m: this.#m.slice() }, facts: {} }
  }
}
