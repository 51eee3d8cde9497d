/** What an {@link Evaluation} must be for its tables and figures: it may come from a file. */
import { z } from 'zod'
import { integer, text } from '../config/fields.js'
import { optimizerConfigSchema } from '../config/optimizerConfig.js'
import { parseWith } from '../config/parse.js'
import { taskConfigSchema } from '../config/taskConfig.js'
import { type Evaluation, LEARNED } from './evaluation.js'

/** A number that need not be finite; JSON has null for those that are not. */
function score() {
  return z.custom<number>((value) => typeof value === 'number' || value === null, { error: 'a number' })
}

const estimate = z.object({ value: score(), low: score(), high: score() })
const summary = z.object({ mean: estimate, median: estimate, iqm: estimate })

function byMetric<Schema extends z.ZodType>(schema: Schema) {
  return z.object({ final: schema, curve: schema })
}

const rowSchema = z.object({
  id: text(),
  label: text(),
  trials: integer(0),
  lr: byMetric(z.number()).optional(),
  normalized: byMetric(summary),
  vsTunedAdam: byMetric(estimate),
  numLearnedBetter: byMetric(integer(0)),
  numDiverged: integer(0),
  perTask: byMetric(z.array(score())),
})

const horizonSchema = z.object({
  innerSteps: integer(1),
  rows: z.array(rowSchema).refine((rows) => rows.some(({ id }) => id === LEARNED), {
    error: `rows of which one has the id "${LEARNED}"`,
    when: ({ issues }) => issues.length === 0,
  }),
  learnedMinusAdamSingle: byMetric(estimate),
})

const losses = z.array(z.number().nullable())

const detailSchema = z
  .object({
    name: text(),
    initialLoss: score(),
    bestLoss: score(),
    steps: z.array(integer(0)),
    curves: z.array(
      z.object({
        id: text(),
        label: text(),
        lr: z.number().optional(),
        median: losses,
        low: losses,
        high: losses,
      }),
    ),
  })
  .refine(
    ({ steps, curves }) =>
      curves.every(({ median, low, high }) =>
        [median, low, high].every(({ length }) => length === steps.length),
      ),
    { path: ['curves'], error: 'curves with as many values as there are `steps`' },
  )

const evaluationSchema = z
  .object({
    format: z.literal('outerloop-evaluation-1'),
    optimizer: optimizerConfigSchema,
    tasks: z.array(z.object({ name: text(), config: taskConfigSchema })).min(1),
    settings: z.object({
      seed: integer(0),
      seeds: integer(1),
      innerSteps: z.array(integer(1)),
      evalEvery: integer(1),
      evalBatches: integer(1),
      stepMultipliers: z.array(z.number()),
      poolVersion: integer(0),
    }),
    horizons: z.array(horizonSchema).min(1),
    details: z.array(detailSchema),
  })
  .superRefine(({ tasks, horizons, details }, context) => {
    const refuse = (path: (string | number)[], input: unknown) =>
      context.addIssue({
        code: 'custom',
        path,
        message: `as many as there are \`tasks\` (${tasks.length})`,
        input,
      })
    if (details.length !== tasks.length) refuse(['details'], details)
    for (const [h, { rows }] of horizons.entries()) {
      for (const [r, { perTask }] of rows.entries()) {
        const isWhole = perTask.final.length === tasks.length && perTask.curve.length === tasks.length
        if (!isWhole) refuse(['horizons', h, 'rows', r, 'perTask'], perTask)
      }
    }
  })

/**
 * Checks an evaluation that a caller gives.
 *
 * @throws {OuterloopError} `INVALID_OPTION` naming what is wrong in it.
 */
export function parseEvaluation(input: unknown): Evaluation {
  return parseWith(evaluationSchema, input, 'evaluation', { maxValues: 10_000_000 }) as Evaluation
}
