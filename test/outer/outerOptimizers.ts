/** Outer optimizers for tests: on any learned optimizer's theta, with gradients that depend on theta and the step. */
import { parseTrainConfig, type TrainConfig } from '../../ts/config/trainConfig.js'
import type { WeightRange } from '../../ts/outer/frozenLeaves.js'
import type { OuterOptimizer, OuterOptimizerState } from '../../ts/outer/optimizers/outerOptimizer.js'
import { createOuterOptimizer } from '../../ts/outer/optimizers/registry.js'

/** Preset `quick` with an outer optimizer. */
export function configWith(outerOptimizer: object, over: object = {}): TrainConfig {
  return parseTrainConfig({ preset: 'quick', threads: 1, outerOptimizer, ...over })
}

/** The outer optimizer that `configWith` describes. */
export function optimizerWith(
  outerOptimizer: object,
  theta: Float32Array,
  frozen: readonly WeightRange[] = [],
): Promise<OuterOptimizer> {
  return createOuterOptimizer(configWith(outerOptimizer), frozen, theta)
}

/** A theta without structure, between −1 and 1. */
export function someTheta(length: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => Math.sin(3 * i + 1))
}

/** A gradient that depends on theta and the step; 0 where frozen. */
export function gradAt(
  theta: Float32Array,
  outerStep: number,
  frozen: readonly WeightRange[] = [],
): Float32Array {
  const grad = theta.map((weight, i) => 0.3 * weight + 0.2 * Math.cos(5 * i + 0.7 * outerStep))
  for (const { start, end } of frozen) grad.fill(0, start, end)
  return grad
}

/** A meta-loss that falls, not smoothly. */
export function lossAt(outerStep: number): number {
  return 2 / (1 + 0.1 * outerStep) + 0.05 * Math.sin(outerStep)
}

/** Updates `from` (included) to `to` (not). */
export function updates(
  optimizer: OuterOptimizer,
  theta: Float32Array,
  [from, to]: [number, number],
  frozen: readonly WeightRange[] = [],
): void {
  for (let outerStep = from; outerStep < to; outerStep++) {
    optimizer.update(theta, gradAt(theta, outerStep, frozen), { outerStep, metaLoss: lossAt(outerStep) })
  }
}

/** The state after a checkpoint: numbers through JSON. */
export function stored({ arrays, facts }: OuterOptimizerState): OuterOptimizerState {
  return { arrays, facts: JSON.parse(JSON.stringify(facts)) }
}
