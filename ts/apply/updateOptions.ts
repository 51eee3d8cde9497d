/** What an update is told besides the gradients. */
import { z } from 'zod'
import { parseWith } from '../config/parse.js'

/** Losses at the parameters before an update. */
export interface UpdateLosses {
  /** Loss of the minibatch that the gradients belong to. Required by optimizers with `needs.loss`. */
  loss?: number | undefined
  /** Loss of a validation minibatch. Optimizers with `needs.validEvery` use one at every so many updates. */
  validLoss?: number | undefined
}

/** Options of {@link OptimizerState.flush}. */
export interface FlushOptions {
  /**
   * Factor of the step, finite and at least 0. Default 1. It multiplies all that an update adds to the parameters, weight
   * decay of the rule and of wrappers included, and changes nothing else: moments and counters go on as without it. With
   * `accumulate` the factor of the call that completes a window counts; with `graft` it multiplies the joined step.
   */
  scale?: number | undefined
}

/** Options of {@link OptimizerState.update}. */
export interface UpdateOptions extends UpdateLosses, FlushOptions {}

// Whether losses must be finite is for `nonFinite` to say.
const loss = () => z.custom<number>((x) => typeof x === 'number', { error: 'a number' }).optional()
const scale = z
  .custom<number>((x) => typeof x === 'number' && x >= 0 && Number.isFinite(Math.fround(x)), {
    error: 'a number >= 0 that fits 32-bit floats',
  })
  .optional()
const flushSchema = z.strictObject({ scale })
const updateSchema = z.strictObject({ loss: loss(), validLoss: loss(), scale })

const none: UpdateOptions = Object.freeze({})

/** @throws {OuterloopError} `INVALID_OPTION` naming what is wrong. */
export function parseUpdateOptions(options: UpdateOptions | undefined): UpdateOptions {
  return options === undefined ? none : parseWith(updateSchema, options)
}

/** @throws {OuterloopError} `INVALID_OPTION` naming what is wrong. */
export function parseFlushOptions(options: FlushOptions | undefined): FlushOptions {
  return options === undefined ? none : parseWith(flushSchema, options)
}
