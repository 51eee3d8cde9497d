/**
 * Truncated evolution strategies: every truncation on its own, g = mean_i( (L⁺ − L⁻)/(2·std²) · ε_i ).
 *
 * Blind to what a step does after its truncation. Both halves of a pair start from one state; the next one comes from a
 * re-run without perturbation (`carry: 'unperturbed'`), or from the positive half as published (`'pos'`, biased).
 *
 * @see Metz et al. 2019, arXiv:1810.10180. Reference implementation: google/learned_optimization,
 * outer_trainers/truncated_es.py, 32186aa.
 */
import { combine, type Estimator } from './estimator.js'
import { freshParticles, type PopulationConfig, planTruncation } from './particles.js'

/** The estimator of a config with `estimator.name: 'truncatedEs'`. */
export function createTruncatedEs(config: PopulationConfig, carry: 'unperturbed' | 'pos'): Estimator {
  return {
    carry,
    lanesPerParticle: carry === 'unperturbed' ? 3 : 2,
    init: () => freshParticles(config.estimator.numParticles),
    plan: (state, outerStep) => planTruncation(config, state, outerStep),
    estimate: ({ plan }, result, sums) => combine(plan, result, ({ perturbation }) => perturbation, sums),
  }
}
