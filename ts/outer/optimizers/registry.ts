/** Outer optimizers by name. */
import type { TrainConfig } from '../../config/trainConfig.js'
import type { WeightRange } from '../frozenLeaves.js'
import { OuterAdam } from './adam.js'
import type { OuterOptimizer, OuterOptimizerState } from './outerOptimizer.js'

/**
 * The outer optimizer that a config names.
 *
 * @param frozen - Weights that must stay.
 * @param theta - What it will move; `self` reads it.
 * @param saved - What its `state` gave.
 */
export async function createOuterOptimizer(
  { outerOptimizer, outerSteps }: TrainConfig,
  _frozen: readonly WeightRange[],
  theta: Float32Array,
  saved?: OuterOptimizerState,
): Promise<OuterOptimizer> {
  switch (outerOptimizer.name) {
    case 'adam':
      return new OuterAdam(outerOptimizer, { thetaLength: theta.length, outerSteps }, saved)
    default:
      throw new Error(`not yet: ${outerOptimizer.name}`)
  }
}
