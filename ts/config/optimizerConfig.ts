/**
 * Configs of inner optimizers, learned and hand-designed.
 * The core has a serde twin of these schemas; both are tested on test/fixtures/optimizer-configs.
 */
import { z } from 'zod'
import { adaptiveSchemas } from './optimizers/adaptive.js'
import { handDesignedSchemas } from './optimizers/handDesigned.js'
import { learnedSchemas } from './optimizers/learned.js'
import { learnedRivalSchemas } from './optimizers/learnedRivals.js'
import { tensorwiseSchemas } from './optimizers/tensorwise.js'
import { wrapperSchemas } from './optimizers/wrappers.js'

/** Optimizers that have a theta. */
export const learnedOptimizerSchema = z.discriminatedUnion('name', [
  ...learnedSchemas,
  ...learnedRivalSchemas,
])

/** Optimizers that contain no other. */
const plainSchema = z.discriminatedUnion('name', [
  ...handDesignedSchemas,
  ...adaptiveSchemas,
  ...tensorwiseSchemas,
  ...learnedSchemas,
  ...learnedRivalSchemas,
])

/** Of an optimizer inside another: any. */
const inner: z.ZodType<OptimizerConfig, OptimizerConfigInput> = z.lazy(() => optimizerConfigSchema)

/** Any inner optimizer. */
export const optimizerConfigSchema = z.discriminatedUnion('name', [
  ...plainSchema.options,
  ...wrapperSchemas(inner),
])

/** Wrappers around nothing in particular: their types are written by their schemas, but for what is inside. */
type WrapperSchema = ReturnType<typeof wrapperSchemas<z.ZodUnknown>>[number]
/** The types of what is inside; an interface, so that the types may contain themselves. */
interface Inside {
  complete: OptimizerConfig
  input: OptimizerConfigInput
}
/** The members of a union, with optimizers where nothing in particular was. */
type Around<Wrapper, Side extends keyof Inside> = Wrapper extends unknown
  ? { [Key in keyof Wrapper]: unknown extends Wrapper[Key] ? Inside[Side] : Wrapper[Key] }
  : never

/** A complete inner optimizer, every default filled in. */
export type OptimizerConfig = z.infer<typeof plainSchema> | Around<z.infer<WrapperSchema>, 'complete'>
/** What a user may write for an {@link OptimizerConfig}: fields with defaults may be left out. */
export type OptimizerConfigInput = z.input<typeof plainSchema> | Around<z.input<WrapperSchema>, 'input'>
/** A complete learned optimizer: one that has a theta. */
export type LearnedOptimizerConfig = z.infer<typeof learnedOptimizerSchema>

/** Whether an optimizer has a theta: it is a learned one, or one is inside. */
export function isLearned(optimizer: OptimizerConfig): boolean {
  return learnedOptimizerSchema.safeParse(optimizer).success || inside(optimizer).some(isLearned)
}

function inside(optimizer: OptimizerConfig): OptimizerConfig[] {
  if ('inner' in optimizer) return [optimizer.inner]
  if ('first' in optimizer) return [optimizer.first, optimizer.second]
  return 'magnitude' in optimizer ? [optimizer.magnitude, optimizer.direction] : []
}
