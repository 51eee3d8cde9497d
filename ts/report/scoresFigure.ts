/** Scores with their intervals: a panel for each horizon and metric, a row for each optimizer. */
import type { Evaluation, HorizonScores } from '../evaluate/evaluation.js'
import type { Metric } from '../evaluate/normalize.js'
import { rowLabel } from '../evaluate/table.js'
import type { Figure } from './render.js'
import { lineStyle, palette } from './theme.js'

const metricTitles: Record<Metric, string> = { curve: 'mean over training', final: 'at the end' }

/** The figure for all horizons of an evaluation. */
export function scoresFigure(evaluation: Evaluation): Figure {
  const { horizons, tasks } = evaluation
  const panels = horizons.flatMap((horizon) =>
    (['curve', 'final'] as const).map((metric, column) =>
      panel(horizon, metric, column === 0, horizon === horizons.at(-1)),
    ),
  )
  return {
    name: 'scores',
    title: 'Normalised test loss',
    description: `Mean normalised test loss of every optimizer with its 95 % interval over ${tasks.length} tasks.`,
    spec: {
      title: {
        text: 'Normalised test loss',
        subtitle:
          '0: best run of all baselines, 1: before training. Dot and bar: mean over tasks, 95 % interval. Ticks: the tasks',
      },
      columns: 2,
      spacing: { row: 22, column: 24 },
      concat: panels,
    },
  }
}

function panel(horizon: HorizonScores, metric: Metric, hasLabels: boolean, hasXTitle: boolean) {
  const labels = horizon.rows.map((row) => rowLabel(row))
  const scores = horizon.rows.map((row, i) => ({
    optimizer: labels[i]!,
    color: row.id.startsWith('learned') ? palette.vermillion : lineStyle(row.id).color,
    ...row.normalized[metric].mean,
  }))
  const ticks = horizon.rows.flatMap((row, i) =>
    row.perTask[metric].map((value) => ({ optimizer: labels[i]!, value, color: scores[i]!.color })),
  )
  const y = {
    field: 'optimizer',
    type: 'nominal' as const,
    sort: labels,
    title: null,
    axis: { labels: hasLabels, ticks: false, domain: false, labelLimit: 260, labelPadding: 8, grid: true },
  }
  const x = (field: string) => ({
    field,
    type: 'quantitative' as const,
    title: hasXTitle ? 'normalised test loss' : null,
    scale: { domain: [0, 1] },
    axis: { tickCount: 5, format: '~g', grid: false },
  })
  const color = { field: 'color', type: 'nominal' as const, scale: null }
  return {
    title: {
      text: `${horizon.innerSteps.toLocaleString('en')} inner steps, ${metricTitles[metric]}`,
      fontSize: 11,
      fontWeight: 'normal' as const,
      offset: 6,
    },
    width: 270,
    height: { step: 19 },
    layer: [
      {
        data: { values: ticks },
        mark: { type: 'tick' as const, thickness: 1, size: 9, opacity: 0.4 },
        encoding: { x: x('value'), y, color },
      },
      {
        data: { values: scores },
        mark: { type: 'rule' as const, strokeWidth: 3, strokeCap: 'round' as const },
        encoding: { x: x('low'), x2: { field: 'high' }, y, color },
      },
      {
        data: { values: scores },
        mark: { type: 'point' as const, filled: true, size: 70, opacity: 1, stroke: 'white', strokeWidth: 1 },
        encoding: { x: x('value'), y, fill: color },
      },
    ],
  }
}
