/**
 * MLP classifiers on images, after TaskSet's `mlp` family (Metz et al. 2020, arXiv:2002.11887).
 *
 * The default ranges are TaskSet's, and so is the order of the draws; the generator is ours, so the configs of
 * TaskSet's seeds are not reproduced. Left out: image augmentation, and `just_train`, which TaskSet draws and ignores.
 */

import { type Init, type MlpTaskConfig, scaledInitNames } from '../config/taskConfig.js'
import type { MlpFamily } from '../config/taskMixture.js'
import type { Key } from './key.js'

/**
 * Draws one MLP task.
 *
 * @param ranges - What to draw from; see `mlpFamilySchema` for the defaults.
 * @param key - Names the draw; used up by it.
 */
export function sampleMlp(ranges: MlpFamily, key: Key): MlpTaskConfig {
  const numHidden = key.integerBetween(ranges.numHidden.min, ranges.numHidden.max)
  const hidden = Array.from({ length: numHidden }, () =>
    key.logUniformInteger(ranges.width.min, ranges.width.max),
  )
  const activation = key.weightedChoice(ranges.activations)
  const init = sampleInit(ranges, key)
  const { name, batchSize, numTrain } = key.choice(ranges.datasets)
  return {
    family: 'mlp',
    dataset: name,
    hidden,
    activation,
    init,
    batchSize: key.logUniformInteger(batchSize.min, batchSize.max),
    ...(numTrain && { numTrain: key.integerBetween(numTrain.min, numTrain.max) }),
    pixels: key.choice(ranges.pixels),
    labelNoise: 0,
  }
}

function sampleInit(ranges: MlpFamily, key: Key): Init {
  const name = key.weightedChoice(ranges.inits)
  const scaled = scaledInitNames.find((other) => other === name)
  if (scaled === undefined) return { name } as Init
  return { name: scaled, scale: key.logUniform(ranges.initScale.min, ranges.initScale.max) }
}
