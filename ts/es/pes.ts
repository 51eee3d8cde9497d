/**
 * Persistent evolution strategies: unbiased over whole unrolls although each truncation is short.
 *
 * A pair's loss difference is credited to all perturbations since its problem started:
 * g = mean_i( (L⁺ − L⁻)/(2·std²) · Σ_k ε_ik ), L averaged over the truncation. Both halves keep their own state.
 * The sum starts afresh exactly where a problem does: the exclusive boundary. The published code credits the last inner
 * step of a problem to the newest perturbation alone, which is biased by about 2/length (`compatBoundary`).
 *
 * @see Vicol, Metz, Sohl-Dickstein 2021, arXiv:2112.13835, equation 8. Reference implementation:
 * google/learned_optimization, outer_trainers/truncated_pes.py, 32186aa.
 */
import type { EstimatorConfig } from '../config/estimatorConfig.js'
import { assemble } from './assemble.js'
import { ownPerturbation } from './combine.js'
import type { Estimator, PlannedSegment } from './estimator.js'
import { type LifeRules, truncationPlanner } from './particles.js'
import type { PopulationConfig } from './population.js'

/** The estimator of a config with `estimator.name: 'pes'`. */
export function createPes(
  config: PopulationConfig,
  { signDelta, compatBoundary }: EstimatorConfig & { name: 'pes' },
): Estimator {
  const rules: LifeRules = { carry: 'both', draw: 'truncation', hasPublishedBoundary: compatBoundary }
  const first = (segment: PlannedSegment) =>
    compatBoundary && segment.isEnd ? ownPerturbation(segment) : segment.first
  return assemble(config, rules.carry, truncationPlanner(config, rules), { first, signDelta })
}
