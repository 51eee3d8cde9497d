/** What every estimator is made of: pairs that start fresh, a plan, and credits for the families' pairs. */
import type { Carry } from '../native.js'
import { taskFamilies } from '../tasks/families.js'
import { type CreditRules, combine } from './combine.js'
import type { Estimator } from './estimator.js'
import { freshParticles, type PopulationConfig } from './population.js'

/** The estimator of a config that plans by `plan` and credits by `rules`. */
export function assemble(
  { estimator, tasks }: PopulationConfig,
  carry: Carry,
  plan: Estimator['plan'],
  rules: Omit<CreditRules, 'shares'>,
): Estimator {
  const numPairs = estimator.numParticles * estimator.pairsPerParticle
  const shares = taskFamilies(tasks).map(({ share }) => share)
  return {
    carry,
    numPairs,
    init: (firstParticle = 0) => freshParticles(numPairs, firstParticle),
    plan,
    estimate: (planned, result, sums) => combine(planned, result, { ...rules, shares }, sums),
  }
}
