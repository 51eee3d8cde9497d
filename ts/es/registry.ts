/** Estimators by name. */
import type { Estimator } from './estimator.js'
import type { PopulationConfig } from './particles.js'
import { createPes } from './pes.js'
import { createTruncatedEs } from './truncatedEs.js'

/** The estimator that a config names. */
export function createEstimator(config: PopulationConfig): Estimator {
  switch (config.estimator.name) {
    case 'pes':
      return createPes(config)
    case 'truncatedEs':
      return createTruncatedEs(config, config.estimator.carry)
  }
}
