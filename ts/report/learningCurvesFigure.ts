/** Inner learning curves, a panel for each task: the learned optimizer against the baselines. */
import type { Evaluation, TaskDetail } from '../evaluate/evaluation.js'
import type { Figure } from './render.js'
import { countLabels, lineStyle, palette } from './theme.js'

const COLUMNS = 4

/** A loss above the initial one by more than this factor is drawn at the panel's upper edge. */
const HEADROOM = 1.08

/** The figure for the curves of an evaluation; at least one task. */
export function learningCurvesFigure(evaluation: Evaluation): Figure {
  const { details, settings, tasks } = evaluation
  const curves = details[0]?.curves ?? []
  const labels = curves.map((curve) => curve.label)
  const unit = tasks.every((task) => task.config.family === 'mlp') ? 'test loss (nats)' : 'test loss'
  const band = settings.seeds > 1 ? `Median and range over ${settings.seeds} seeds. ` : ''
  const styles = curves.map((curve) => lineStyle(curve.id))
  const scale = {
    color: { domain: labels, range: styles.map((style) => style.color) },
    dash: { domain: labels, range: styles.map((style) => style.dash) },
    width: { domain: labels, range: styles.map((style) => style.width) },
  }
  return {
    name: 'learning-curves',
    title: 'Inner learning curves',
    description: `Test loss against inner steps on ${details.length} tasks for ${labels.join(', ')}.`,
    spec: {
      title: {
        text: 'Inner learning curves',
        subtitle: `${band}Thin dashes: loss before training. Tuned: rate chosen on each task's outer-validation split.`,
      },
      columns: Math.min(COLUMNS, details.length),
      spacing: { row: 52, column: 42 },
      align: 'each',
      bounds: 'flush',
      concat: details.map((detail, i) =>
        panel(detail, unit, {
          hasXTitle: i + COLUMNS >= details.length,
          hasYTitle: i % COLUMNS === 0,
          scale,
        }),
      ),
      resolve: { scale: { color: 'shared', strokeDash: 'shared', strokeWidth: 'shared' } },
    },
  }
}

interface PanelOptions {
  hasXTitle: boolean
  hasYTitle: boolean
  scale: Record<'color' | 'dash' | 'width', { domain: string[]; range: (string | number | number[])[] }>
}

function panel(detail: TaskDetail, unit: string, { hasXTitle, hasYTitle, scale }: PanelOptions) {
  const top = detail.initialLoss * HEADROOM
  const values = detail.curves.flatMap((curve) =>
    detail.steps.map((step, i) => ({
      step,
      optimizer: curve.label,
      median: Math.min(curve.median[i] ?? top, top),
      low: Math.min(curve.low[i] ?? top, top),
      high: Math.min(curve.high[i] ?? top, top),
    })),
  )
  const color = {
    field: 'optimizer',
    type: 'nominal' as const,
    title: null,
    scale: scale.color as { domain: string[]; range: string[] },
    legend: { orient: 'top' as const, direction: 'horizontal' as const, columnPadding: 24, symbolOpacity: 1 },
  }
  const x = {
    field: 'step',
    type: 'quantitative' as const,
    title: hasXTitle ? 'inner steps' : null,
    axis: { tickCount: 4, grid: false, labelExpr: countLabels },
    scale: { nice: false },
  }
  const y = (field: string) => ({
    field,
    type: 'quantitative' as const,
    title: hasYTitle ? unit : null,
    axis: { tickCount: 4 },
    scale: { zero: false, nice: false, domain: [lowEnd(detail, values), top] },
  })
  return {
    width: 165,
    height: 110,
    data: { values },
    layer: [
      {
        mark: { type: 'area' as const, opacity: 0.18, clip: true },
        encoding: { x, y: y('low'), y2: { field: 'high' }, color },
      },
      {
        mark: { type: 'line' as const, clip: true, strokeJoin: 'round' as const },
        encoding: {
          x,
          y: y('median'),
          color,
          strokeDash: {
            field: 'optimizer',
            type: 'nominal' as const,
            title: null,
            scale: scale.dash as { domain: string[]; range: number[][] },
          },
          strokeWidth: {
            field: 'optimizer',
            type: 'nominal' as const,
            title: null,
            scale: scale.width as { domain: string[]; range: number[] },
            legend: null,
          },
        },
      },
      {
        data: { values: [{}] },
        mark: { type: 'rule' as const, color: palette.muted, strokeWidth: 0.6, strokeDash: [2, 2] },
        encoding: { y: { datum: detail.initialLoss } },
      },
      {
        // A text mark, because a title's height would follow the axis labels and differ between panels.
        data: { values: [{}] },
        mark: {
          type: 'text' as const,
          text: detail.name,
          align: 'left' as const,
          color: palette.ink,
          fontSize: 11,
        },
        encoding: { x: { value: 0 }, y: { value: -10 } },
      },
    ],
  }
}

/** A little below the least value drawn. */
function lowEnd(detail: TaskDetail, values: readonly { low: number }[]): number {
  const least = Math.min(...values.map((value) => value.low))
  return least - 0.04 * (detail.initialLoss - least)
}
