/**
 * Noise-reuse evolution strategies (ES-Single): one perturbation for a whole inner problem, however many truncations it has.
 *
 * g = Σ (L⁺ − L⁻)/(2·std²)·ε / (inner steps), over the inner steps of all pairs. Unbiased for the meta-loss under one
 * perturbation of the whole problem, and of lower variance than PES where losses are smooth in theta. Pairs should not
 * start all at once: see `initialOffset`.
 *
 * @see Li, Sharma, Metz, Sohl-Dickstein 2023, arXiv:2304.12180, and Vicol, Kolter, Swersky 2023 for ES-Single. Reference
 * implementation: OscarcarLi/Noise-Reuse-Evolution-Strategies.
 */
import type { EstimatorConfig } from '../config/estimatorConfig.js'
import type { Estimator } from './estimator.js'
import { createNoiseReuse } from './noiseReuse.js'
import type { PopulationConfig } from './population.js'

/** The estimator of a config with `estimator.name: 'nres'`. */
export function createNres(config: PopulationConfig, options: EstimatorConfig & { name: 'nres' }): Estimator {
  return createNoiseReuse(config, options, 'problem')
}
