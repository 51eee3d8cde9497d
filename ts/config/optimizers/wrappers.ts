/**
 * Configs of optimizers that contain others. Their theta is that of what is inside: theta files of the inner optimizer
 * fit.
 */
import { z } from 'zod'
import { integer, nonNegative, pattern, positive, probability } from '../fields.js'

/**
 * The schemas of all wrappers around whatever `inner` accepts. A function, because a wrapper may contain a wrapper: the
 * inner schema is looked up when a config is read, and is then that of all optimizers.
 */
export function wrapperSchemas<Inner extends z.ZodType>(inner: Inner) {
  /**
   * Weight decay around any optimizer. `decoupled`: p ← (the inner step's p) − weightDecay·(p before it); a schedule or
   * factor outside applies to it. `l2`: the inner optimizer sees g + weightDecay·p and a loss larger by weightDecay·Σp² (as
   * published: the gradient is half of that loss').
   */
  const weightDecay = z.strictObject({
    name: z.literal('weight_decay'),
    inner,
    kind: z.enum(['decoupled', 'l2']).default('decoupled'),
    weightDecay: nonNegative(),
    /** Only tensors decay whose name this regular expression finds; null: all. */
    pattern: pattern().nullable().default(null),
  })

  /**
   * Gradients held to a bound before the inner optimizer sees them: elements to ±max, or the Euclidean norm of every tensor
   * or of all together to max.
   */
  const clipGradients = z.strictObject({
    name: z.literal('clip_gradients'),
    inner,
    by: z.enum(['element', 'tensorNorm', 'globalNorm']),
    max: positive(),
  })

  /** Every n-th step updates, with the means of n gradients and losses; the inner optimizer is told numSteps/n steps. */
  const accumulate = z.strictObject({
    name: z.literal('accumulate'),
    inner,
    /** n. */
    steps: integer(1, 2 ** 20),
  })

  /** Steps times a factor that changes with time. */
  const schedule = z.strictObject({ name: z.literal('schedule'), inner, factor: stepFactor })

  /** Steps times constants; the factors of a tensor multiply. */
  const scaled = z.strictObject({
    name: z.literal('scaled'),
    inner,
    /** Of all tensors. */
    factor: nonNegative().default(1),
    /** Of tensors whose name a regular expression finds. */
    tensors: z.array(z.strictObject({ pattern: pattern(), factor: nonNegative() })).default([]),
    /**
     * Maximal update parametrisation: hidden matrices step by this over their width, the last axis but one. Hidden are
     * tensors of rank 2 and more but the first and the last of them in leaf order. null: no such factor.
     */
    mupBaseWidth: positive().nullable().default(null),
  })

  /** The sum of two optimizers' steps from the same parameters. */
  const sum = z.strictObject({ name: z.literal('sum'), first: inner, second: inner })

  /** The direction of one optimizer's step, as long as another one's over all tensors. */
  const graft = z.strictObject({ name: z.literal('graft'), magnitude: inner, direction: inner })

  return [weightDecay, clipGradients, accumulate, schedule, scaled, sum, graft] as const
}

const steps = () => integer(1, 2 ** 53 - 1)

/** A factor of steps over time; t are the updates before, 0 at first. */
const stepFactor = z.discriminatedUnion('kind', [
  /** The same always. */
  z.strictObject({ kind: z.literal('constant'), value: nonNegative() }),
  /** start + (1 − start)·min(t/warmupSteps, 1). */
  z.strictObject({ kind: z.literal('linear_warmup'), warmupSteps: steps(), start: probability().default(0) }),
  /** Warm-up as above, then a half cosine from 1 to `end` at `totalSteps`. */
  z
    .strictObject({
      kind: z.literal('cosine'),
      warmupSteps: integer(0).default(0),
      start: probability().default(0),
      /** null: the number of steps of the run. */
      totalSteps: integer(0).nullable().default(null),
      end: nonNegative().default(0),
    })
    .refine(({ warmupSteps, totalSteps }) => totalSteps === null || totalSteps > warmupSteps, {
      path: ['totalSteps'],
      error: 'null or more than `warmupSteps`',
    }),
  /** 1, then the factor of the last breakpoint whose step is at most t. */
  z.strictObject({
    kind: z.literal('piecewise'),
    breakpoints: z
      .array(z.strictObject({ step: integer(0), factor: nonNegative() }))
      .refine((points) => points.every((point, i) => i === 0 || point.step > points[i - 1]!.step), {
        error: 'in order of their steps',
      }),
  }),
  /** rate^(t/every). */
  z.strictObject({
    kind: z.literal('exponential'),
    rate: positive().lte(1, { error: 'a number > 0 and <= 1' }),
    every: steps().default(1),
  }),
  /** min(s/warmupSteps, √(warmupSteps/s)) with s = t + 1. */
  z.strictObject({ kind: z.literal('inverse_sqrt'), warmupSteps: steps().default(1000) }),
])
