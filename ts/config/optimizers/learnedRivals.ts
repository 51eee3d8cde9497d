/** Configs of learned optimizers that the newer ones are compared with: learned constants, recurrent networks. */
import { z } from 'zod'
import { fraction, integer, nonNegative, positive, probability } from '../fields.js'
import { outputScales } from './learned.js'

/** A number from `low` to `high`, both included. */
function between(low: number, high: number) {
  const error = `a number from ${low} to ${high}`
  return z.number({ error }).gte(low, { error }).lte(high, { error })
}

/** `adafac_mlp` with a nominal step and a weight decay beside the learned step; by default they are off. */
export const adafacNominalSchema = z.strictObject({
  name: z.literal('adafac_nominal'),
  /** Width of both hidden layers. */
  hidden: integer(1, 1024).default(4),
  ...outputScales,
  /** Factor of the nominal step, the mean over three decays of m / √(v + 1e-6). */
  nominalLr: nonNegative().default(0),
  /** Share of a parameter that is lost in every step. */
  weightDecay: nonNegative().default(0),
  /** Whether the network's third output is the nominal step's magnitude. */
  nominalController: z.boolean().default(false),
  /** Whether the network's fourth output is the decay's magnitude. */
  decayController: z.boolean().default(false),
})

/** Gradient descent whose rate is theta. */
export const learnableSgdSchema = z.strictObject({ name: z.literal('learnable_sgd') })

/** Momentum whose rate and decay are theta. */
export const learnableSgdmSchema = z.strictObject({ name: z.literal('learnable_sgdm') })

/** Adam whose rate, decays and ε are theta. */
export const learnableAdamSchema = z.strictObject({ name: z.literal('learnable_adam') })

/** Adam whose rate, decays and ε a per-tensor LSTM steers (NN-Adam; Metz et al. 2020, arXiv:2009.11243). */
export const nnAdamSchema = z.strictObject({
  name: z.literal('nn_adam'),
  /** Factor of what the LSTM adds to the constants in a step. */
  outputScale: positive().default(0.01),
  /** Where the learned first rate starts. */
  initialLr: between(1e-8, 1e3).default(1e-4),
  /** Where the learned first decay of the mean starts. */
  beta1: fraction().default(0.9),
  /** Where the learned first decay of the mean square starts. */
  beta2: fraction().default(0.999),
  /** Where the learned first ε starts. */
  eps: positive().default(1e-8),
  /** Share of their way back to the first ones that the constants go in every step. */
  decayStrength: probability().default(0),
  /** State size of the per-tensor LSTM. */
  lstmHidden: integer(1, 4096).default(32),
})

/** Gradients from e^−logRange on are seen by their logarithms, smaller ones as they are. */
const logRange = between(0.1, 80).default(10)

const l2lShape = {
  /** Width of both layers. The state has two (GRU) or four (LSTM) floats a parameter for each. */
  hidden: integer(1, 256).default(20),
  /** Factor of every step. */
  stepMult: positive().default(0.01),
  logRange,
}

/** Two GRU layers for every parameter (Andrychowicz et al. 2016, arXiv:1606.04474, with other cells). */
export const l2lGruSchema = z.strictObject({ name: z.literal('l2l_gru'), ...l2lShape })

/** Two LSTM layers for every parameter (Andrychowicz et al. 2016, arXiv:1606.04474). */
export const l2lLstmSchema = z.strictObject({ name: z.literal('l2l_lstm'), ...l2lShape })

/** An LSTM for every parameter, with direction and magnitude ("LSTM" of Metz et al. 2020, figure 2a). */
export const paramLstmSchema = z.strictObject({
  name: z.literal('param_lstm'),
  /** Units of the LSTM; the state has two floats a parameter for each. */
  hidden: integer(1, 256).default(64),
  ...outputScales,
  logRange,
})

/** Per-parameter MLP on the hierarchical optimizer's features, without LSTMs ("FF" of Metz et al. 2020, figure 2a). */
export const rmsMlpSchema = z.strictObject({
  name: z.literal('rms_mlp'),
  /** Width of both hidden layers. */
  hidden: integer(1, 1024).default(32),
  ...outputScales,
})

/** All of them. */
export const learnedRivalSchemas = [
  adafacNominalSchema,
  learnableSgdSchema,
  learnableSgdmSchema,
  learnableAdamSchema,
  nnAdamSchema,
  l2lGruSchema,
  l2lLstmSchema,
  paramLstmSchema,
  rmsMlpSchema,
] as const
