/** Distributions of tasks: a weighted list of fixed ones, or a family whose configs are drawn. */
import { z } from 'zod'
import { fraction, integer, positive, probability, range, refuseReversed, text, weights } from './fields.js'
import {
  activationNames,
  paramFactor,
  pixelScalings,
  scaledInitNames,
  taskConfigSchema,
  unscaledInitNames,
} from './taskConfig.js'

/**
 * Random labels: with `probability` an MLP task gets `labelNoise` uniform in [0, `max`).
 * It keeps a learned optimizer from learning by heart how far the loss will fall.
 */
export const labelNoiseSchema = z.strictObject({ probability: probability(), max: fraction() })

/**
 * Scaled parameters: every MLP task gets a `paramScale`, log-uniform from `min` to `max`, one for all of its tensors or one
 * for each. It keeps a learned optimizer from learning by heart how large steps should be.
 */
export const paramScaleSchema = z
  .strictObject({ min: paramFactor(), max: paramFactor(), per: z.enum(['task', 'tensor']).default('task') })
  .superRefine(refuseReversed('min', 'max'))

/** Fixed tasks, drawn in proportion to their weights. */
export const fixedMixtureSchema = z.strictObject({
  tasks: z
    .array(z.strictObject({ config: taskConfigSchema, weight: positive().default(1) }))
    .min(1, { error: 'an array of at least one task' }),
  labelNoise: labelNoiseSchema.optional(),
  paramScale: paramScaleSchema.optional(),
})

/** MLPs on images with drawn shapes, after the `mlp` family of TaskSet; see ts/tasks/mlpFamily.ts. */
export const mlpFamilySchema = z.strictObject({
  family: z.literal('mlp'),
  /** Data sets, equally likely, each with its own ranges. */
  datasets: z
    .array(
      z.strictObject({
        name: text(),
        /** Minibatch size, log-uniform integer. */
        batchSize: range(() => integer(1, 65536)).default({ min: 8, max: 256 }),
        /** Size of the train split, uniform integer. Default: always the whole split. */
        numTrain: range(() => integer(1)).optional(),
      }),
    )
    .min(1, { error: 'an array of at least one data set' }),
  /** Number of hidden layers, uniform integer. */
  numHidden: range(() => integer(0, 16)).default({ min: 1, max: 6 }),
  /** Width of each hidden layer, independent log-uniform integers. */
  width: range(() => integer(1, 65536)).default({ min: 16, max: 128 }),
  /** Activations and their weights. */
  activations: weights(activationNames).default({
    relu: 6,
    tanh: 3,
    cos: 1,
    elu: 1,
    sigmoid: 1,
    swish: 1,
    leaky_relu4: 1,
    leaky_relu2: 1,
    leaky_relu1: 1,
  }),
  /** Initialisers and their weights. */
  inits: weights([...unscaledInitNames, ...scaledInitNames]).default({
    he_normal: 2,
    he_uniform: 2,
    glorot_normal: 2,
    glorot_uniform: 2,
    orthogonal: 1,
    random_uniform: 1,
    random_normal: 1,
    truncated_normal: 1,
    variance_scaling: 1,
  }),
  /** Scale of the initialisers that take one, log-uniform. */
  initScale: range(positive).default({ min: 0.1, max: 10 }),
  /** Pixel scalings, equally likely. */
  pixels: z
    .array(z.enum(pixelScalings))
    .min(1, { error: 'an array of at least one pixel scaling' })
    .default(['unit', 'centered']),
  labelNoise: labelNoiseSchema.optional(),
  paramScale: paramScaleSchema.optional(),
})

/** Random quadratics, after the `quadratic` family of TaskSet; see ts/tasks/quadraticFamily.ts. */
export const quadraticFamilySchema = z.strictObject({
  family: z.literal('quadratic'),
  /** Number of dimensions, log-uniform integer. */
  dims: range(() => integer(1, 5000)).default({ min: 2, max: 3000 }),
  /** Factor of the loss, log-uniform. */
  lossScale: range(positive).default({ min: 1e-5, max: 1e3 }),
  /** Outputs, equally likely. */
  outputs: z
    .array(z.enum(['identity', 'log']))
    .min(1, { error: 'an array of at least one output' })
    .default(['identity', 'log']),
  /** How often a task has a noise matrix. */
  noiseProbability: probability().default(0.5),
})

/** One distribution of tasks. */
export const singleMixtureSchema = z.union([
  fixedMixtureSchema,
  z.discriminatedUnion('family', [mlpFamilySchema, quadraticFamilySchema]),
])

/**
 * Several distributions at once: particles are dealt to them in turn, each gives a gradient of its own, and their mean by
 * weight moves theta.
 */
export const familiesSchema = z.strictObject({
  families: z
    .array(z.strictObject({ name: text(), weight: positive().default(1), tasks: singleMixtureSchema }))
    .min(1, { error: 'an array of at least one family' })
    .refine((families) => new Set(families.map(({ name }) => name)).size === families.length, {
      error: 'families of different names',
    }),
})

/** Any distribution of tasks. */
export const taskMixtureSchema = z.union([...singleMixtureSchema.options, familiesSchema])

/** One distribution of tasks. */
export type SingleMixture = FixedMixture | MlpFamily | QuadraticFamily
/** A complete distribution of tasks, every default filled in. */
export type TaskMixture = SingleMixture | Families
/** What a user may write for a {@link TaskMixture}. */
export type TaskMixtureInput = z.input<typeof taskMixtureSchema>
/** The `mlp` family's ranges. */
export interface MlpFamily extends z.infer<typeof mlpFamilySchema> {}
/** The `quadratic` family's ranges. */
export interface QuadraticFamily extends z.infer<typeof quadraticFamilySchema> {}
/** Tasks that are listed one by one. */
export interface FixedMixture extends z.infer<typeof fixedMixtureSchema> {}
/** Several distributions at once. */
export interface Families extends z.infer<typeof familiesSchema> {}
/** Rule by which drawn tasks get random labels. */
export type LabelNoiseRule = z.infer<typeof labelNoiseSchema>
/** Rule by which drawn tasks get scaled parameters. */
export type ParamScaleRule = z.infer<typeof paramScaleSchema>
