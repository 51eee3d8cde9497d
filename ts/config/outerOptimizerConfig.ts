/** What moves theta, and what happens to the gradient before. */
import { z } from 'zod'
import { fraction, integer, nonNegative, positive, text } from './fields.js'
import { isLearned, optimizerConfigSchema } from './optimizerConfig.js'

const learningRate = {
  /** Learning rate; the schedule multiplies it. */
  lr: positive(),
  schedule: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('constant') }),
      /** Half a cosine from `lr` to `finalFraction`·`lr` over `outerSteps`. */
      z.strictObject({ kind: z.literal('cosine'), finalFraction: fraction() }),
    ])
    .default({ kind: 'constant' }),
  /** First outer steps of a lower rate; the schedule begins after them. */
  warmupOuterSteps: integer(0).default(0),
  /** `zero`: rate 0, so that only the moments move. `linear`: from 0 up to `lr`. */
  warmup: z.enum(['zero', 'linear']).default('zero'),
}

const moments = {
  beta1: fraction().default(0.9),
  beta2: fraction().default(0.999),
  eps: nonNegative().default(1e-8),
  /** Added to the second moment inside the root. */
  epsRoot: nonNegative().default(0),
}

/** Any optimizer of the package, learned or hand-designed, with the meta-loss as its train and validation loss. */
const applySchema = z
  .strictObject({
    name: z.literal('apply'),
    /** Its options, whole. Default: those of the file `weights`, or of the optimizer that is trained. */
    optimizer: optimizerConfigSchema.optional(),
    /** Weights of a learned one: a file, or `self`: the theta that is being trained, as it is at every outer step. */
    weights: text().optional(),
    /** Factor on its steps. */
    factor: positive().default(1),
  })
  .superRefine(({ optimizer, weights }, context) => {
    const issue = (message: string) =>
      context.addIssue({ code: 'custom', path: ['weights'], message, input: weights })
    if (optimizer === undefined) {
      if (weights === undefined) issue('a file or "self", unless `outerOptimizer.optimizer` is hand-designed')
    } else if (isLearned(optimizer) !== (weights !== undefined)) {
      const { name } = optimizer
      issue(weights === undefined ? `a file or "self" with weights of ${name}` : `left out: ${name} has none`)
    }
  })

/** What moves theta. */
export const outerOptimizerSchema = z.discriminatedUnion('name', [
  z.strictObject({ name: z.literal('adam'), ...learningRate, ...moments }),
  z.strictObject({
    name: z.literal('adamw'),
    ...learningRate,
    ...moments,
    /** Weights shrink by `lr`·`weightDecay` a step; frozen ones do not, unless `decayFrozen`. */
    weightDecay: nonNegative().default(1e-4),
    /** Frozen weights shrink too, as in the published code. */
    decayFrozen: z.boolean().default(false),
  }),
  z.strictObject({ name: z.literal('sgd'), ...learningRate, momentum: fraction().default(0) }),
  applySchema,
])

/** How the gradient is limited before the outer optimizer sees it. */
export const clipSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none') }),
  /** Every component to [−max, max]. */
  z.strictObject({ kind: z.literal('value'), max: positive() }),
  /** Every leaf of theta scaled down to norm `max`. */
  z.strictObject({ kind: z.literal('leafNorm'), max: positive() }),
  /** The whole gradient scaled down to norm `max`. */
  z.strictObject({ kind: z.literal('globalNorm'), max: positive() }),
])

/** Weights that are neither perturbed nor moved. */
export const freezeSchema = z.strictObject({
  /** Leaves of theta by name; `*` stands for any text. */
  leaves: z.array(text()).default([]),
  /** Leaves that no step depends on: their noise would only lengthen the gradient. */
  dead: z.boolean().default(true),
})

/** What moves theta. */
export type OuterOptimizerConfig = z.infer<typeof outerOptimizerSchema>
/** How the gradient is limited. */
export type ClipConfig = z.infer<typeof clipSchema>
/** Weights that are neither perturbed nor moved. */
export type FreezeConfig = z.infer<typeof freezeSchema>
