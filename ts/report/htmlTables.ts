/** Tables of the report as HTML. */
import { type Evaluation, type HorizonScores, LEARNED } from '../evaluate/evaluation.js'
import {
  describeDifference,
  describeHorizon,
  formatScore,
  rowLabel,
  tableColumns,
} from '../evaluate/table.js'
import { escapeHtml } from './escape.js'

/** The scores of one horizon. */
export function scoreTable(evaluation: Evaluation, horizon: HorizonScores): string {
  const groups = tableColumns(evaluation)
  const columns = groups.flatMap((group) => group.columns)
  const heads = groups.map(
    ({ title, columns }) => `<th colspan="${columns.length}">${escapeHtml(title)}</th>`,
  )
  const rows = horizon.rows.map((row) => ({
    isLearned: row.id === LEARNED,
    cells: columns.map((column) => column.cell(row)),
  }))
  const titles = columns.map((column) => column.title)
  const caption = describeHorizon(evaluation, horizon.innerSteps)
  return `${table(caption, [`<tr>${heads.join('')}</tr>`, headRow(titles)], rows)}
<p class="note">${escapeHtml(describeDifference(horizon))}</p>`
}

/** Normalised loss over training of every row on every task, at one horizon. */
export function taskTable(evaluation: Evaluation, horizon: HorizonScores): string {
  const rows = evaluation.tasks.map((task, i) => ({
    isLearned: false,
    cells: [task.name, ...horizon.rows.map((row) => formatScore(row.perTask.curve[i]!))],
  }))
  const caption = `Normalised test loss over training by task, ${horizon.innerSteps.toLocaleString('en')} inner steps`
  return table(caption, [headRow(['task', ...horizon.rows.map(rowLabel)])], rows)
}

function headRow(titles: readonly string[]): string {
  return `<tr>${titles.map((title) => `<th scope="col">${escapeHtml(title)}</th>`).join('')}</tr>`
}

function table(
  caption: string,
  head: readonly string[],
  rows: readonly { isLearned: boolean; cells: readonly string[] }[],
): string {
  const body = rows.map(({ isLearned, cells: [name = '', ...values] }) => {
    const figures = values.map((value) => `<td>${escapeHtml(value)}</td>`).join('')
    return `<tr${isLearned ? ' class="learned"' : ''}><th scope="row">${escapeHtml(name)}</th>${figures}</tr>`
  })
  return `<div class="scroll"><table>
<caption>${escapeHtml(caption)}</caption>
<thead>${head.join('\n')}</thead>
<tbody>
${body.join('\n')}
</tbody>
</table></div>`
}
