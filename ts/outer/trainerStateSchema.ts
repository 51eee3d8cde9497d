/** What a {@link TrainerState} must be: it may come from a caller. */
import { z } from 'zod'
import { float32Array, integer, nonNegative } from '../config/fields.js'
import { parseWith } from '../config/parse.js'
import type { TrainConfig } from '../config/trainConfig.js'
import { OuterloopError } from '../errors.js'
import { createEstimator } from '../es/registry.js'
import type { TrainerState } from './trainerState.js'

/** A loss may be any number. JSON has null for those that are not finite. */
function loss() {
  return z.custom<number>((value) => typeof value === 'number' || value === null, { error: 'a number' })
}

const particleSchema = z.strictObject({
  episode: integer(-1),
  isStarted: z.boolean(),
  innerStep: integer(0),
  unrollLength: integer(0),
  perturbation: integer(-1),
  firstPerturbation: integer(-1),
})

function estimatorSchema(numPairs: number) {
  return z.strictObject({
    truncation: integer(0),
    firstParticle: integer(0),
    particles: z.array(particleSchema).length(numPairs, { error: `an array of ${numPairs} pairs` }),
  })
}

function asynchronousSchema(numPairs: number, workers: number) {
  const losses = z.array(z.number().nullable())
  const estimator = estimatorSchema(numPairs)
  const flight = z.strictObject({
    before: estimator,
    thetaVersion: integer(0),
    endsAt: nonNegative(),
    pos: losses,
    neg: losses,
    diverged: z.array(integer(0, 3)),
  })
  return z.strictObject({
    clock: nonNegative(),
    workers: z
      .array(z.strictObject({ estimator, flight: flight.nullable() }))
      .length(workers, { error: `an array of ${workers} workers` }),
    arrived: z.array(flight),
    innerSteps: integer(0),
    numStale: integer(0),
  })
}

function stateSchema(config: TrainConfig) {
  const { numPairs } = createEstimator(config)
  const { asynchronous } = config
  return z.strictObject({
    facts: z.strictObject({
      outerStep: integer(0),
      innerSteps: integer(0),
      startLoss: loss(),
      bestLoss: loss(),
      bestOuterStep: integer(0),
      source: asynchronous ? asynchronousSchema(numPairs, asynchronous.workers) : estimatorSchema(numPairs),
      outerOptimizer: z.record(z.string(), loss()),
      accumulated: integer(0, Math.max(0, config.accumulate - 1)),
      unroller: z.string(),
    }),
    arrays: z.record(z.string(), float32Array()),
  })
}

/** Arrays with a number for every weight. */
const perWeight = [
  'theta',
  'average',
  'lastGrad',
  'best',
  'outerOptimizer/m',
  'outerOptimizer/v',
  'accumulator/sum',
]

/**
 * A checked copy of a state that a caller gives.
 *
 * @param thetaLength - Weights of the config's optimizer.
 * @throws {OuterloopError} `CHECKPOINT_INVALID` naming what is not as a run of this config has it.
 */
export function parseTrainerState(config: TrainConfig, state: unknown, thetaLength: number): TrainerState {
  const { facts, arrays } = checked(config, state)
  const needed = [
    'theta',
    'average',
    'lastGrad',
    'best',
    ...(facts.accumulated > 0 ? ['accumulator/sum'] : []),
  ]
  for (const name of [...needed, 'unroller']) {
    if (arrays[name] === undefined) throw invalid(`expected \`arrays.${name}\` to be there, got nothing`)
  }
  for (const name of perWeight) {
    const length = arrays[name]?.length
    if (length === undefined || length === thetaLength) continue
    throw invalid(`expected \`arrays.${name}\` to have ${thetaLength} numbers, got ${length}`)
  }
  const copies = Object.entries(arrays).map(([name, array]) => [name, array.slice()] as const)
  return { facts, arrays: Object.fromEntries(copies) }
}

function checked(config: TrainConfig, state: unknown): TrainerState {
  try {
    return parseWith(stateSchema(config), state, 'state', { maxValues: 100_000_000 })
  } catch (cause) {
    if (cause instanceof OuterloopError) throw invalid(cause.message, cause)
    throw cause
  }
}

function invalid(what: string, cause?: unknown): OuterloopError {
  return new OuterloopError('CHECKPOINT_INVALID', `state of a run: ${what}`, { cause })
}
