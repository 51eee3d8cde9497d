/** The learning curves that go into figures: a few rows, on every task, thinned. */
import { ADAM_SINGLE, ADAM_TUNED, LEARNED, type TaskCurve, type TaskDetail } from './evaluation.js'
import { chooseRows, type RowChoice } from './horizonScores.js'
import type { ScoredSettings } from './settingScores.js'
import { median } from './statistics.js'

/** Rows whose learning curves are kept. */
export const curveRows: readonly string[] = [LEARNED, ADAM_SINGLE, ADAM_TUNED, 'momentum-tuned']

/** Points kept of every curve. */
const MAX_POINTS = 51

/** One entry for each task, at the horizon that was scored; rates are those chosen for the curve metric. */
export function taskDetails(scored: ScoredSettings, names: readonly string[]): TaskDetail[] {
  const rows = chooseRows(scored).filter((row) => curveRows.includes(row.id))
  return names.map((name, task) => {
    const steps = scored.pool[0]!.runs[task]![0]!.steps
    const kept = thin(steps.length)
    const { initial, best } = scored.scales.test[task]!
    return {
      name,
      initialLoss: initial,
      bestLoss: best,
      steps: kept.map((i) => steps[i]!),
      curves: rows.map((row) => taskCurve(row, task, kept)),
    }
  })
}

function taskCurve({ id, label, settings }: RowChoice, task: number, kept: readonly number[]): TaskCurve {
  const setting = settings.curve[task]!
  const runs = setting.runs[task]!
  const over = (statistic: (values: number[]) => number) =>
    kept.map((i) => finiteOrNull(statistic(runs.map((run) => run.test[i]!))))
  return {
    id,
    label,
    ...(id === LEARNED ? {} : { lr: setting.value }),
    median: over(median),
    low: over((values) => Math.min(...values)),
    high: over((values) => Math.max(...values)),
  }
}

/** Indices of at most {@link MAX_POINTS} points, evenly spaced, the first and the last among them. */
function thin(numPoints: number): number[] {
  const kept = Math.min(numPoints, MAX_POINTS)
  return Array.from({ length: kept }, (_, k) =>
    kept < 2 ? 0 : Math.round((k * (numPoints - 1)) / (kept - 1)),
  )
}

function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null
}
