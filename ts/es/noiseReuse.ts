/** What NRES and GPES share: perturbations that follow the problem and not the truncation. */
import type { EstimatorConfig } from '../config/estimatorConfig.js'
import { assemble } from './assemble.js'
import type { Estimator } from './estimator.js'
import { type LifeRules, truncationPlanner } from './particles.js'
import type { PopulationConfig } from './population.js'

/** An estimator that draws a perturbation by `draw` and pools losses over inner steps. */
export function createNoiseReuse(
  config: PopulationConfig,
  { normalizeLosses }: EstimatorConfig & { name: 'nres' | 'gpes' },
  draw: LifeRules['draw'],
): Estimator {
  const plan = truncationPlanner(config, { carry: 'both', draw })
  return assemble(config, 'both', plan, { first: ({ first }) => first, per: 'innerStep', normalizeLosses })
}
