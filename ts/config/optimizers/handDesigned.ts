/** Configs of hand-designed optimizers. Formulas: p are the parameters, g their gradients. */
import { z } from 'zod'
import { fraction, nonNegative, positive } from '../fields.js'

/** p ← p − lr·g. */
export const sgdSchema = z.strictObject({ name: z.literal('sgd'), lr: positive() })

/** τ ← g + momentum·τ; p ← p − lr·τ (with `nesterov`: p ← p − lr·(g + momentum·τ)). */
export const momentumSchema = z.strictObject({
  name: z.literal('momentum'),
  lr: positive(),
  momentum: fraction().default(0.9),
  nesterov: z.boolean().default(false),
})

/** Adam with bias correction; the step is lr·m̂ / (√(v̂ + epsRoot) + eps). */
export const adamSchema = z.strictObject({
  name: z.literal('adam'),
  lr: positive(),
  beta1: fraction().default(0.9),
  beta2: fraction().default(0.999),
  eps: nonNegative().default(1e-8),
  epsRoot: nonNegative().default(0),
})

/** All of them. */
export const handDesignedSchemas = [sgdSchema, momentumSchema, adamSchema] as const
