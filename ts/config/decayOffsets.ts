/** What PyLO's `adafac_mlp` lacks in its files. */
import { z } from 'zod'
import { finite } from './fields.js'

const triple = z.tuple([finite(), finite(), finite()])

/**
 * Offsets of the decays for a PyLO directory of `adafac_mlp`: `zero` for weights of ELO, `mulo` for the defaults of PyLO's
 * `AdafacLO_naive`, or the numbers that its constructor is given.
 */
export const decayOffsetsSchema = z.union([
  z.enum(['zero', 'mulo']),
  z.strictObject({ momentum: triple, rms: z.tuple([finite()]), adafactor: triple }),
])

/** Offsets by name or as numbers. */
export type DecayOffsetsInput = z.infer<typeof decayOffsetsSchema>
