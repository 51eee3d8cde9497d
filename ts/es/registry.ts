/** Estimators by name. */
import { OuterloopError } from '../errors.js'
import { taskFamilies } from '../tasks/families.js'
import type { Estimator } from './estimator.js'
import { createFullEs } from './fullEs.js'
import { createGpes } from './gpes.js'
import { createNres } from './nres.js'
import { createPes } from './pes.js'
import type { PopulationConfig } from './population.js'
import { createTruncatedEs } from './truncatedEs.js'

/**
 * The estimator that a config names.
 *
 * @throws {OuterloopError} `INVALID_OPTION` if there are fewer particles than task families: some would have no gradient.
 */
export function createEstimator(config: PopulationConfig): Estimator {
  const { estimator } = config
  const numFamilies = taskFamilies(config.tasks).length
  if (estimator.numParticles < numFamilies) {
    const expected = `expected \`estimator.numParticles\` to be at least the number of task families (${numFamilies})`
    throw new OuterloopError('INVALID_OPTION', `${expected}, got ${estimator.numParticles}`)
  }
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
