import test from 'ava'
import { formatRate, formatScore, formatTable, rowLabel } from '../../ts/evaluate/table.js'
import { syntheticEvaluation } from './syntheticEvaluation.js'

test('figures are short, with a proper minus sign', (t) => {
  t.deepEqual([0.1234, -0.0456, 1, -0.0001, Number.NaN].map(formatScore), [
    '.123',
    '−.046',
    '1.000',
    '.000',
    '–',
  ])
  t.deepEqual([0.01, 0.00316227766, 3.16227766e-6, 1, 3.16].map(formatRate), [
    '0.01',
    '0.0032',
    '3.2e-6',
    '1',
    '3.2',
  ])
})

test('a table has every row at every horizon, aligned, and fits a wide terminal', (t) => {
  const evaluation = syntheticEvaluation(4, 2, [0.3, 1])
  const text = formatTable(evaluation)
  const lines = text.split('\n')
  t.true(Math.max(...lines.map((line) => line.length)) <= 150)
  for (const { rows } of evaluation.horizons) {
    for (const row of rows)
      t.true(
        lines.some((line) => line.startsWith(rowLabel(row))),
        row.id,
      )
  }
  const [header, rule] = lines.slice(2, 4)
  t.is(header!.length, rule!.length)
  t.is(new Set(lines.slice(4, 4 + evaluation.horizons[0]!.rows.length).map((line) => line.length)).size, 1)
})

test('an evaluation survives JSON', (t) => {
  const evaluation = syntheticEvaluation(8, 2)
  t.deepEqual(JSON.parse(JSON.stringify(evaluation)), evaluation)
})

test('a rate that differs between the metrics is shown for both', (t) => {
  const row = syntheticEvaluation(3, 1).horizons[0]!.rows.find(({ id }) => id === 'adam-single')!
  t.is(rowLabel({ ...row, lr: { curve: 0.01, final: 0.001 } }), 'Adam best single (0.01; 0.001)')
  t.is(rowLabel({ ...row, lr: { curve: 0.01, final: 0.01 } }), 'Adam best single (0.01)')
})
