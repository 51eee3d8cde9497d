/** Estimators by name. */
import type { Estimator } from './estimator.js'
import { createFullEs } from './fullEs.js'
import { createGpes } from './gpes.js'
import { createNres } from './nres.js'
import { createPes } from './pes.js'
import type { PopulationConfig } from './population.js'
import { createTruncatedEs } from './truncatedEs.js'

/** The estimator that a config names. */
export function createEstimator(config: PopulationConfig): Estimator {
  const { estimator } = config
  switch (estimator.name) {
    case 'pes':
      return createPes(config, estimator)
    case 'truncatedEs':
      return createTruncatedEs(config, estimator)
    case 'fullEs':
      return createFullEs(config, estimator)
    case 'nres':
      return createNres(config, estimator)
    case 'gpes':
      return createGpes(config, estimator)
  }
}
