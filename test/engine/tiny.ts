/** A run small enough for tests. */
import type { TrainConfigInput } from '../../ts/config/trainConfig.js'

export function tinyRun(over: Record<string, unknown> = {}): TrainConfigInput {
  return {
    preset: 'quick',
    seed: 11,
    threads: 2,
    outerSteps: 6,
    estimator: { numParticles: 4, truncationLength: 10 },
    unrollLength: { min: 15, max: 40 },
    start: { candidates: 2, innerSteps: 10 },
    checkpoint: { everyOuterSteps: 2, keep: 2 },
    ...over,
  } as TrainConfigInput
}

/** The smallest net there is on a bundled data set. */
export const tinyTask = { family: 'mlp', dataset: 'mnist8', hidden: [4], batchSize: 8 }

/** Milliseconds of measuring theta, at every second outer step. */
export const tinyEvaluation = { everyOuterSteps: 2, tasks: [tinyTask], innerSteps: 10 }
