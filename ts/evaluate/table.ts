/** The tables of an evaluation: their columns, shared with the report, and their form as plain text. */

import { printableName } from '../printable.js'
import { type Evaluation, type HorizonScores, LEARNED, type ScoreRow } from './evaluation.js'
import { parseEvaluation } from './evaluationSchema.js'
import type { Metric } from './normalize.js'
import type { Estimate } from './statistics.js'

/** A column of the table. */
export interface TableColumn {
  title: string
  cell: (row: ScoreRow) => string
}

/** Neighbouring columns under one heading. */
export interface ColumnGroup {
  title: string
  columns: TableColumn[]
}

/** The columns of an evaluation's tables. */
export function tableColumns(evaluation: Evaluation): ColumnGroup[] {
  const numTasks = evaluation.tasks.length
  const normalized = (metric: Metric): TableColumn[] => [
    { title: 'mean [95 %]', cell: (row) => formatEstimate(row.normalized[metric].mean) },
    { title: 'median', cell: (row) => formatScore(row.normalized[metric].median.value) },
    { title: 'IQM', cell: (row) => formatScore(row.normalized[metric].iqm.value) },
  ]
  const vsTuned = (title: string, metric: Metric): TableColumn => ({
    title,
    cell: (row) => formatScore(row.vsTunedAdam[metric].value),
  })
  const better = (title: string, metric: Metric): TableColumn => ({
    title,
    cell: (row) => (row.id === LEARNED ? '' : `${row.numLearnedBetter[metric]}/${numTasks}`),
  })
  return [
    {
      title: '',
      columns: [
        { title: 'optimizer', cell: rowLabel },
        { title: 'trials', cell: (row) => String(row.trials) },
      ],
    },
    { title: 'loss over training', columns: normalized('curve') },
    { title: 'loss at the end', columns: normalized('final') },
    { title: 'vs tuned Adam', columns: [vsTuned('curve', 'curve'), vsTuned('end', 'final')] },
    {
      title: `${subjectLabel(evaluation)} better`,
      columns: [better('curve', 'curve'), better('end', 'final')],
    },
    { title: '', columns: [{ title: 'diverged', cell: (row) => String(row.numDiverged) }] },
  ]
}

/** How the tables call the evaluated optimizer. */
export function subjectLabel({ horizons }: Evaluation): string {
  return printableName(subjectRow(horizons[0]!).label)
}

function subjectRow({ rows }: HorizonScores): ScoreRow {
  return rows.find((row) => row.id === LEARNED)!
}

/** What the figures of the tables mean, a sentence each. */
export function tableLegend(evaluation: Evaluation): string[] {
  const subject = subjectLabel(evaluation)
  return [
    'Loss: normalised test loss, 0 = best run of all baselines, 1 = loss before training; mean over tasks with its 95 % bootstrap interval over tasks and seeds, median, interquartile mean.',
    'vs tuned Adam: (loss − tuned Adam) / (initial loss − tuned Adam); negative beats Adam with its rate tuned on each task.',
    `${subject} better: tasks on which ${subject === LEARNED ? 'the learned optimizer' : subject} has the lower loss. diverged: runs with a loss that is not finite.`,
    'Rates in brackets (for the curve; for the end, if another) were chosen on outer-validation and are reported on test.',
  ]
}

/** A learning rate in at most two significant digits: 0.01, 0.0032, 3.2e-6. */
export function formatRate(lr: number): string {
  const rounded = Number(lr.toPrecision(2))
  return rounded < 1e-3 ? rounded.toExponential() : String(rounded)
}

/** Three decimals without the leading zero, with a proper minus sign: .123, −.045, 1.000. */
export function formatScore(value: number): string {
  if (!Number.isFinite(value)) return '–'
  const text = Math.abs(value).toFixed(3).replace(/^0\./, '.')
  return value < 0 && text !== '.000' ? `−${text}` : text
}

/** `.123 [.101, .150]`. */
export function formatEstimate({ value, low, high }: Estimate): string {
  return `${formatScore(value)} [${formatScore(low)}, ${formatScore(high)}]`
}

/** The label of a row with the rate it used: one, or one for the curve and one for the end. */
export function rowLabel(row: ScoreRow): string {
  const { lr, id } = row
  const label = printableName(row.label)
  if (!lr || id === 'adam-default') return label
  const [curve, final] = [formatRate(lr.curve), formatRate(lr.final)]
  return curve === final ? `${label} (${curve})` : `${label} (${curve}; ${final})`
}

/** How far the runs went, over how many tasks and seeds: the line above a table. */
export function describeHorizon({ tasks, settings }: Evaluation, innerSteps: number): string {
  const count = (n: number, word: string) => `${n} ${word}${n === 1 ? '' : 's'}`
  return `${innerSteps.toLocaleString('en')} inner steps, ${count(tasks.length, 'task')}, ${count(settings.seeds, 'seed')}`
}

/** One sentence: the evaluated optimizer minus Adam at its best single rate, both metrics. */
export function describeDifference(horizon: HorizonScores): string {
  const { curve, final } = horizon.learnedMinusAdamSingle
  return `${printableName(subjectRow(horizon).label)} − Adam best single, paired: ${formatEstimate(curve)} over training, ${formatEstimate(final)} at the end`
}

/**
 * One table for each horizon, then a legend; about 130 characters wide.
 *
 * @throws {OuterloopError} `INVALID_OPTION` naming what is wrong in the evaluation.
 */
export function formatTable(evaluation: Evaluation): string {
  return tablesOf(parseEvaluation(evaluation))
}

function tablesOf(evaluation: Evaluation): string {
  const groups = tableColumns(evaluation)
  const tables = evaluation.horizons.map((horizon) =>
    [
      describeHorizon(evaluation, horizon.innerSteps),
      ...textTable(groups, horizon.rows),
      describeDifference(horizon),
    ].join('\n'),
  )
  return [
    ...tables,
    tableLegend(evaluation)
      .flatMap((line) => wrap(line, 120))
      .join('\n'),
  ].join('\n\n')
}

function textTable(groups: readonly ColumnGroup[], rows: readonly ScoreRow[]): string[] {
  const blocks = groups.map(({ title, columns }) => {
    const body = joinLines(
      columns.map((column) => textColumn(column, rows)),
      ' ',
    )
    const width = Math.max(title.length, body[0]!.length)
    return [title.padEnd(width), ...body.map((line) => line.padStart(width))]
  })
  const lines = joinLines(blocks, '  ').map((line) => line.trimEnd())
  lines.splice(2, 0, '─'.repeat(lines[1]!.length))
  return lines
}

/** Title and cells in equal width; words are aligned left, figures right. */
function textColumn(column: TableColumn, rows: readonly ScoreRow[]): string[] {
  const cells = [column.title, ...rows.map(column.cell)]
  const width = Math.max(...cells.map((cell) => cell.length))
  return cells.map((cell) => (column.cell === rowLabel ? cell.padEnd(width) : cell.padStart(width)))
}

function joinLines(blocks: readonly string[][], gap: string): string[] {
  return blocks[0]!.map((_, line) => blocks.map((block) => block[line]!).join(gap))
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}
