/** Lengths of truncations and of whole inner problems, as outer steps go by. */
import type { TruncationScheduleConfig, UnrollLengthConfig } from '../config/scheduleConfig.js'
import type { Key } from '../tasks/key.js'

type Schedule = UnrollLengthConfig | TruncationScheduleConfig

/** Inner steps between two outer updates at `outerStep`; `constant` without a schedule. */
export function truncationLengthAt(
  schedule: TruncationScheduleConfig | undefined,
  constant: number,
  outerStep: number,
  key: Key,
): number {
  return schedule === undefined ? constant : lengthAt(schedule, outerStep, key)
}

/** Inner steps that `schedule` gives at `outerStep`; `key` names the draw, where there is one. */
export function lengthAt(schedule: Schedule, outerStep: number, key: Key): number {
  switch (schedule.kind) {
    case 'constant':
      return schedule.innerSteps
    case 'logUniform':
      return key.logUniformInteger(schedule.min, schedule.max)
    case 'uniform':
      return key.integerBetween(schedule.min, schedule.max)
    case 'linear': {
      const { from, to, overOuterSteps } = schedule
      return Math.round(from + (to - from) * Math.min(1, outerStep / overOuterSteps))
    }
    case 'piecewise': {
      const { knots, std, min } = schedule
      const mean = onKnots(knots, outerStep)
      return std === 0 ? Math.round(mean) : Math.max(min, Math.trunc(key.normal(mean, std)))
    }
  }
}

function onKnots(knots: readonly { outerStep: number; innerSteps: number }[], at: number): number {
  const next = knots.findIndex((knot) => knot.outerStep > at)
  if (next === 0) return knots[0]!.innerSteps
  if (next < 0) return knots.at(-1)!.innerSteps
  const [a, b] = [knots[next - 1]!, knots[next]!]
  return a.innerSteps + ((b.innerSteps - a.innerSteps) * (at - a.outerStep)) / (b.outerStep - a.outerStep)
}
