/**
 * Task configs: plain JSON that, with a key, determines an inner problem bit for bit.
 * The core has a serde twin of this schema; both are tested on test/fixtures/task-configs.json.
 */
import { z } from 'zod'
import { finite, fraction, integer, nonNegative, positive, refuseReversed, text } from './fields.js'

/** Names of the activations of an MLP task. `leaky_relu4`, `2`, `1` have negative slopes 0.4, 0.2, 0.1. */
export const activationNames = [
  'relu',
  'tanh',
  'cos',
  'elu',
  'sigmoid',
  'swish',
  'leaky_relu4',
  'leaky_relu2',
  'leaky_relu1',
] as const

/** Initialisers whose scale follows from the layer's shape. */
export const unscaledInitNames = [
  'he_normal',
  'he_uniform',
  'glorot_normal',
  'glorot_uniform',
  'lecun_normal',
] as const

/** Initialisers that take a `scale`. */
export const scaledInitNames = [
  'orthogonal',
  'random_uniform',
  'random_normal',
  'truncated_normal',
  'variance_scaling',
] as const

/** How pixels (bytes 0…255) become inputs. */
export const pixelScalings = ['unit', 'centered', 'standardized'] as const

/** How all weight matrices of a task start; biases start at zero. */
export const initSchema = z.discriminatedUnion('name', [
  z.strictObject({ name: z.enum(unscaledInitNames) }),
  z.strictObject({
    name: z.enum(scaledInitNames),
    /** Gain of `orthogonal`, half width of `random_uniform`, standard deviation of the two normals, variance factor of `variance_scaling`. */
    scale: positive(),
  }),
])

/** A factor between the parameters that an optimizer sees and those of the net. */
export function paramFactor() {
  const error = 'a number from 1e-12 to 1e12'
  return z.number({ error }).gte(1e-12, { error }).lte(1e12, { error })
}

/** An MLP that classifies images, mean cross entropy. */
export const mlpTaskSchema = z
  .strictObject({
    family: z.literal('mlp'),
    /** Name of the data set. */
    dataset: text(),
    /** Widths of the hidden layers, input side first; `[]` is softmax regression. */
    hidden: z.array(integer(1, 65536)).max(16, { error: 'an array of at most 16 widths' }),
    activation: z.enum(activationNames).default('relu'),
    init: initSchema.default({ name: 'he_normal' }),
    /** Examples in a minibatch. */
    batchSize: integer(1, 65536).default(64),
    /** `unit`: value / 255; `centered`: 2·unit − 1; `standardized`: zero mean, unit variance over the train split. */
    pixels: z.enum(pixelScalings).default('unit'),
    /** Share of the train examples whose label is replaced by a random one, fixed for an unroll. */
    labelNoise: fraction().default(0),
    /** Only the first `numTrain` examples of the train split are used. Default: all of them. */
    numTrain: integer(1).optional(),
    /**
     * The optimizer sees w, the net w·s, and the first w is divided by s: the same problem, for which steps of another size
     * are right (`ReparamWeights` of google/learned_optimization). One s, or one for each tensor, in the order biases,
     * weights, layer by layer. Default: 1.
     */
    paramScale: z
      .union([paramFactor(), z.array(paramFactor())], { error: 'a number or an array of numbers' })
      .optional(),
  })
  .superRefine(({ hidden, paramScale }, context) => {
    const numTensors = numMlpTensors(hidden)
    if (!Array.isArray(paramScale) || paramScale.length === numTensors) return
    const message = `an array of ${numTensors} numbers, one for each tensor`
    context.addIssue({ code: 'custom', path: ['paramScale'], message, input: paramScale })
  })

/** Tensors of an MLP: biases and weights of every layer. */
export function numMlpTensors(hidden: readonly number[]): number {
  return 2 * (hidden.length + 1)
}

const normalSchema = z.strictObject({ kind: z.literal('normal'), mean: finite(), std: nonNegative() })

const uniformSchema = z
  .strictObject({ kind: z.literal('uniform'), min: finite(), max: finite() })
  .superRefine(refuseReversed('min', 'max'))

/** A random square matrix: independent entries, or a random rotation of given eigenvalues. */
export const matrixSchema = z.discriminatedUnion('kind', [
  normalSchema,
  uniformSchema,
  z
    .strictObject({ kind: z.literal('linspace_eigen'), min: finite(), max: finite() })
    .superRefine(refuseReversed('min', 'max')),
  z
    .strictObject({ kind: z.literal('logspace_eigen'), min: positive(), max: positive() })
    .superRefine(refuseReversed('min', 'max')),
])

/** lossScale · out(‖(A + E)x‖²): A fixed by `instanceSeed`, E fresh at every loss call. */
export const quadraticTaskSchema = z.strictObject({
  family: z.literal('quadratic'),
  /** Length of x. */
  dims: integer(1, 5000),
  /** Distribution of A. */
  matrix: matrixSchema,
  /** Distribution of the coordinates of the first x. */
  start: z.discriminatedUnion('kind', [normalSchema, uniformSchema]),
  /** `identity`, or `log`: ln(max(value, 0) + 1e-8). */
  output: z.enum(['identity', 'log']),
  lossScale: positive(),
  /** Distribution of E; null for none. */
  noise: matrixSchema.nullable(),
  /** Names A: tasks with one `instanceSeed` and one `matrix` share it. */
  instanceSeed: integer(0),
})

/** Any inner problem. */
export const taskConfigSchema = z.discriminatedUnion('family', [mlpTaskSchema, quadraticTaskSchema])

/** A complete inner problem, every default filled in. */
export type TaskConfig = MlpTaskConfig | QuadraticTaskConfig
/** What a user may write for a {@link TaskConfig}: fields with defaults may be left out. */
export type TaskConfigInput = MlpTaskConfigInput | QuadraticTaskConfigInput
/** A complete MLP task. */
export interface MlpTaskConfig extends z.infer<typeof mlpTaskSchema> {}
/** An MLP task whose fields with defaults may be left out. */
export interface MlpTaskConfigInput extends z.input<typeof mlpTaskSchema> {}
/** A complete quadratic task. */
export interface QuadraticTaskConfig extends z.infer<typeof quadraticTaskSchema> {}
/** A quadratic task whose fields with defaults may be left out. */
export interface QuadraticTaskConfigInput extends z.input<typeof quadraticTaskSchema> {}
/** Initialiser of a task's weight matrices. */
export type Init = z.infer<typeof initSchema>
/** Distribution of a quadratic's matrix. */
export type Matrix = z.infer<typeof matrixSchema>
/** Name of an activation. */
export type Activation = (typeof activationNames)[number]
