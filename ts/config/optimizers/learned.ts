/** Configs of learned optimizers: those that have a theta. */
import { z } from 'zod'
import { fraction, integer, nonNegative, pattern, positive } from '../fields.js'
import { scheduledSchemas } from './scheduled.js'

/** Scales of a network's outputs, direction and magnitude. */
export const outputScales = {
  /** Factor of every step. Too large diverges at the start of meta-training, too small never moves. */
  stepMult: positive().default(0.001),
  /** Factor inside the exponential that sets a step's magnitude; 0 switches that output off. */
  expMult: nonNegative().default(0.001),
}

/** Per-parameter MLP over six momenta (Metz et al. 2019, arXiv:1810.10180). */
export const mlpLoptSchema = z.strictObject({
  name: z.literal('mlp_lopt'),
  /** Width of both hidden layers. */
  hidden: integer(1, 1024).default(32),
  ...outputScales,
})

/**
 * Celo2 (Moudgil et al. 2026, arXiv:2602.19142): a tiny per-parameter MLP with normalised directions. Celo2-base is
 * `orthogonalize: false` with `adamPattern: null`.
 */
export const celo2Schema = z.strictObject({
  name: z.literal('celo2'),
  /** Width of both hidden layers. Published weights have 8, which is the fastest. */
  hidden: integer(1, 1024).default(8),
  /** Learning rate: the root mean square of a learned step. */
  stepMult: positive().default(0.001),
  /** Factor of the second output inside the exponential; at 0 that output has no effect. */
  expMult: nonNegative().default(0),
  /** Decay of all parameters, in units of their learning rate. */
  weightDecay: nonNegative().default(0),
  /** Whether directions of tensors of rank 2 and more are orthogonalised (Newton–Schulz). */
  orthogonalize: z.boolean().default(true),
  /** Tensors whose name this regular expression finds take Adam instead of the learned rule; null: none. */
  adamPattern: pattern().nullable().default('(^|/)b$|bias|embed'),
  /** Adam's learning rate in units of `stepMult`. */
  adamMult: positive().default(20),
  adamBeta1: fraction().default(0.9),
  adamBeta2: fraction().default(0.95),
  /** Whether Adam's moments are divided by 1 − βᵗ. */
  adamBiasCorrection: z.boolean().default(false),
})

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

/** All of them. */
export const learnedSchemas = [
  mlpLoptSchema,
  adafacMlpSchema,
  celo2Schema,
  hierarchicalSchema,
  ...scheduledSchemas,
] as const
