/** What NRES and GPES share: perturbations that follow the problem and not the truncation. */
import type { EstimatorConfig } from '../config/estimatorConfig.js'
import { taskFamilies } from '../tasks/families.js'
import { combine } from './combine.js'
import type { Estimator } from './estimator.js'
import { type LifeRules, planTruncation } from './particles.js'
import { freshParticles, type PopulationConfig } from './population.js'

/** An estimator that draws a perturbation by `draw` and pools losses over inner steps. */
export function createNoiseReuse(
  config: PopulationConfig,
  {
    numParticles,
    pairsPerParticle,
    normalizeLosses,
    draw,
  }: (EstimatorConfig & { name: 'nres' | 'gpes' }) & { draw: LifeRules['draw'] },
): Estimator {
  const numPairs = numParticles * pairsPerParticle
  const rules: LifeRules = { carry: 'both', draw }
  const shares = taskFamilies(config.tasks).map(({ share }) => share)
  return {
    carry: rules.carry,
    numPairs,
    init: (firstParticle = 0) => freshParticles(numPairs, firstParticle),
    plan: (state, outerStep) => planTruncation(config, rules, state, outerStep),
    estimate: (planned, result, sums) =>
      combine(
        planned,
        result,
        { first: ({ first }) => first, shares, per: 'innerStep', normalizeLosses },
        sums,
      ),
  }
}
