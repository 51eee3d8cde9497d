/** What a report needs of the records of a run. */
import { z } from 'zod'

/** What the meta-training curve needs of an outer step's record. */
export interface MetaTrainingPoint {
  outerStep: number
  /** Inner steps of all lanes since the start. */
  innerSteps: number
  /** NaN, or null in JSON, if no pair was finite. */
  metaLoss: number
}

/** What the curve of held-out losses needs of an outer step's record. */
export interface HeldOutPoint {
  innerSteps: number
  /** Absent at steps where it was not measured. */
  heldOutLoss?: number
}

/** Not finite is null in JSON. */
const loss = () =>
  z.custom<number>((value) => typeof value === 'number' || value === null, { error: 'a number' })

/** Other fields of a record are left out. */
export const recordSchema = z.object({
  outerStep: z.number(),
  innerSteps: z.number(),
  metaLoss: loss(),
  heldOutLoss: loss().optional(),
})
