/**
 * Configs of hand-designed optimizers with a rate for each element. Formulas: p are the parameters, g their gradients,
 * m and v the decaying means of g and g², m̂ and v̂ the same with bias correction.
 */
import { z } from 'zod'
import { finite, fraction, nonNegative, positive, probability } from '../fields.js'

const moments = {
  lr: positive(),
  beta1: fraction().default(0.9),
  beta2: fraction().default(0.999),
}

/**
 * RMSProp: u = lr·g/√(v + eps); p ← p − u. With `momentum`: τ ← momentum·τ − u; p ← p + τ (with `nesterov`:
 * p ← p + momentum·τ − u).
 */
export const rmspropSchema = z.strictObject({
  name: z.literal('rmsprop'),
  lr: positive(),
  decay: fraction().default(0.9),
  eps: nonNegative().default(1e-8),
  momentum: fraction().default(0),
  nesterov: z.boolean().default(false),
})

/** AdamW (Loshchilov, Hutter 2017, arXiv:1711.05101): p ← p − lr·(m̂/(√(v̂ + epsRoot) + eps) + weightDecay·p). */
export const adamwSchema = z.strictObject({
  name: z.literal('adamw'),
  ...moments,
  eps: nonNegative().default(1e-8),
  epsRoot: nonNegative().default(0),
  weightDecay: nonNegative().default(1e-4),
})

/**
 * NAdamW with a cosine schedule, as google/learned_optimization has it (Metz et al. 2020, arXiv:2002.11887).
 * `optList` gives the 1,000 settings that were searched for it.
 */
export const nadamwSchema = z.strictObject({
  name: z.literal('nadamw'),
  ...moments,
  /** Added to √v before bias correction. */
  eps: nonNegative().default(1e-8),
  /** Share of the bias-corrected rate by which weights shrink. */
  weightDecay: nonNegative().default(0),
  /** Factor of the weights that the gradient loses: as published, it pushes them away from 0; see `l2Fixed`. */
  l2: nonNegative().default(0),
  nesterov: z.boolean().default(true),
  /** The last rate in units of `lr`, reached by half a cosine; at 1 there is no cosine. */
  minLrMult: nonNegative().default(1),
  /** Share of the run after which the rate begins to fall. */
  constantFraction: fraction().default(0),
  /** Share of the run during which the rate rises from 0, if it is more than `constantFraction`; 0: it does not rise. */
  warmupFraction: probability().default(0),
  /** Whether `l2` pulls weights to 0. */
  l2Fixed: z.boolean().default(false),
  /** Whether a warm-up lasts for the smaller of both fractions instead of the larger. */
  warmupMin: z.boolean().default(false),
  /** Whether 1 − β is taken in single precision, as in runs of opt_list. */
  arrayBetas: z.boolean().default(false),
})

/**
 * TaskSet's Adam of eight hyperparameters (Metz et al. 2020, arXiv:2002.11887): Adam on the loss + l2·Σp² + l1·Σ|p|, whose
 * rate after s updates is lr·max(1 − linearDecay·s, 0)·exp(−exponentialDecay·s).
 */
export const adam8pSchema = z.strictObject({
  name: z.literal('adam8p'),
  ...moments,
  eps: nonNegative().default(1e-8),
  l1: nonNegative().default(0),
  l2: nonNegative().default(0),
  linearDecay: nonNegative().default(0),
  exponentialDecay: nonNegative().default(0),
  /** Whether s counts ten-thousandths of the run instead of updates, as in TaskSet's family of six hyperparameters. */
  rescaleTime: z.boolean().default(false),
})

/** AdaGrad (Duchi et al. 2011): a ← a + g²; p ← p − lr·g/√(a + eps). */
export const adagradSchema = z.strictObject({
  name: z.literal('adagrad'),
  lr: positive(),
  /** a at first. */
  initialAccumulator: nonNegative().default(0.1),
  eps: nonNegative().default(1e-7),
})

/** Lion (Chen et al. 2023, arXiv:2302.06675): p ← p − lr·(sign(β₁m + (1−β₁)g) + weightDecay·p); m decays by `beta2`. */
export const lionSchema = z.strictObject({
  name: z.literal('lion'),
  ...moments,
  beta2: fraction().default(0.99),
  weightDecay: nonNegative().default(1e-3),
})

/** Yogi (Zaheer et al. 2018): Adam with v ← v − (1−β₂)·sign(v − g²)·g². */
export const yogiSchema = z.strictObject({
  name: z.literal('yogi'),
  ...moments,
  eps: nonNegative().default(1e-3),
  /** m and v at first. */
  initialAccumulator: nonNegative().default(1e-6),
})

/** RAdam (Liu et al. 2019, arXiv:1908.03265): momentum at first, then Adam with a rectified rate. */
export const radamSchema = z.strictObject({
  name: z.literal('radam'),
  ...moments,
  eps: nonNegative().default(1e-8),
  /** Length of v's memory from which v is used. */
  threshold: finite().gte(4, { error: 'a finite number >= 4' }).default(5),
})

/** AdaBelief (Zhuang et al. 2020, arXiv:2010.07468): Adam whose v is the decaying mean of (g − m)², plus `epsRoot` a step. */
export const adabeliefSchema = z.strictObject({
  name: z.literal('adabelief'),
  ...moments,
  eps: nonNegative().default(1e-16),
  epsRoot: nonNegative().default(1e-16),
})

/** All of them. */
export const adaptiveSchemas = [
  rmspropSchema,
  adamwSchema,
  nadamwSchema,
  adam8pSchema,
  adagradSchema,
  lionSchema,
  yogiSchema,
  radamSchema,
  adabeliefSchema,
] as const
