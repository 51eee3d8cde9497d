import { z } from 'zod'
import { integer } from '../config/fields.js'

/** Options of `outerloop tasks sample`. */
export const sampleOptionsSchema = z.strictObject({
  family: z.enum(['mlp', 'quadratic']).default('mlp'),
  seed: integer(0).default(0),
  count: integer(1, 10_000).default(5),
  json: z.boolean().default(false),
})
