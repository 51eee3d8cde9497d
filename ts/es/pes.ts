/**
 * Persistent evolution strategies: unbiased over whole unrolls although each truncation is short.
 *
 * A pair's loss difference is credited to all perturbations since its problem started:
 * g = mean_i( (L⁺ − L⁻)/(2·std²) · Σ_k ε_ik ), L averaged over the truncation. Both halves keep their own state.
 * Problems start at the boundary of a truncation only, so the sum starts afresh exactly there: the exclusive boundary,
 * without the bias of the published code (which credits the first losses after a restart to the old sum).
 *
 * @see Vicol, Metz, Sohl-Dickstein 2021, arXiv:2112.13835, equation 8. Reference implementation:
 * google/learned_optimization, outer_trainers/truncated_pes.py, 32186aa.
 */
import { combine, type Estimator } from './estimator.js'
import { freshParticles, type PopulationConfig, planTruncation } from './particles.js'

/** The estimator of a config with `estimator.name: 'pes'`. */
export function createPes(config: PopulationConfig): Estimator {
  return {
    carry: 'both',
    lanesPerParticle: 2,
    init: () => freshParticles(config.estimator.numParticles),
    plan: (state, outerStep) => planTruncation(config, state, outerStep),
    estimate: ({ plan, next }, result, sums) =>
      combine(plan, result, ({ particle }) => next.particles[particle]!.firstPerturbation, sums),
  }
}
