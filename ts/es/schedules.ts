/** Lengths of truncations and of whole inner problems, as outer steps go by. */
import type { TrainConfig } from '../config/trainConfig.js'
import type { Key } from '../tasks/key.js'

/** Inner steps between two outer updates at `outerStep`. */
export function truncationLengthAt(
  schedule: TrainConfig['truncationSchedule'],
  constant: number,
  outerStep: number,
  key: Key,
): number {
  switch (schedule?.kind) {
    case undefined:
      return constant
    case 'linear':
      return linear(schedule, outerStep)
    case 'uniform':
      return key.integerBetween(schedule.min, schedule.max)
  }
}

/** Inner steps of a problem that starts at `outerStep`, before rounding up to whole truncations. */
export function unrollLengthAt(schedule: TrainConfig['unrollLength'], outerStep: number, key: Key): number {
  switch (schedule.kind) {
    case 'constant':
      return schedule.innerSteps
    case 'logUniform':
      return key.logUniformInteger(schedule.min, schedule.max)
    case 'linear':
      return linear(schedule, outerStep)
  }
}

function linear(
  { from, to, overOuterSteps }: { from: number; to: number; overOuterSteps: number },
  at: number,
) {
  return Math.round(from + (to - from) * Math.min(1, at / overOuterSteps))
}
