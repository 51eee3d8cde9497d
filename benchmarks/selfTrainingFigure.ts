/** Meta-training curves of one optimizer under several outer optimizers. */
import { movingAverage } from '../ts/report/metaTrainingFigure.js'
import type { Figure } from '../ts/report/render.js'
import { countLabels, type LineStyle, palette } from '../ts/report/theme.js'
import { type ContenderScore, type SelfTrainingScores, SMOOTHED_STEPS } from './selfTrainingScores.js'

/** Points of a line at most. */
const MAX_POINTS = 250

/** Smoothed meta-losses against outer steps; bands are the range over seeds of those that are not trials. */
export function selfTrainingFigure(scores: SelfTrainingScores): Figure {
  const { contenders, target } = scores
  const outerSteps = contenders[0]?.smoothed.length ?? 0
  const stride = Math.ceil(outerSteps / MAX_POINTS)
  const steps = Array.from({ length: outerSteps }, (_, i) => i).filter(
    (i) => i % stride === 0 || i === outerSteps - 1,
  )
  const styles = stylesOf(scores)
  const lines = contenders.flatMap(({ name, smoothed }) =>
    steps.map((i) => ({ outerStep: i + 1, optimizer: name, metaLoss: smoothed[i]! })),
  )
  const bands = contenders.filter((_, k) => styles[k]!.isHeadline).flatMap((one) => bandOf(one, steps))
  const names = contenders.map(({ name }) => name)
  const scale = <Key extends keyof LineStyle>(key: Key) => ({
    domain: names,
    range: styles.map((style) => style[key]),
  })
  const color = {
    field: 'optimizer',
    type: 'nominal' as const,
    title: null,
    scale: scale('color'),
    legend: { orient: 'right' as const, symbolOpacity: 1 },
  }
  const x = {
    field: 'outerStep',
    type: 'quantitative' as const,
    title: 'outer steps',
    axis: { labelExpr: countLabels, grid: false, tickCount: 8 },
    scale: { nice: false },
  }
  const y = (field: string) => ({
    field,
    type: 'quantitative' as const,
    title: 'meta-loss (mean loss along the unrolls)',
    scale: { zero: false },
  })
  const nominal = { field: 'optimizer', type: 'nominal' as const, title: null }
  return {
    name: 'self-training',
    title: 'A trained optimizer trains a fresh one',
    description:
      `Meta-loss over ${outerSteps} outer steps under ${names.join('; ')}. ` +
      `The best Adam ends at ${target.toFixed(3)}.`,
    spec: {
      title: {
        text: 'A trained optimizer trains a fresh one',
        subtitle: `Means of ${SMOOTHED_STEPS} outer steps and of the seeds; bands: range over seeds. Thin: trials.`,
      },
      width: 560,
      height: 320,
      layer: [
        {
          data: { values: bands },
          mark: { type: 'area', opacity: 0.15 },
          encoding: { x, y: y('low'), y2: { field: 'high' }, color },
        },
        {
          data: { values: lines },
          mark: { type: 'line', strokeJoin: 'round' },
          encoding: {
            x,
            y: y('metaLoss'),
            color,
            strokeDash: { ...nominal, scale: scale('dash') },
            strokeWidth: { ...nominal, scale: scale('width'), legend: null },
          },
        },
      ],
    },
  }
}

function bandOf({ name, curves }: ContenderScore, steps: readonly number[]) {
  const smoothed = curves.map((curve) => movingAverage(curve, SMOOTHED_STEPS))
  return steps.map((i) => {
    const losses = smoothed.map((curve) => curve[i]!)
    return { outerStep: i + 1, optimizer: name, low: Math.min(...losses), high: Math.max(...losses) }
  })
}

/** Looks of trials, in their order. */
const DASHES = [
  [1, 2],
  [3, 2],
  [6, 2],
  [9, 3, 2, 3],
]

interface Style extends LineStyle {
  isHeadline: boolean
}

function stylesOf({ contenders, bestAdamRate }: SelfTrainingScores): Style[] {
  const colors = { adam: palette.blue, learned: palette.vermillion, self: palette.green }
  const numTrials = { adam: 0, learned: 0, self: 0 }
  return contenders.map(({ kind, value }) => {
    const isHeadline = kind === 'self' || value === (kind === 'learned' ? 1 : bestAdamRate)
    if (isHeadline) return { color: colors[kind], dash: [1, 0], width: 2.2, isHeadline }
    const dash = DASHES[numTrials[kind]++ % DASHES.length]!
    return { color: kind === 'adam' ? palette.muted : colors[kind], dash, width: 0.9, isHeadline }
  })
}
