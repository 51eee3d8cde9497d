import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { formatTable } from '../../ts/evaluate/table.js'
import { readMetrics } from '../../ts/outer/metrics.js'
import { movingAverage } from '../../ts/report/metaTrainingFigure.js'
import { writeReport } from '../../ts/report/report.js'
import { syntheticEvaluation } from '../evaluate/syntheticEvaluation.js'

async function temporaryDirectory(t: { teardown: (undo: () => Promise<void>) => void }): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'outerloop-report-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return directory
}

function metaTraining(numOuterSteps: number) {
  return Array.from({ length: numOuterSteps }, (_, i) => ({
    outerStep: i,
    innerSteps: 4800 * (i + 1),
    metaLoss: 1 + Math.exp(-i / 10),
  }))
}

/** Checks that tags nest and close, that attributes are quoted, and that every `&` begins an entity. */
function assertWellFormed(xml: string): void {
  const open: string[] = []
  const tag = /<(\/?)([A-Za-z][\w:-]*)((?:\s+[\w:-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/g
  const text = xml.replace(tag, (_all, closing: string, name: string, _attributes, empty: string) => {
    if (closing) {
      const last = open.pop()
      if (last !== name) throw new Error(`</${name}> closes <${last}>`)
    } else if (!empty) open.push(name)
    return ''
  })
  if (open.length > 0) throw new Error(`<${open.at(-1)}> is not closed`)
  if (/[<>]/.test(text)) throw new Error(`not a tag: ${/.{0,40}[<>].{0,40}/.exec(text)?.[0]}`)
  if (/&(?!#?\w+;)/.test(xml)) throw new Error('a bare &')
}

test('a report is a page and three figures, each well-formed', async (t) => {
  const directory = join(await temporaryDirectory(t), 'made', 'on demand')
  const evaluation = syntheticEvaluation(5, 2, [0.3, 1])
  const files = await writeReport(directory, {
    title: 'a report',
    records: metaTraining(60),
    evaluation,
    config: { seed: 7 },
  })
  const names = ['report.html', 'meta-training.svg', 'scores.svg', 'learning-curves.svg']
  t.deepEqual(
    files,
    names.map((name) => join(directory, name)),
  )
  t.deepEqual((await readdir(directory)).sort(), [...names].sort())
  for (const name of names.slice(1)) {
    const svg = await readFile(join(directory, name), 'utf8')
    t.notThrows(() => assertWellFormed(svg), name)
    t.regex(svg, /^<svg role="img" aria-labelledby="[\w-]+-title [\w-]+-desc"[^>]*>\s*<title/)
    t.false(/NaN|undefined|Infinity/.test(svg), name)
  }
  const page = await readFile(files[0]!, 'utf8')
  const body = page.slice(page.indexOf('<body>'), page.indexOf('</body>') + 7)
  t.notThrows(() => assertWellFormed(body))
  const ids = [...page.matchAll(/ id="([^"]*)"/g)].map((match) => match[1])
  t.is(new Set(ids).size, ids.length, 'ids are unique in the page')
})

test('a page refers to nothing outside itself', async (t) => {
  const directory = await temporaryDirectory(t)
  const [path] = await writeReport(directory, { title: 'x', evaluation: syntheticEvaluation(2, 1) })
  const page = await readFile(path!, 'utf8')
  const references = [...page.matchAll(/\b(?:src|href)\s*=\s*"([^"]*)"|url\(([^)]*)\)/g)].map(
    (match) => match[1] ?? match[2],
  )
  t.true(references.every((reference) => reference!.startsWith('#')))
  t.notRegex(page, /<script/)
})

test('names are escaped wherever they appear', async (t) => {
  const directory = await temporaryDirectory(t)
  const evaluation = syntheticEvaluation(2, 1)
  const hostile = `<script>alert("1")</script> & 'x'`
  evaluation.tasks[0]!.name = hostile
  evaluation.details[0]!.name = hostile
  for (const row of evaluation.horizons[0]!.rows) row.label = `${row.label} <b>`
  const files = await writeReport(directory, {
    title: hostile,
    evaluation,
    config: { note: `${hostile}\ud800` },
  })
  for (const file of files) {
    const text = await readFile(file, 'utf8')
    t.notRegex(text, /<script|<b>/)
    if (file.endsWith('.svg')) t.notThrows(() => assertWellFormed(text))
  }
  t.true(
    (await readFile(files[0]!, 'utf8')).includes('<h1>&#60;script&#62;alert(&#34;1&#34;)&#60;/script&#62;'),
  )
})

test('control characters in names are escaped in the page, the figures and the tables', async (t) => {
  const directory = await temporaryDirectory(t)
  const evaluation = syntheticEvaluation(2, 1)
  // A title for the terminal, a carriage return, an 8-bit CSI, what XML forbids, a reversed line, `$&`.
  const hostile = '\u001b]0;x\u0007\r\u009b2J\u0000\ufffe\u202e $& $1'
  const shown = '\\u001b]0;x\\u0007\\u000d\\u009b2J\\u0000\\ufffe\\u202e $&#38; $1'
  evaluation.tasks[0]!.name = hostile
  evaluation.details[0]!.name = hostile
  for (const detail of evaluation.details) for (const curve of detail.curves) curve.label += hostile
  for (const row of evaluation.horizons[0]!.rows) row.label = `${row.label}\n${hostile}`
  const files = await writeReport(directory, {
    title: hostile,
    evaluation,
    config: { note: `${hostile}\ud800` },
  })
  const forbidden = /[\p{Cs}\ufffe\uffff\u202e]|[^\P{Cc}\n]/u
  for (const file of files) {
    const text = await readFile(file, 'utf8')
    t.notRegex(text, forbidden, file)
    if (!file.endsWith('.svg')) continue
    t.notThrows(() => assertWellFormed(text))
    t.is(text.match(/<svg/g)?.length, 1)
  }
  t.true((await readFile(files[0]!, 'utf8')).includes(`<h1>${shown}</h1>`))
  const table = formatTable(evaluation)
  t.notRegex(table, forbidden)
  // Rows stay rows: as many lines as with plain names.
  const lines = (text: string) => text.split('\n').filter((line) => / \d+ {2}/.test(line)).length
  t.is(lines(table), lines(formatTable(syntheticEvaluation(2, 1))))
})

test('the same content gives the same bytes', async (t) => {
  const [a, b] = [await temporaryDirectory(t), await temporaryDirectory(t)]
  const content = { title: 'x', evaluation: syntheticEvaluation(3, 2), records: metaTraining(10) }
  const [first, second] = [await writeReport(a, content), await writeReport(b, content)]
  for (const [i, path] of first.entries()) {
    t.is(await readFile(path, 'utf8'), await readFile(second[i]!, 'utf8'))
  }
})

test('a report of a run that has only begun, or failed, is still written', async (t) => {
  const directory = await temporaryDirectory(t)
  t.is((await writeReport(directory, { title: 'nothing yet' })).length, 1)
  const failed = [{ outerStep: 0, innerSteps: 4800, metaLoss: Number.NaN }]
  const files = await writeReport(directory, { title: 'not finite', records: failed })
  t.is(files.length, 2)
  t.false((await readFile(files[1]!, 'utf8')).includes('NaN'))
})

test('a moving average looks back, and leaves out what is not finite', (t) => {
  t.deepEqual(movingAverage([1, 2, 3, 4], 2), [1, 1.5, 2.5, 3.5])
  t.deepEqual(movingAverage([1, Number.NaN, 3], 2), [1, 1, 3])
})

test('a log with a torn last line and a repeated outer step is read', async (t) => {
  const path = join(await temporaryDirectory(t), 'metrics.jsonl')
  const line = (outerStep: number, metaLoss: number | null) =>
    JSON.stringify({ outerStep, innerSteps: 100 * outerStep, metaLoss })
  await writeFile(
    path,
    `${line(1, 3)}\n${line(2, 2)}\n${line(1, 2.5)}\n${line(3, null)}\n{"outerStep": 4, "inn`,
  )
  const records = await readMetrics(path)
  t.deepEqual(
    records.map(({ outerStep, metaLoss }) => [outerStep, metaLoss]),
    [
      [1, 2.5],
      [2, 2],
      [3, Number.NaN],
    ],
  )
})

test('a log that is damaged before its end, or missing, is refused', async (t) => {
  const directory = await temporaryDirectory(t)
  const path = join(directory, 'metrics.jsonl')
  await writeFile(
    path,
    '{"outerStep":1,"innerSteps":1,"metaLoss":1}\n{"outer\n{"outerStep":2,"innerSteps":1,"metaLoss":1}\n',
  )
  const error = await t.throwsAsync(readMetrics(path), { code: 'DATA_INVALID' })
  t.regex(error!.message, /line 2/)
  await t.throwsAsync(readMetrics(join(directory, 'absent.jsonl')), { code: 'DATA_INVALID' })
})
