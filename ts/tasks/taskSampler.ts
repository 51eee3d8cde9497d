/** Draws task configs from a mixture. */
import type { TaskConfig } from '../config/taskConfig.js'
import type { LabelNoiseRule, TaskMixture } from '../config/taskMixture.js'
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
    return withLabelNoise(mixture.tasks[index]!.config, mixture.labelNoise, key)
  }
  switch (mixture.family) {
    case 'mlp':
      return withLabelNoise(sampleMlp(mixture, key), mixture.labelNoise, key)
    case 'quadratic':
      return sampleQuadratic(mixture, key)
  }
}

/** A task that has no labels, or is not hit, is returned as it is. */
function withLabelNoise(config: TaskConfig, rule: LabelNoiseRule | undefined, key: Key): TaskConfig {
  if (rule === undefined || config.family !== 'mlp' || !key.chance(rule.probability)) return config
  return { ...config, labelNoise: key.real(0, rule.max) }
}
