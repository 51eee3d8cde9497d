/**
 * Configs of inner optimizers, learned and hand-designed.
 * The core has a serde twin of this schema; both are tested on test/fixtures/optimizer-configs.json.
 */
import { z } from 'zod'
import { fraction, integer, nonNegative, positive } from './fields.js'

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

const outputScales = {
  /** Factor of every step. Too large diverges at the start of meta-training, too small never moves. */
  stepMult: positive().default(0.001),
  /** Factor inside the exponential that sets a step's magnitude; 0 switches that output off. */
  expMult: nonNegative().default(0.001),
}

/** Per-parameter MLP over momentum, second-moment and factored second-moment features. */
export const adafacMlpSchema = z.strictObject({
  name: z.literal('adafac_mlp'),
  /** Width of both hidden layers. */
  hidden: integer(1, 1024).default(4),
  ...outputScales,
})

const hierarchicalShape = {
  name: z.literal('hierarchical'),
  ...outputScales,
  /** Width of the per-parameter MLP. */
  hidden: integer(1, 1024).default(32),
  /** Values each tensor's LSTM gets from its per-parameter MLPs (mean over the tensor). */
  fromMlp: integer(1, 1024).default(16),
  /** Values each tensor's LSTM gets from all LSTMs (mean over the tensors). */
  fromLstm: integer(1, 1024).default(18),
  /** Values the per-parameter MLP gets from its tensor's LSTM. */
  lstmToFf: integer(1, 1024).default(17),
  /** State size of the per-tensor LSTM. */
  lstmHidden: integer(1, 4096).default(64),
}

/** Per-tensor LSTM over per-parameter MLPs (Metz et al. 2020, arXiv:2009.11243). */
export const hierarchicalSchema = z.discriminatedUnion('variant', [
  /** As in the library learned_optimization. */
  z.strictObject({ ...hierarchicalShape, variant: z.literal('library') }),
  /** As in the paper. */
  z.strictObject({
    ...hierarchicalShape,
    variant: z.literal('paper'),
    /** Which earlier parameters the features compare with: periodic snapshots, or the exact lagged values. */
    oldParams: z.enum(['snapshot', 'exact']).default('snapshot'),
    /** Features are clipped to ± this after normalisation. */
    featureClip: positive().default(5),
    /** Decay of the running training loss, per inner step. */
    trainLossDecay: fraction().default(0.9),
    /** Decay of the running validation loss, per validation batch. */
    validLossDecay: fraction().default(0.95),
  }),
])

/** Optimizers that have a theta. */
export const learnedOptimizerSchema = z.discriminatedUnion('name', [adafacMlpSchema, hierarchicalSchema])

/** Any inner optimizer. */
export const optimizerConfigSchema = z.discriminatedUnion('name', [
  sgdSchema,
  momentumSchema,
  adamSchema,
  adafacMlpSchema,
  hierarchicalSchema,
])

/** A complete inner optimizer, every default filled in. */
export type OptimizerConfig = z.infer<typeof optimizerConfigSchema>
/** What a user may write for an {@link OptimizerConfig}: fields with defaults may be left out. */
export type OptimizerConfigInput = z.input<typeof optimizerConfigSchema>
/** A complete learned optimizer: one that has a theta. */
export type LearnedOptimizerConfig = z.infer<typeof learnedOptimizerSchema>
