/** Draws task configs from a mixture. */
import { numMlpTensors, type TaskConfig } from '../config/taskConfig.js'
import type { LabelNoiseRule, ParamScaleRule, TaskMixture } from '../config/taskMixture.js'
import type { Key } from './key.js'
import { sampleMlp } from './mlpFamily.js'
import { sampleQuadratic } from './quadraticFamily.js'

/**
 * Draws one task.
 *
 * @param mixture - The distribution.
 * @param key - Names the draw: the same key gives the same task. Give each draw a fresh one, such as
 * `key.fold(outerStep).fold(particle)`.
 */
export function sampleTask(mixture: TaskMixture, key: Key): TaskConfig {
  if ('families' in mixture) {
    const index = key.weightedIndex(mixture.families.map(({ weight }) => weight))
    return sampleTask(mixture.families[index]!.tasks, key)
  }
  if ('tasks' in mixture) {
    const index = key.weightedIndex(mixture.tasks.map(({ weight }) => weight))
    return augmented(mixture.tasks[index]!.config, mixture, key)
  }
  switch (mixture.family) {
    case 'mlp':
      return augmented(sampleMlp(mixture, key), mixture, key)
    case 'quadratic':
      return sampleQuadratic(mixture, key)
  }
}

interface Augmentation {
  labelNoise?: LabelNoiseRule | undefined
  paramScale?: ParamScaleRule | undefined
}

/** The scale is drawn last, so that a mixture without one draws as it did. */
function augmented(config: TaskConfig, { labelNoise, paramScale }: Augmentation, key: Key): TaskConfig {
  return withParamScale(withLabelNoise(config, labelNoise, key), paramScale, key)
}

/** A task that has no labels, or is not hit, is returned as it is. */
function withLabelNoise(config: TaskConfig, rule: LabelNoiseRule | undefined, key: Key): TaskConfig {
  if (rule === undefined || config.family !== 'mlp' || !key.chance(rule.probability)) return config
  return { ...config, labelNoise: key.real(0, rule.max) }
}

/** A quadratic has a scale of its own, and is returned as it is. */
function withParamScale(config: TaskConfig, rule: ParamScaleRule | undefined, key: Key): TaskConfig {
  if (rule === undefined || config.family !== 'mlp') return config
  const scale = () => key.logUniform(rule.min, rule.max)
  const numTensors = numMlpTensors(config.hidden)
  const paramScale = rule.per === 'task' ? scale() : Array.from({ length: numTensors }, scale)
  return { ...config, paramScale }
}
