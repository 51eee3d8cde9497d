/**
 * Configs of inner optimizers, learned and hand-designed. Their types and schemas are generated from the tables of options in
 * crates/outerloop-optim, which the core checks too; both sides are tested on test/fixtures/optimizer-configs.
 */
import { z } from 'zod'
import { handDesignedSchemas } from './optimizers/handDesigned.js'
import { type LearnedConfig, type LearnedConfigInput, learnedSchemas } from './optimizers/learned.js'
import { type OptimizerConfig, type OptimizerConfigInput, wrapperSchemas } from './optimizers/wrappers.js'

export type { OptimizerConfig, OptimizerConfigInput }

/** A complete learned optimizer: one that has a theta. */
export type LearnedOptimizerConfig = LearnedConfig

/** Optimizers that have a theta. */
export const learnedOptimizerSchema: z.ZodType<LearnedConfig, LearnedConfigInput> = z.discriminatedUnion(
  'name',
  learnedSchemas,
)

/** Any inner optimizer. */
export const optimizerConfigSchema: z.ZodType<OptimizerConfig, OptimizerConfigInput> = z.discriminatedUnion(
  'name',
  [
    ...handDesignedSchemas,
    ...learnedSchemas,
    // A wrapper may contain a wrapper: what is inside is looked up when a config is read.
    ...wrapperSchemas(z.lazy(() => optimizerConfigSchema)),
  ],
)

/** Whether an optimizer has a theta: it is a learned one, or one is inside. */
export function isLearned(optimizer: OptimizerConfig): boolean {
  return learnedOptimizerSchema.safeParse(optimizer).success || inside(optimizer).some(isLearned)
}

function inside(optimizer: OptimizerConfig): OptimizerConfig[] {
  if ('inner' in optimizer) return [optimizer.inner]
  if ('first' in optimizer) return [optimizer.first, optimizer.second]
  return 'magnitude' in optimizer ? [optimizer.magnitude, optimizer.direction] : []
}
