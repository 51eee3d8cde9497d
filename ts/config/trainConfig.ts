/** The meta-training config: one schema, and the only place where its defaults are written. */
import { z } from 'zod'
import { bundledDatasets, datasetSpecSchema } from './datasetSpec.js'
import { cpuName, fraction, integer, nonNegative, positive, refuseReversed, threadCount } from './fields.js'
import { learnedOptimizerSchema } from './optimizerConfig.js'
import { parseWith } from './parse.js'
import { presetNames, withPreset } from './presets.js'
import { type TaskMixture, taskMixtureSchema } from './taskMixture.js'

const antitheticPairs = {
  /** Antithetic pairs advanced in every outer step. More lower the gradient's variance, at proportional cost. */
  numParticles: integer(1, 65536),
  /** Inner steps between two outer updates. Short is cheap but (without PES) blind to later effects. */
  truncationLength: integer(1, 1_000_000),
  /**
   * Standard deviation of each perturbation, in units of theta. Too small: float noise swamps the loss difference.
   * Too large: the estimate is of a blurred meta-loss.
   */
  std: positive().default(0.01),
}

/** How the gradient of the meta-loss is estimated. */
export const estimatorSchema = z.discriminatedUnion('name', [
  /** Persistent evolution strategies: unbiased over whole unrolls. */
  z.strictObject({ name: z.literal('pes'), ...antitheticPairs }),
  /** Truncated evolution strategies: each truncation on its own. */
  z.strictObject({
    name: z.literal('truncatedEs'),
    ...antitheticPairs,
    /** State the next truncation starts from: a re-run without perturbation (half as much work again), or the pos lane's end. */
    carry: z.enum(['unperturbed', 'pos']).default('unperturbed'),
  }),
])

/** Length of a whole inner problem, rounded up to a multiple of the truncation length. */
export const unrollLengthSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('constant'), innerSteps: integer(1, 10_000_000) }),
  /** Drawn anew for every unroll, log-uniform from `min` to `max`. */
  z
    .strictObject({
      kind: z.literal('logUniform'),
      min: integer(1, 10_000_000),
      max: integer(1, 10_000_000),
    })
    .superRefine(refuseReversed('min', 'max')),
  /** From `from` to `to` while `overOuterSteps` outer steps go by, then constant. */
  z.strictObject({
    kind: z.literal('linear'),
    from: integer(1, 10_000_000),
    to: integer(1, 10_000_000),
    overOuterSteps: integer(1),
  }),
])

/** Truncation length as outer steps go by, in place of the estimator's constant one. */
export const truncationScheduleSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('linear'),
    from: integer(1, 1_000_000),
    to: integer(1, 1_000_000),
    overOuterSteps: integer(1),
  }),
  /** Drawn for every outer step, uniform integer. */
  z
    .strictObject({ kind: z.literal('uniform'), min: integer(1, 1_000_000), max: integer(1, 1_000_000) })
    .superRefine(refuseReversed('min', 'max')),
])

/** What is averaged along a truncation. */
export const metaLossSchema = z.discriminatedUnion('source', [
  /** The minibatch loss before each update: costs nothing extra. */
  z.strictObject({ source: z.literal('train') }),
  /** Every `every` inner steps, the mean loss of `batches` outer-validation minibatches. */
  z.strictObject({
    source: z.literal('outerValid'),
    every: integer(1, 1_000_000),
    batches: integer(1, 10_000),
  }),
])

/** What moves theta. */
export const outerOptimizerSchema = z.strictObject({
  name: z.literal('adam').default('adam'),
  /** Learning rate; the schedule multiplies it. */
  lr: positive(),
  beta1: fraction().default(0.9),
  beta2: fraction().default(0.999),
  eps: nonNegative().default(1e-8),
  /** Added to the second moment inside the root. */
  epsRoot: nonNegative().default(0),
  schedule: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('constant') }),
      /** Half a cosine from `lr` to `finalFraction`·`lr` over `outerSteps`. */
      z.strictObject({ kind: z.literal('cosine'), finalFraction: fraction() }),
    ])
    .default({ kind: 'constant' }),
  /** First outer steps at learning rate 0: only the moments move. */
  warmupOuterSteps: integer(0).default(0),
})

/** How the gradient is limited before the outer optimizer sees it. */
export const clipSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none') }),
  /** Every component to [−max, max]. */
  z.strictObject({ kind: z.literal('value'), max: positive() }),
  /** The whole gradient scaled down to norm `max`. */
  z.strictObject({ kind: z.literal('globalNorm'), max: positive() }),
])

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
  /** The optimizer that is trained. */
  optimizer: learnedOptimizerSchema,
  /** What it is trained on. */
  tasks: taskMixtureSchema,
  /** Data sets of the user's own; the bundled ones need no entry. */
  datasets: z.array(datasetSpecSchema).default([]),
  estimator: estimatorSchema,
  unrollLength: unrollLengthSchema,
  /** Default: the estimator's `truncationLength` throughout. */
  truncationSchedule: truncationScheduleSchema.optional(),
  metaLoss: metaLossSchema.default({ source: 'train' }),
  /** Updates of theta. */
  outerSteps: integer(1, 100_000_000),
  outerOptimizer: outerOptimizerSchema,
  clip: clipSchema.default({ kind: 'none' }),
  /** Decay of the exponential moving average of theta that is saved and evaluated; 0 switches it off. */
  thetaAverage: fraction().default(0.98),
  /** Theta starts as the best of `candidates` random draws, judged on unrolls of `innerSteps`. */
  start: z
    .strictObject({
      candidates: integer(1, 10_000).default(16),
      innerSteps: integer(1, 1_000_000).default(200),
    })
    .prefault({}),
  /** A checkpoint every so many outer steps, of which the last `keep` are kept. */
  checkpoint: z
    .strictObject({
      everyOuterSteps: integer(1).default(25),
      keep: integer(1, 1000).default(2),
    })
    .prefault({}),
})

/** How the gradient of the meta-loss is estimated. */
export type EstimatorConfig = z.infer<typeof estimatorSchema>
/** Length of a whole inner problem. */
export type UnrollLengthConfig = z.infer<typeof unrollLengthSchema>
/** Truncation length as outer steps go by. */
export type TruncationScheduleConfig = z.infer<typeof truncationScheduleSchema>
/** What is averaged along a truncation. */
export type MetaLossConfig = z.infer<typeof metaLossSchema>
/** What moves theta. */
export type OuterOptimizerConfig = z.infer<typeof outerOptimizerSchema>
/** How the gradient is limited. */
export type ClipConfig = z.infer<typeof clipSchema>
/** A complete meta-training config, every default filled in. */
export type TrainConfig = z.infer<typeof trainConfigSchema>
/** What a user may write for a {@link TrainConfig}, once any preset is merged in. */
type CompleteInput = z.input<typeof trainConfigSchema>
/** What a user may write: a preset with anything laid over it, or a config without preset. */
export type TrainConfigInput =
  | ({ preset: (typeof presetNames)[number] } & DeepPartial<Omit<CompleteInput, 'preset'>>)
  | CompleteInput

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
  return parseWith(checkedSchema, withPreset(input))
}

const checkedSchema = trainConfigSchema.superRefine((config, context) => {
  const known = new Set([...bundledDatasets, ...config.datasets.map((spec) => spec.name)])
  for (const { name, path } of namedDatasets(config.tasks)) {
    if (known.has(name)) continue
    const message = `the name of a bundled data set or of one in \`datasets\` (${[...known].join(', ')})`
    context.addIssue({ code: 'custom', path: ['tasks', ...path], message, input: name })
  }
})

function namedDatasets(tasks: TaskMixture): { name: string; path: (string | number)[] }[] {
  if ('tasks' in tasks) {
    return tasks.tasks.flatMap(({ config }, i) =>
      config.family === 'mlp' ? [{ name: config.dataset, path: ['tasks', i, 'config', 'dataset'] }] : [],
    )
  }
  if (tasks.family === 'quadratic') return []
  return tasks.datasets.map(({ name }, i) => ({ name, path: ['datasets', i, 'name'] }))
}
