/** Configs of learned optimizers that an LSTM schedules, which must know the number of inner steps: VeLO, Celo, Celo-Adam. */
import { z } from 'zod'
import { integer, nonNegative, positive } from '../fields.js'

/**
 * VeLO (Metz et al. 2022, arXiv:2211.09760): an LSTM over the tensors mixes the weights of a tiny per-parameter MLP from
 * a bank. Sizes are those of the released weights.
 */
export const veloSchema = z.strictObject({
  name: z.literal('velo'),
  /** State size of the LSTM. */
  lstmHidden: integer(1, 4096).default(512),
  /** Networks in the bank. */
  paramInits: integer(1, 4096).default(256),
  /** Factor of every step. */
  stepMult: positive().default(0.001),
  /** Factor inside the exponential that sets a step's magnitude; 0 switches that output off. */
  expMult: nonNegative().default(0.001),
  /** Factor of the mixed weights: 100 in Google's weights, 1 in those that Celo was compared with. */
  ffMult: positive().default(100),
  /** Whether the loss is averaged over ten steps ten times instead of over ten horizons: weights depend on it. */
  buggedLossFeatures: z.boolean(),
  /** Whether the LSTM starts every step from its first state: weights depend on it. */
  buggedNextLstmState: z.boolean(),
})

/** Celo (Moudgil et al. 2025, arXiv:2501.12670): VeLO's MLP with one set of weights, and a learned schedule. */
export const celoSchema = z.strictObject({
  name: z.literal('celo'),
  /** 1: the MLP alone, as it is trained first; 2: with the schedule. */
  phase: integer(1, 2),
  /** State size of the LSTM. */
  lstmHidden: integer(1, 4096).default(64),
  /** Networks in the bank; with more than one, the LSTM mixes them. */
  paramInits: integer(1, 4096).default(1),
  /** Factor of every step. */
  stepMult: positive().default(0.001),
  /** Factor inside the exponential that sets a step's magnitude; 0 switches that output off. */
  expMult: nonNegative().default(0.001),
})

/** Celo-Adam: Adam whose learning rate Celo's LSTM schedules. */
export const celoAdamSchema = z.strictObject({
  name: z.literal('celo_adam'),
  /** State size of the LSTM. */
  lstmHidden: integer(1, 4096).default(64),
  /** Factor of every step. */
  stepMult: positive().default(0.001),
})

/** All of them. */
export const scheduledSchemas = [veloSchema, celoSchema, celoAdamSchema] as const
