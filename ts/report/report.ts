/** Writes the report of a run: one self-contained HTML page, and its figures as SVG files. */
import { join } from 'node:path'
import { z } from 'zod'
import { jsonObject, path, text } from '../config/fields.js'
import { parseWith } from '../config/parse.js'
import type { Evaluation } from '../evaluate/evaluation.js'
import { parseEvaluation } from '../evaluate/evaluationSchema.js'
import { tableLegend } from '../evaluate/table.js'
import { makeDirectory } from '../files/systemError.js'
import { printable } from '../printable.js'
import { writeAtomically } from '../weights/atomicFile.js'
import { escapeHtml } from './escape.js'
import { heldOutFigure } from './heldOutFigure.js'
import { scoreTable, taskTable } from './htmlTables.js'
import { learningCurvesFigure } from './learningCurvesFigure.js'
import { metaTrainingFigure } from './metaTrainingFigure.js'
import { type HeldOutPoint, type MetaTrainingPoint, recordSchema } from './records.js'
import { type Figure, renderFigure } from './render.js'
import { scoresFigure } from './scoresFigure.js'
import { styleSheet } from './style.js'

/** What goes into a report; parts that are absent are left out of the page. */
export interface ReportContent {
  /** Heading of the page. */
  title: string
  /** Records of the outer steps. */
  records?: readonly (MetaTrainingPoint & HeldOutPoint)[]
  evaluation?: Evaluation
  /** Configuration of the run, shown as JSON. */
  config?: object
}

/**
 * Writes `report.html`, and `meta-training.svg`, `held-out.svg`, `scores.svg` and `learning-curves.svg` where there is
 * something to draw. The page needs no network and no other file. Each file is written whole or not at all.
 *
 * @param directory - Where to write; made if it is missing.
 * @returns Paths of the files written, the page first.
 * @throws {OuterloopError} `WRITE_FAILED` if one cannot be written.
 * @throws {OuterloopError} `INVALID_OPTION` naming what is wrong in `content`.
 */
export async function writeReport(directory: string, content: ReportContent): Promise<string[]> {
  parseWith(path(), directory, 'directory')
  return writeCheckedReport(directory, parseContent(content))
}

const contentSchema = z.strictObject({
  title: text(),
  records: z.array(recordSchema).optional(),
  evaluation: z.record(z.string(), z.unknown()).optional(),
  config: jsonObject().optional(),
})

/** Values that records and curves of a long run may have. */
const MAX_VALUES = 100_000_000

function parseContent(content: ReportContent): ReportContent {
  const { evaluation, ...rest } = parseWith(contentSchema, content, 'content', { maxValues: MAX_VALUES })
  return {
    ...(rest as Omit<ReportContent, 'evaluation'>),
    ...(evaluation && { evaluation: parseEvaluation(evaluation) }),
  }
}

async function writeCheckedReport(directory: string, content: ReportContent): Promise<string[]> {
  const figures = figuresOf(content)
  const drawn = await Promise.all(
    figures.map(async (figure) => ({ figure, svg: await renderFigure(figure) })),
  )
  const files = [
    { path: join(directory, 'report.html'), text: reportPage(content, drawn) },
    ...drawn.map(({ figure, svg }) => ({
      path: join(directory, `${figure.name}.svg`),
      text: withBackground(svg),
    })),
  ]
  await makeDirectory(directory)
  for (const { path, text } of files) await writeAtomically(path, text)
  return files.map((file) => file.path)
}

interface Drawn {
  figure: Figure
  svg: string
}

function figuresOf({ records, evaluation }: ReportContent): Figure[] {
  const heldOut = heldOutFigure(records ?? [])
  return [
    ...(records?.length ? [metaTrainingFigure(records)] : []),
    ...(heldOut ? [heldOut] : []),
    ...(evaluation ? [scoresFigure(evaluation), learningCurvesFigure(evaluation)] : []),
  ]
}

function reportPage({ title, records, evaluation, config }: ReportContent, drawn: readonly Drawn[]): string {
  const figure = (name: string) => drawn.filter((item) => item.figure.name === name).map(figureHtml)
  const sections = [
    ...(evaluation ? scoreSection(evaluation) : []),
    ...figure('scores'),
    ...(records?.length ? ['<h2>Meta-training</h2>'] : []),
    ...figure('meta-training'),
    ...figure('held-out'),
    ...(evaluation ? ['<h2>Learning curves</h2>'] : []),
    ...figure('learning-curves'),
    ...(evaluation
      ? [taskSection(evaluation), jsonSection('Settings of the evaluation', settingsOf(evaluation))]
      : []),
    ...(config ? [jsonSection('Configuration of the run', config)] : []),
  ]
  return printable(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title>
<style>${styleSheet}</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
${sections.join('\n')}
</body>
</html>
`)
}

function scoreSection(evaluation: Evaluation): string[] {
  return [
    '<h2>Scores</h2>',
    ...evaluation.horizons.map((horizon) => scoreTable(evaluation, horizon)),
    `<ul class="note">${tableLegend(evaluation)
      .map((line) => `<li>${escapeHtml(line)}</li>`)
      .join('')}</ul>`,
  ]
}

function taskSection(evaluation: Evaluation): string {
  const tables = evaluation.horizons.map((horizon) => taskTable(evaluation, horizon))
  return `<h2>Details</h2>\n<details><summary>Scores by task</summary>\n${tables.join('\n')}\n</details>`
}

function settingsOf({ optimizer, settings, tasks }: Evaluation): object {
  return { optimizer, settings, tasks }
}

function jsonSection(summary: string, value: object): string {
  const json = JSON.stringify(value, null, 2)
  return `<details><summary>${escapeHtml(summary)}</summary>\n<pre>${escapeHtml(json)}</pre>\n</details>`
}

function figureHtml({ figure, svg }: Drawn): string {
  return `<figure>\n${svg}\n<figcaption>${escapeHtml(figure.description)}</figcaption>\n</figure>`
}

/** A file of its own may be shown on any ground: it brings a white one. */
function withBackground(svg: string): string {
  return svg.replace('</desc>', '</desc><rect width="100%" height="100%" fill="white"/>')
}
