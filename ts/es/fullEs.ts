/**
 * Full evolution strategies: every outer step runs whole inner problems from their start,
 * g = mean_i( (L⁺ − L⁻)/(2·std²) · ε_i ).
 *
 * All pairs have the same length: the schedule's draw, rounded down to a multiple of the truncation length and at least
 * that. What L is, `metaLoss` says; by the names of the published code: `avg` is `reduce: 'mean'`, `min` and `last` are
 * those, `last_recompute` is a split with `every: 'end'` and its `batches`. A difference is set to zero if it is not finite,
 * clipped by `clipDelta`, and replaced by its sign times `signDelta`, in this order.
 *
 * @see Metz et al. 2022, arXiv:2211.09760 (VeLO). Reference implementation: google/learned_optimization,
 * outer_trainers/full_es.py, 32186aa.
 */
import type { EstimatorConfig } from '../config/estimatorConfig.js'
import { assemble } from './assemble.js'
import { ownPerturbation } from './combine.js'
import type { Estimator, EstimatorState, PlannedTruncation } from './estimator.js'
import { Population, type PopulationConfig } from './population.js'
import { lengthAt } from './schedules.js'

/** The estimator of a config with `estimator.name: 'fullEs'`. */
export function createFullEs(
  config: PopulationConfig,
  { signDelta, clipDelta }: EstimatorConfig & { name: 'fullEs' },
): Estimator {
  const plan: Estimator['plan'] = (state, outerStep) => planWhole(config, state, outerStep)
  return assemble(config, 'both', plan, { first: ownPerturbation, signDelta, clipDelta })
}

function planWhole(config: PopulationConfig, state: EstimatorState, outerStep: number): PlannedTruncation {
  const population = new Population(config, 'both', state, outerStep)
  const { truncationLength } = config.estimator
  const length = lengthAt(config.unrollLength, outerStep, population.truncationKey())
  const innerSteps = Math.max(1, Math.floor(length / truncationLength)) * truncationLength
  return population.plan((before, index) => {
    const [episode, perturbation] = [before.episode + 1, before.perturbation + 1]
    const restart = population.restart(index, episode, innerSteps)
    const after = {
      episode,
      isStarted: true,
      innerStep: innerSteps,
      unrollLength: innerSteps,
      perturbation,
      firstPerturbation: perturbation,
    }
    return { segments: [{ innerSteps, perturbation, restart, first: perturbation, isEnd: true }], after }
  })
}
