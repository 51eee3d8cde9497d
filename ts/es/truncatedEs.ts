/**
 * Truncated evolution strategies: every truncation on its own, g = mean_i( (L⁺ − L⁻)/(2·std²) · ε_i ).
 *
 * Blind to what a step does after its truncation. Both halves of a pair start from one state; the next one comes from a
 * re-run without perturbation (`carry: 'unperturbed'`), or from the positive half as published (`'pos'`, biased).
 *
 * @see Metz et al. 2019, arXiv:1810.10180. Reference implementation: google/learned_optimization,
 * outer_trainers/truncated_es.py, 32186aa.
 */
import type { EstimatorConfig } from '../config/estimatorConfig.js'
import { taskFamilies } from '../tasks/families.js'
import { combine } from './combine.js'
import type { Estimator } from './estimator.js'
import { type LifeRules, planTruncation } from './particles.js'
import { freshParticles, type PopulationConfig } from './population.js'

/** The estimator of a config with `estimator.name: 'truncatedEs'`. */
export function createTruncatedEs(
  config: PopulationConfig,
  { numParticles, pairsPerParticle, carry, signDelta }: EstimatorConfig & { name: 'truncatedEs' },
): Estimator {
  const numPairs = numParticles * pairsPerParticle
  const rules: LifeRules = { carry, draw: 'truncation' }
  const shares = taskFamilies(config.tasks).map(({ share }) => share)
  return {
    carry,
    numPairs,
    init: (firstParticle = 0) => freshParticles(numPairs, firstParticle),
    plan: (state, outerStep) => planTruncation(config, rules, state, outerStep),
    estimate: (planned, result, sums) =>
      combine(planned, result, { first: ({ perturbation = 0 }) => perturbation, shares, signDelta }, sums),
  }
}
