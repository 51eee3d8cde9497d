/** Options of wrappers that have options of their own. */
import { z } from 'zod'
import { integer, nonNegative, pattern, positive, probability } from '../fields.js'

const steps = () => integer(1, 2 ** 53 - 1)

/** A factor of steps over time; t are the updates before, 0 at first. */
export const stepFactor = z.discriminatedUnion('kind', [
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

/** A factor of steps over time. */
export type StepFactor = z.infer<typeof stepFactor>
/** What a user may write for it. */
export type StepFactorInput = z.input<typeof stepFactor>

/** Factors of the tensors whose name a regular expression finds. */
export const tensorFactors = z.array(z.strictObject({ pattern: pattern(), factor: nonNegative() }))

/** Factors of some tensors. */
export type TensorFactors = z.infer<typeof tensorFactors>
/** What a user may write for them. */
export type TensorFactorsInput = z.input<typeof tensorFactors>
