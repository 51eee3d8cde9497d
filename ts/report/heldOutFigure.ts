/** Losses on tasks that theta is not trained on, along the training. */
import type { HeldOutPoint } from './records.js'
import type { Figure } from './render.js'
import { innerStepsAxis, palette } from './theme.js'

/** The figure for the records of a run with `evaluation`; undefined if nothing was measured. */
export function heldOutFigure(records: readonly HeldOutPoint[]): Figure | undefined {
  const rows = records.flatMap(({ innerSteps, heldOutLoss }) =>
    heldOutLoss === undefined || !Number.isFinite(heldOutLoss) ? [] : [{ innerSteps, heldOutLoss }],
  )
  if (rows.length === 0) return undefined
  const best = rows.reduce((a, b) => (b.heldOutLoss < a.heldOutLoss ? b : a))
  return {
    name: 'held-out',
    title: 'Held-out tasks while training',
    description:
      `Loss on tasks that theta is not trained on, as a share of the loss before their training, mean over the ` +
      `inner problems; the best of ${rows.length} measurements is ${best.heldOutLoss.toFixed(4)}.`,
    spec: {
      title: {
        text: 'Held-out tasks while training',
        subtitle: 'Circle: the theta that is kept as the best',
      },
      width: 620,
      height: 180,
      data: { values: rows },
      encoding: {
        x: innerStepsAxis,
        y: {
          field: 'heldOutLoss',
          type: 'quantitative',
          title: 'loss ÷ loss at the start',
          scale: { zero: false },
        },
      },
      layer: [
        { mark: { type: 'line', color: palette.vermillion, strokeWidth: 1.5 } },
        {
          transform: [{ filter: `datum.innerSteps == ${best.innerSteps}` }],
          mark: { type: 'point', size: 70, color: palette.vermillion, strokeWidth: 2 },
        },
      ],
    },
  }
}
