/** Reading a meta-training config: presets, defaults, checks. */
import { bundledDatasets, type GivenDataset } from './datasetSpec.js'
import { isPlainObject } from './merge.js'
import { parseWith } from './parse.js'
import { withPreset } from './presets.js'
import { listed } from './quote.js'
import { taken } from './taken.js'
import type { TaskMixture } from './taskMixture.js'
import { type TrainConfig, trainConfigSchema } from './trainConfigSchema.js'

export * from './trainConfigSchema.js'

/**
 * Lays the user's options over their preset, fills in the defaults and checks everything.
 *
 * Objects are merged key by key; arrays, and objects that choose another variant (`name`, `kind`, `source`,
 * `family`), replace what the preset has.
 *
 * @param input - Options, as from a user or a JSON file.
 * @returns The complete config. Parsing it again gives the same.
 * @throws {OuterloopError} `INVALID_OPTION`: path, what was expected, what came; one line for each problem.
 * @example
 * const config = parseTrainConfig({ preset: 'quick', outerSteps: 30 })
 */
export function parseTrainConfig(input: unknown): TrainConfig {
  return parseWithGiven(input, [])
}

/** As {@link parseTrainConfig}; tasks may also name `given`, the data sets in memory. */
export function parseWithGiven(input: unknown, given: readonly GivenDataset[]): TrainConfig {
  return parseWith(checkedSchema, withGiven(withPreset(taken(input, 'options')), given))
}

/** The options with the data sets in memory among `datasets`. One that the config of a run names stays as it is there. */
function withGiven(input: unknown, given: readonly GivenDataset[]): unknown {
  if (given.length === 0 || !isPlainObject(input)) return input
  const { datasets = [] } = input
  if (!Array.isArray(datasets)) return input
  const isNamed = (name: string) =>
    datasets.some((spec: unknown) => isPlainObject(spec) && spec.kind === 'given' && spec.name === name)
  return { ...input, datasets: [...datasets, ...given.filter(({ name }) => !isNamed(name))] }
}

const checkedSchema = trainConfigSchema.superRefine((config, context) => {
  const known = new Set([...bundledDatasets, ...config.datasets.map((spec) => spec.name)])
  const evaluated = Array.isArray(config.evaluation?.tasks) ? config.evaluation.tasks : []
  const named = [
    ...namedDatasets(config.tasks).map(({ name, path }) => ({ name, path: ['tasks', ...path] })),
    ...evaluated.flatMap((task, i) =>
      task.family === 'mlp' ? [{ name: task.dataset, path: ['evaluation', 'tasks', i, 'dataset'] }] : [],
    ),
  ]
  const names = config.datasets.map(({ name }) => name)
  for (const [i, name] of names.entries()) {
    if (names.indexOf(name) === i) continue
    const message = 'another name than those before it'
    context.addIssue({ code: 'custom', path: ['datasets', i, 'name'], message, input: name })
  }
  for (const { name, path } of named) {
    if (known.has(name)) continue
    const message = `the name of a bundled data set or of one in \`datasets\` (${listed([...known])})`
    context.addIssue({ code: 'custom', path, message, input: name })
  }
  const { theta, decayOffsets } = config.start
  if (decayOffsets !== undefined && theta === undefined) {
    const message = 'left out where `start.theta` is not given'
    context.addIssue({ code: 'custom', path: ['start', 'decayOffsets'], message, input: decayOffsets })
  }
  const numFamilies = 'families' in config.tasks ? config.tasks.families.length : 1
  if (config.estimator.numParticles < numFamilies) {
    // Some families would have no gradient.
    const message = `at least the number of task families (${numFamilies})`
    const input = config.estimator.numParticles
    context.addIssue({ code: 'custom', path: ['estimator', 'numParticles'], message, input })
  }
})

function namedDatasets(tasks: TaskMixture): { name: string; path: (string | number)[] }[] {
  if ('families' in tasks) {
    return tasks.families.flatMap((family, i) =>
      namedDatasets(family.tasks).map(({ name, path }) => ({
        name,
        path: ['families', i, 'tasks', ...path],
      })),
    )
  }
  if ('tasks' in tasks) {
    return tasks.tasks.flatMap(({ config }, i) =>
      config.family === 'mlp' ? [{ name: config.dataset, path: ['tasks', i, 'config', 'dataset'] }] : [],
    )
  }
  if (tasks.family === 'quadratic') return []
  return tasks.datasets.map(({ name }, i) => ({ name, path: ['datasets', i, 'name'] }))
}
