/** The meta-training config: one schema, and the only place where its defaults are written. */
import { z } from 'zod'
import { bundledDatasets, datasetSpecSchema, type GivenDataset, givenDatasetSchema } from './datasetSpec.js'
import { decayOffsetsSchema } from './decayOffsets.js'
import { estimatorSchema } from './estimatorConfig.js'
import {
  cpuName,
  fraction,
  integer,
  MAX_MEMORY_BYTES,
  memoryBytes,
  nonNegative,
  text,
  threadCount,
} from './fields.js'
import { isPlainObject } from './merge.js'
import { metaLossSchema } from './metaLossConfig.js'
import { learnedOptimizerSchema } from './optimizerConfig.js'
import { clipSchema, freezeSchema, outerOptimizerSchema } from './outerOptimizerConfig.js'
import { parseWith } from './parse.js'
import { type PresetName, presetNames, withPreset } from './presets.js'
import { listed } from './quote.js'
import {
  initialOffsetSchema,
  resetsSchema,
  truncationScheduleSchema,
  unrollLengthSchema,
} from './scheduleConfig.js'
import { taken } from './taken.js'
import { taskConfigSchema } from './taskConfig.js'
import { type TaskMixture, taskMixtureSchema } from './taskMixture.js'

/** Several workers in one process, whose gradients arrive in the order that a simulated clock gives. */
export const asynchronousSchema = z.strictObject({
  /** Each with `estimator.numParticles` inner problems of its own. */
  workers: integer(1, 4096),
  /** Outer steps by which the theta of a gradient may be older than the one it moves; older ones are dropped. */
  maxStaleness: integer(0, 1_000_000).default(5),
  /** Gradients that make an outer step. */
  gradientsPerStep: integer(1, 4096).default(1),
  /** The slowest worker takes 1 + this many times as long as the fastest. */
  speedSpread: nonNegative().default(1),
  /** Every truncation takes up to 1 + this many times as long as the worker's shortest. */
  jitter: nonNegative().default(0.5),
})

/** Measuring theta while it is trained. */
export const evaluationSchema = z.strictObject({
  everyOuterSteps: integer(1),
  /** The first so many tasks of the held-out suite, or tasks of one's own. */
  tasks: z
    .union([integer(1, 24), z.array(taskConfigSchema).min(1)], {
      error: 'an integer from 1 to 24 or an array of at least one task',
    })
    .default(6),
  /** Inner steps of every run. */
  innerSteps: integer(1, 10_000_000).default(500),
  /** Runs of every task, with different initial params and minibatches. */
  seeds: integer(1, 1000).default(1),
})

/** A whole meta-training run. */
export const trainConfigSchema = z.strictObject({
  /** Preset the other options are laid over. */
  preset: z.enum(presetNames).optional(),
  /** Names every random number of the run. */
  seed: integer(0).default(0),
  /** CPU threads of the engine; `auto`: as many as the machine has. The result does not depend on it. */
  threads: threadCount().default('auto'),
  /**
   * Instruction set of the engine; `auto`: the one that `OUTERLOOP_CPU` names, else the best. The result does not depend
   * on it.
   */
  cpu: cpuName().default('auto'),
  /**
   * Most bytes that data sets and inner problems may take, by an estimate from shapes, counts and `threads`; what would take
   * more is refused. The result does not depend on it.
   */
  maxMemoryBytes: memoryBytes().default(MAX_MEMORY_BYTES),
  /** The optimizer that is trained. */
  optimizer: learnedOptimizerSchema,
  /** What it is trained on. */
  tasks: taskMixtureSchema,
  /** Data sets of the user's own; the bundled ones need no entry. Those of kind `given` are an option of `train`. */
  datasets: z.array(z.discriminatedUnion('kind', [datasetSpecSchema, givenDatasetSchema])).default([]),
  estimator: estimatorSchema,
  unrollLength: unrollLengthSchema,
  /** Default: the estimator's `truncationLength` throughout. */
  truncationSchedule: truncationScheduleSchema.optional(),
  resets: resetsSchema.default('boundary'),
  initialOffset: initialOffsetSchema.default({ kind: 'none' }),
  metaLoss: metaLossSchema.prefault({ source: 'train' }),
  /** Updates of theta. */
  outerSteps: integer(1, 100_000_000),
  outerOptimizer: outerOptimizerSchema,
  clip: clipSchema.default({ kind: 'none' }),
  /** Clipped gradients that are averaged for one step of the outer optimizer. */
  accumulate: integer(1, 1_000_000).default(1),
  freeze: freezeSchema.prefault({}),
  /** Gradients from several workers at their own pace, as in the paper. Default: all wait for each other. */
  asynchronous: asynchronousSchema.optional(),
  /** Decay of the exponential moving average of theta that is saved and evaluated; 0 switches it off. */
  thetaAverage: fraction().default(0.98),
  /** Theta starts as the best of `candidates` random draws, judged on unrolls of `innerSteps`; or as that of a weight file, of any
   *  format that `loadWeights` reads, with `decayOffsets` where that asks for them. */
  start: z
    .strictObject({
      theta: text().optional(),
      decayOffsets: decayOffsetsSchema.optional(),
      candidates: integer(1, 10_000).default(16),
      innerSteps: integer(1, 1_000_000).default(200),
    })
    .prefault({}),
  /** Theta is measured on tasks that it is not trained on; the best one is kept. Default: never. */
  evaluation: evaluationSchema.optional(),
  /** A checkpoint every so many outer steps, of which the last `keep` are kept. */
  checkpoint: z
    .strictObject({
      everyOuterSteps: integer(1).default(25),
      keep: integer(1, 1000).default(2),
    })
    .prefault({}),
})

/** Several workers in one process. */
export type AsynchronousConfig = z.infer<typeof asynchronousSchema>
/** Measuring theta while it is trained. */
export type TrainEvaluationConfig = z.infer<typeof evaluationSchema>
/** A complete meta-training config, every default filled in. */
export interface TrainConfig extends z.infer<typeof trainConfigSchema> {}
/** What a user may write for a {@link TrainConfig}, once any preset is merged in. */
export interface CompleteTrainConfigInput extends z.input<typeof trainConfigSchema> {}
/** A preset, and what is laid over it. */
export interface PresetConfigInput extends DeepPartial<Omit<CompleteTrainConfigInput, 'preset'>> {
  preset: PresetName
}
/** What a user may write: a preset with anything laid over it, or a config without preset. */
export type TrainConfigInput = PresetConfigInput | CompleteTrainConfigInput

type DeepPartial<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { [K in keyof T]?: DeepPartial<T[K]> }
    : T

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
