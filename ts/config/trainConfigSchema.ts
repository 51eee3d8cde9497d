/** The meta-training config: one schema, and the only place where its defaults are written. */
import { z } from 'zod'
import { datasetSpecSchema, givenDatasetSchema } from './datasetSpec.js'
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
import { metaLossSchema } from './metaLossConfig.js'
import { learnedOptimizerSchema } from './optimizerConfig.js'
import { clipSchema, freezeSchema, outerOptimizerSchema } from './outerOptimizerConfig.js'
import { type PresetName, presetNames } from './presetNames.js'
import {
  initialOffsetSchema,
  resetsSchema,
  truncationScheduleSchema,
  unrollLengthSchema,
} from './scheduleConfig.js'
import { taskConfigSchema } from './taskConfig.js'
import { taskMixtureSchema } from './taskMixture.js'

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
