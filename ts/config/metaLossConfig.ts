/** What the outer loop minimises. */
import { z } from 'zod'
import { integer } from './fields.js'

/** How the measurements of a truncation become one number. */
const reduce = z.enum(['mean', 'min', 'last']).default('mean')
/** Inner steps from one measurement to the next, or `end`: one, at the end of every truncation. */
const every = z.union([integer(1, 1_000_000), z.literal('end')], {
  error: '"end" or an integer from 1 to 1000000',
})
/** `loss`: the loss through the task's normaliser. `errorRate`: the share of wrong answers, of classifications. */
const target = z.enum(['loss', 'errorRate']).default('loss')

/** Losses of minibatches other than the one just trained on, after an update; each costs a forward pass. */
const split = <Source extends string>(source: Source) =>
  z.strictObject({ source: z.literal(source), every, batches: integer(1, 1_000_000), target, reduce })

/** What is measured along a truncation. */
export const metaLossSchema = z.discriminatedUnion('source', [
  /** The minibatch loss before each update: costs nothing extra. */
  z.strictObject({ source: z.literal('train'), reduce }),
  /** The same minibatch after the update: a forward pass each. */
  z.strictObject({ source: z.literal('sameData'), every: every.default(1), target, reduce }),
  /** Further minibatches of the train split. */
  split('freshTrain'),
  split('innerValid'),
  /** The paper's choice. Cost: `batches` forward passes every `every` inner steps, of each lane. */
  split('outerValid'),
  split('test'),
])

/** What is measured along a truncation. */
export type MetaLossConfig = z.infer<typeof metaLossSchema>
