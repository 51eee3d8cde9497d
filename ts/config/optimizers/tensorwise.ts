/** Configs of hand-designed optimizers that look at whole tensors. Formulas: p are the parameters, g their gradients. */
import { z } from 'zod'
import { fraction, integer, nonNegative, pattern, positive } from '../fields.js'

/**
 * LAMB (You et al. 2019, arXiv:1904.00962): r = Adam's direction + weightDecay·p; p ← p − lr·(‖p‖/‖r‖)·r for every
 * tensor.
 */
export const lambSchema = z.strictObject({
  name: z.literal('lamb'),
  /** Length of a step relative to that of the parameters. */
  lr: positive(),
  beta1: fraction().default(0.9),
  beta2: fraction().default(0.999),
  eps: nonNegative().default(1e-6),
  epsRoot: nonNegative().default(0),
  weightDecay: nonNegative().default(0),
})

/**
 * LARS (You et al. 2017, arXiv:1708.03888): u = g + weightDecay·p; τ ← momentum·τ − lr·trustCoefficient·‖p‖/(‖u‖ + eps)·u
 * for every tensor; p ← p + τ. A tensor whose parameters or gradients are all 0 steps by lr·u.
 */
export const larsSchema = z.strictObject({
  name: z.literal('lars'),
  lr: positive(),
  momentum: fraction().default(0.9),
  weightDecay: nonNegative().default(0),
  trustCoefficient: positive().default(0.001),
  eps: nonNegative().default(0),
})

/**
 * Fromage (Bernstein et al. 2020, arXiv:2002.03432): p ← (p − lr·(‖p‖/‖g‖)·g)/√(1 + lr²) for every tensor, norms being at
 * least minNorm.
 */
export const fromageSchema = z.strictObject({
  name: z.literal('fromage'),
  /** Length of a step relative to that of the parameters. */
  lr: positive(),
  minNorm: nonNegative().default(1e-6),
})

/**
 * Adafactor (Shazeer, Stern 2018, arXiv:1804.04235): steps along g/√v, where v is a running mean of g² with decay
 * 1 − t^(−decayRate), kept of large matrices as means over rows and columns.
 */
export const adafactorSchema = z.strictObject({
  name: z.literal('adafactor'),
  /** Root mean square of a step, relative to the parameters' with `multiplyByParameterScale`. */
  lr: positive(),
  /** Tensors whose second largest axis is at least this are factored. */
  minDimSizeToFactor: integer(1, 2 ** 30).default(128),
  decayRate: positive().default(0.8),
  /** Largest root mean square of a direction; null: any. */
  clippingThreshold: positive().nullable().default(1),
  /** Whether steps are relative to the root mean square of their parameters, taken as at least 1e-3. */
  multiplyByParameterScale: z.boolean().default(true),
  /** Decay of the mean of steps; null: no such mean. */
  momentum: fraction().nullable().default(null),
  /** Decay of the parameters a step, not multiplied by lr. */
  weightDecay: nonNegative().default(0),
  /** Added to g². */
  eps: z
    .number({ error: 'a finite number >= 1e-30' })
    .gte(1e-30, { error: 'a finite number >= 1e-30' })
    .default(1e-30),
})

/**
 * SM3 (Anil et al. 2019, arXiv:1901.11150): second moments bounded by a vector for every axis; steps along the mean over
 * time of g/√bound.
 */
export const sm3Schema = z.strictObject({
  name: z.literal('sm3'),
  lr: positive(),
  /** Decay of the mean of directions. */
  momentum: fraction().default(0.9),
})

/**
 * Muon (Jordan et al. 2024): m ← beta·m + (1 − beta)·g; p ← p − lr·(√max(1, cols/rows)·NewtonSchulz(m̂) + weightDecay·p) for
 * matrices, with bias-corrected m̂. Tensors of rank below 2 take Adam.
 */
export const muonSchema = z.strictObject({
  name: z.literal('muon'),
  /**
   * `celo2`: without Nesterov, and tensors of rank above 2 matrix by matrix over their last two axes. `optax`: with
   * Nesterov, and tensors of rank above 2 under Adam.
   */
  dialect: z.enum(['celo2', 'optax']),
  lr: positive(),
  beta: fraction().default(0.95),
  /** In units of lr. */
  weightDecay: nonNegative().default(0),
  /** Matrices whose name this regular expression finds take Adam too; null: none. */
  adamPattern: pattern().nullable().default('embed'),
  /** null: lr. */
  adamLr: positive().nullable().default(null),
  adamBeta1: fraction().default(0.9),
  adamBeta2: fraction().default(0.999),
  adamEps: nonNegative().default(1e-8),
  /** In units of Adam's learning rate. */
  adamWeightDecay: nonNegative().default(0),
})

/**
 * Shampoo (Gupta et al. 2018, arXiv:1802.09568): u = (L + εI)^(−1/4)·G·(R + εI)^(−1/4), as long as the gradient G, with
 * running means L of GGᵀ and R of GᵀG; m ← momentum·m + u; p ← p − lr·(u + momentum·m). Roots of an axis of n take about
 * 70·n³ operations.
 */
export const shampooSchema = z.strictObject({
  name: z.literal('shampoo'),
  lr: positive(),
  momentum: fraction().default(0.9),
  /** Decay of L and R. */
  beta2: fraction().default(0.999),
  /** ε, in units of the largest eigenvalue. */
  matrixEps: positive().default(1e-6),
  /** The first update that is preconditioned, counted from 1; before it u is G. */
  start: integer(1, 2 ** 30).default(5),
  /** Updates from one computation of roots to the next. */
  every: integer(1, 2 ** 30).default(1),
  /** Longest axis with a whole matrix; longer ones have its diagonal. */
  maxDim: integer(1, 1024).default(128),
})

/** All of them. */
export const tensorwiseSchemas = [
  lambSchema,
  larsSchema,
  fromageSchema,
  adafactorSchema,
  sm3Schema,
  muonSchema,
  shampooSchema,
] as const
