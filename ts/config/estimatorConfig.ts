/** How the gradient of the meta-loss is estimated: the options of every estimator. */
import { z } from 'zod'
import { integer, positive } from './fields.js'

const antitheticPairs = {
  /** Inner problems that run side by side. More lower the gradient's variance, at proportional cost. */
  numParticles: integer(1, 65536),
  /** Antithetic pairs of every inner problem, each with a perturbation of its own. */
  pairsPerParticle: integer(1, 4096).default(1),
  /** Inner steps between two outer updates. Short is cheap but (without PES) blind to later effects. */
  truncationLength: integer(1, 1_000_000),
  /**
   * Standard deviation of each perturbation, in units of theta. Too small: float noise swamps the loss difference.
   * Too large: the estimate is of a blurred meta-loss.
   */
  std: positive().default(0.01),
}

/** Every difference of a pair's losses becomes this much, with its sign. Default: differences as they are. */
const signDelta = positive().optional()
/** Divides the gradient by (deviation of all lanes' losses) / std. */
const normalizeLosses = z.boolean().default(false)

/** How the gradient of the meta-loss is estimated. */
export const estimatorSchema = z.discriminatedUnion('name', [
  /** Persistent evolution strategies: unbiased over whole unrolls. */
  z.strictObject({
    name: z.literal('pes'),
    ...antitheticPairs,
    signDelta,
    /** Credits the last inner step of a problem to the newest perturbation alone, as the published code does: biased. */
    compatBoundary: z.boolean().default(false),
  }),
  /** Truncated evolution strategies: each truncation on its own. */
  z.strictObject({
    name: z.literal('truncatedEs'),
    ...antitheticPairs,
    /** State the next truncation starts from: a re-run without perturbation (half as much work again), or the pos lane's end. */
    carry: z.enum(['unperturbed', 'pos']).default('unperturbed'),
    signDelta,
  }),
  /** Evolution strategies on whole inner problems, each from its start; `truncationLength` is what lengths are multiples of. */
  z.strictObject({
    name: z.literal('fullEs'),
    ...antitheticPairs,
    signDelta,
    /** Largest difference of a pair's losses that counts, before the sign is taken. Default: any. */
    clipDelta: positive().optional(),
  }),
  /** Noise-reuse evolution strategies (also ES-Single): one perturbation for a whole inner problem. */
  z.strictObject({ name: z.literal('nres'), ...antitheticPairs, normalizeLosses }),
  /** Generalised PES: a new perturbation every `perturbEvery` inner steps of a problem. */
  z.strictObject({
    name: z.literal('gpes'),
    ...antitheticPairs,
    perturbEvery: integer(1, 10_000_000),
    normalizeLosses,
  }),
])

/** How the gradient of the meta-loss is estimated. */
export type EstimatorConfig = z.infer<typeof estimatorSchema>
