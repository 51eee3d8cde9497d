/** How long inner problems and truncations last, and where the first ones begin. */
import { z } from 'zod'
import { integer, nonNegative, refuseReversed } from './fields.js'

const steps = () => integer(1, 10_000_000)

/** From `from` to `to` while `overOuterSteps` outer steps go by, then constant. */
const linear = z.strictObject({
  kind: z.literal('linear'),
  from: steps(),
  to: steps(),
  overOuterSteps: integer(1),
})

/** Drawn anew every time, log-uniform from `min` to `max`. */
const logUniform = z
  .strictObject({ kind: z.literal('logUniform'), min: steps(), max: steps() })
  .superRefine(refuseReversed('min', 'max'))

/** Drawn anew every time, uniform from `min` to `max`. */
const uniform = z
  .strictObject({ kind: z.literal('uniform'), min: steps(), max: steps() })
  .superRefine(refuseReversed('min', 'max'))

/** A line through knots over outer steps, constant outside them; `std` adds normal noise, and at least `min` remains. */
const piecewise = z.strictObject({
  kind: z.literal('piecewise'),
  knots: z
    .array(z.strictObject({ outerStep: integer(0), innerSteps: steps() }))
    .min(1, { error: 'an array of at least one knot' })
    .refine((knots) => knots.every((knot, i) => i === 0 || knot.outerStep > knots[i - 1]!.outerStep), {
      error: 'knots with ascending `outerStep`',
    }),
  std: nonNegative().default(0),
  min: steps().default(10),
})

/** Length of a whole inner problem. */
export const unrollLengthSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('constant'), innerSteps: steps() }),
  logUniform,
  uniform,
  linear,
  piecewise,
])

/** Truncation length as outer steps go by, in place of the estimator's constant one. */
export const truncationScheduleSchema = z.discriminatedUnion('kind', [linear, uniform, logUniform, piecewise])

/**
 * Where a problem may end. `boundary`: at the end of a truncation, so that its length is rounded up to whole ones.
 * `slots`: inside, and an empty inner step follows it, as in google/learned_optimization. `inline`: inside, and the next
 * problem follows at once, as in the repository of NRES.
 */
export const resetsSchema = z.enum(['boundary', 'slots', 'inline'])

/** How the first problems of a run are staggered, so that they do not all end at once. */
export const initialOffsetSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none') }),
  /** The first problem of every particle counts as begun by up to `max` inner steps, and so ends earlier. */
  z.strictObject({ kind: z.literal('counter'), max: steps() }),
  /** The first problem of every particle is run that far, without perturbation, so that its state is genuine. */
  z.strictObject({ kind: z.literal('burnIn') }),
])

/** Length of a whole inner problem. */
export type UnrollLengthConfig = z.infer<typeof unrollLengthSchema>
/** Truncation length as outer steps go by. */
export type TruncationScheduleConfig = z.infer<typeof truncationScheduleSchema>
/** Where a problem may end. */
export type ResetsConfig = z.infer<typeof resetsSchema>
/** How the first problems are staggered. */
export type InitialOffsetConfig = z.infer<typeof initialOffsetSchema>
