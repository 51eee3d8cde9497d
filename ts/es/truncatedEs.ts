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
import { assemble } from './assemble.js'
import { ownPerturbation } from './combine.js'
import type { Estimator } from './estimator.js'
import { truncationPlanner } from './particles.js'
import type { PopulationConfig } from './population.js'

/** The estimator of a config with `estimator.name: 'truncatedEs'`. */
export function createTruncatedEs(
  config: PopulationConfig,
  { carry, signDelta }: EstimatorConfig & { name: 'truncatedEs' },
): Estimator {
  const plan = truncationPlanner(config, { carry, draw: 'truncation' })
  return assemble(config, carry, plan, { first: ownPerturbation, signDelta })
}
