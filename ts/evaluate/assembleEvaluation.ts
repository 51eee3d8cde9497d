/** From runs to the result: everything of an evaluation that needs no engine. */
import type { Evaluation } from './evaluation.js'
import { scoreHorizon } from './horizonScores.js'
import { type SettingRuns, scoreSettings } from './settingScores.js'
import { type RandomInteger, resamplePlan } from './statistics.js'
import { taskDetails } from './taskDetails.js'

/** What an evaluation was asked for. */
export type EvaluationHeader = Pick<Evaluation, 'optimizer' | 'tasks' | 'settings'>

/**
 * Scores all runs at every horizon.
 *
 * @param header - Tasks and settings of the runs; horizons ascending.
 * @param pool - Runs of the baseline pool, to the longest horizon.
 * @param learned - Runs of the evaluated optimizer, one entry for each step multiplier.
 * @param random - Source of the bootstrap's draws. All rows and horizons share the draws.
 */
export function assembleEvaluation(
  { optimizer, tasks, settings }: EvaluationHeader,
  pool: readonly SettingRuns[],
  learned: readonly SettingRuns[],
  random: RandomInteger,
): Evaluation {
  const plan = resamplePlan(tasks.length, settings.seeds, random)
  const scored = settings.innerSteps.map((innerSteps) => scoreSettings(pool, learned, innerSteps))
  return {
    format: 'outerloop-evaluation-1',
    optimizer,
    tasks,
    settings,
    horizons: scored.map((scores, i) => scoreHorizon(scores, settings.innerSteps[i]!, plan)),
    details: taskDetails(
      scored.at(-1)!,
      tasks.map((task) => task.name),
    ),
  }
}
