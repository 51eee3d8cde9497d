/** How all figures look: palette, line styles, fonts, and nothing that carries no information. */
import type { Config } from 'vega-lite'
import { ADAM_SINGLE, ADAM_TUNED, LEARNED } from '../evaluate/evaluation.js'

/** Okabe and Ito's palette, distinguishable with any colour vision; each line has its own dashes besides. */
export const palette = {
  vermillion: '#D55E00',
  blue: '#0072B2',
  sky: '#56B4E9',
  green: '#009E73',
  ink: '#24292f',
  muted: '#6e7781',
  grid: '#e4e7eb',
} as const

/** The colours a figure takes inside a page with a dark background. */
export const darkPalette: Record<keyof typeof palette, string> = {
  vermillion: '#ff8a3d',
  blue: '#4ba3e3',
  sky: '#8fd0f7',
  green: '#3fcf9f',
  ink: '#e6edf3',
  muted: '#9aa4af',
  grid: '#30363d',
}

/** A curve's looks. */
export interface LineStyle {
  color: string
  dash: number[]
  width: number
}

/** Looks of the rows that have learning curves. */
export const lineStyles: Readonly<Record<string, LineStyle>> = {
  [LEARNED]: { color: palette.vermillion, dash: [1, 0], width: 2.2 },
  [ADAM_SINGLE]: { color: palette.blue, dash: [1, 0], width: 1.3 },
  [ADAM_TUNED]: { color: palette.sky, dash: [5, 2.5], width: 1.5 },
  'momentum-tuned': { color: palette.green, dash: [1.5, 2], width: 1.5 },
}

/** Looks of any row: rows without a style of their own are drawn muted. */
export function lineStyle(id: string): LineStyle {
  return lineStyles[id] ?? { color: palette.muted, dash: [1, 0], width: 1.3 }
}

const font = 'Helvetica, Arial, "Liberation Sans", sans-serif'

/** Labels of an axis of counts: 0, 500k, 1M. */
export const countLabels = "datum.value === 0 ? '0' : format(datum.value, '~s')"

/** The horizontal axis of figures along a training: field `innerSteps` of the rows. */
export const innerStepsAxis = {
  field: 'innerSteps',
  type: 'quantitative',
  title: 'inner steps, all lanes',
  axis: { labelExpr: countLabels, grid: false, tickCount: 8 },
} as const

/** Configuration of every figure. */
export const figureConfig: Config = {
  font,
  aria: false,
  background: 'transparent',
  padding: 10,
  view: { stroke: null },
  axis: {
    labelColor: palette.ink,
    titleColor: palette.ink,
    titleFontWeight: 'normal',
    titleFontSize: 11,
    labelFontSize: 10,
    domainColor: palette.muted,
    tickColor: palette.muted,
    gridColor: palette.grid,
    gridWidth: 0.7,
    tickSize: 4,
    labelOverlap: true,
  },
  legend: {
    labelColor: palette.ink,
    labelFontSize: 11,
    symbolSize: 320,
    symbolType: 'stroke',
    labelLimit: 300,
    titleColor: palette.ink,
  },
  title: {
    color: palette.ink,
    subtitleColor: palette.muted,
    fontSize: 14,
    subtitleFontSize: 11,
    anchor: 'start',
    frame: 'group',
    offset: 12,
  },
}
