/** The meta-training curve: meta-loss against inner steps done. */
import type { MetaTrainingPoint } from './records.js'
import type { Figure } from './render.js'
import { innerStepsAxis, palette } from './theme.js'

/** Points drawn at most; beyond, every k-th. The average is always over all. */
const MAX_POINTS = 800

/** Mean of each value and the ones before it, up to `length` in all; values that are not finite are left out. */
export function movingAverage(values: readonly number[], length: number): number[] {
  return values.map((_, i) => {
    const finite = values.slice(Math.max(0, i + 1 - length), i + 1).filter(Number.isFinite)
    return finite.reduce((sum, value) => sum + value, 0) / finite.length
  })
}

/** The figure for the records of a training run; at least one record. */
export function metaTrainingFigure(records: readonly MetaTrainingPoint[]): Figure {
  const length = Math.max(1, Math.round(records.length / 25))
  const average = movingAverage(
    records.map((record) => record.metaLoss),
    length,
  )
  const stride = Math.ceil(records.length / MAX_POINTS)
  const rows = records
    .map(({ innerSteps, metaLoss }, i) => ({ innerSteps, metaLoss, average: average[i]! }))
    .filter((row, i) => (i % stride === 0 || i === records.length - 1) && Number.isFinite(row.average))
  const last = rows.at(-1)
  const lastLoss = last ? last.average.toFixed(3) : 'not finite'
  const averaged =
    length === 1 ? 'Every outer step' : `Dots: one outer step each. Line: mean of the last ${length}`
  return {
    name: 'meta-training',
    title: 'Meta-training',
    description: `Meta-loss over ${records.length} outer steps; the moving average ends at ${lastLoss}.`,
    spec: {
      title: { text: 'Meta-training', subtitle: averaged },
      width: 620,
      height: 260,
      data: { values: rows },
      encoding: {
        x: innerStepsAxis,
      },
      layer: [
        {
          transform: [{ filter: 'isValid(datum.metaLoss)' }],
          mark: { type: 'point', filled: true, size: 9, color: palette.muted, opacity: 0.45 },
          encoding: { y: metaLossAxis('metaLoss') },
        },
        {
          mark: { type: 'line', color: palette.vermillion, strokeWidth: 2, interpolate: 'linear' },
          encoding: { y: metaLossAxis('average') },
        },
        {
          transform: [{ filter: `datum.innerSteps == ${last?.innerSteps ?? 0}` }],
          mark: { type: 'text', align: 'left', dx: 6, color: palette.vermillion, fontSize: 11 },
          encoding: { y: metaLossAxis('average'), text: { field: 'average', format: '.3f' } },
        },
      ],
    },
  }
}

function metaLossAxis(field: string) {
  return {
    field,
    type: 'quantitative' as const,
    title: 'meta-loss (mean loss along the unrolls)',
    scale: { zero: false },
  }
}
