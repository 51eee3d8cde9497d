/**
 * Configs of inner optimizers, learned and hand-designed.
 * The core has a serde twin of these schemas; both are tested on test/fixtures/optimizer-configs.
 */
import { z } from 'zod'
import { handDesignedSchemas } from './optimizers/handDesigned.js'
import { learnedSchemas } from './optimizers/learned.js'
import { tensorwiseSchemas } from './optimizers/tensorwise.js'

/** Optimizers that have a theta. */
export const learnedOptimizerSchema = z.discriminatedUnion('name', learnedSchemas)

/** Any inner optimizer. */
export const optimizerConfigSchema = z.discriminatedUnion('name', [
  ...handDesignedSchemas,
  ...tensorwiseSchemas,
  ...learnedSchemas,
])

/** A complete inner optimizer, every default filled in. */
export type OptimizerConfig = z.infer<typeof optimizerConfigSchema>
/** What a user may write for an {@link OptimizerConfig}: fields with defaults may be left out. */
export type OptimizerConfigInput = z.input<typeof optimizerConfigSchema>
/** A complete learned optimizer: one that has a theta. */
export type LearnedOptimizerConfig = z.infer<typeof learnedOptimizerSchema>
