/** Outer optimizers by name. */
import type { TrainConfig } from '../../config/trainConfig.js'
import { thetaLayout } from '../../native.js'
import type { WeightRange } from '../frozenLeaves.js'
import { OuterAdam } from './adam.js'
import { appliedOptimizer } from './appliedOptimizer.js'
import { OuterApply } from './apply.js'
import type { OuterOptimizer, OuterOptimizerState } from './outerOptimizer.js'
import { OuterSgd } from './sgd.js'

/**
 * The outer optimizer that a config names.
 *
 * @param frozen - Leaves that must stay.
 * @param theta - What it will move.
 * @param saved - What its `state` gave.
 * @throws {OuterloopError} `INVALID_OPTION` if `outerOptimizer.weights` are not usable, `CHECKPOINT_INVALID` if `saved` is
 *  of other weights.
 */
export async function createOuterOptimizer(
  {
    outerOptimizer,
    optimizer,
    outerSteps,
    accumulate,
    threads,
    cpu,
  }: Pick<TrainConfig, 'outerOptimizer' | 'optimizer' | 'outerSteps' | 'accumulate' | 'threads' | 'cpu'>,
  frozen: readonly WeightRange[],
  theta: Float32Array,
  saved?: OuterOptimizerState,
): Promise<OuterOptimizer> {
  const thetaLength = theta.length
  switch (outerOptimizer.name) {
    case 'adam':
    case 'adamw':
      return new OuterAdam(outerOptimizer, { thetaLength, outerSteps, frozen }, saved)
    case 'sgd':
      return new OuterSgd(outerOptimizer, { thetaLength, outerSteps }, saved)
    case 'apply': {
      const numUpdates = Math.max(1, Math.floor(outerSteps / accumulate))
      const { factor } = outerOptimizer
      const options = { leaves: thetaLayout(optimizer), frozen, numUpdates, factor, threads, cpu }
      return new OuterApply(await appliedOptimizer(outerOptimizer, optimizer), options, saved)
    }
  }
}
