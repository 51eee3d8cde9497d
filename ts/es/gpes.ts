/**
 * Generalised persistent evolution strategies, GPES-K: a new perturbation every K inner steps of a problem, losses credited
 * to all of the problem's perturbations so far.
 *
 * K = the truncation length is PES (with losses pooled over inner steps), K ≥ the problem's length is NRES.
 *
 * @see Li, Sharma, Metz, Sohl-Dickstein 2023, arXiv:2304.12180, section 3. Reference implementation:
 * OscarcarLi/Noise-Reuse-Evolution-Strategies.
 */
import type { EstimatorConfig } from '../config/estimatorConfig.js'
import type { Estimator } from './estimator.js'
import { createNoiseReuse } from './noiseReuse.js'
import type { PopulationConfig } from './population.js'

/** The estimator of a config with `estimator.name: 'gpes'`. */
export function createGpes(config: PopulationConfig, options: EstimatorConfig & { name: 'gpes' }): Estimator {
  return createNoiseReuse(config, options, options.perturbEvery)
}
