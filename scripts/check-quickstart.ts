/**
 * Holds the README's claim against what `npm run quickstart` has written: npx tsx scripts/check-quickstart.ts [DIR]
 *
 * At 500 inner steps the learned optimizer's mean normalised test loss is below that of Adam at its best single rate, over
 * the run and at the end, on at least 20 held-out tasks. The run is the same on every machine, so this is no gamble.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Evaluation } from '../ts/evaluate/evaluation.js'

const directory = process.argv[2] ?? join('runs', 'quickstart')
const evaluation = JSON.parse(readFileSync(join(directory, 'evaluation.json'), 'utf8')) as Evaluation
const rows = evaluation.horizons.find(({ innerSteps }) => innerSteps === 500)?.rows ?? []
const [learned, adam] = ['learned', 'adam-single'].map((id) => rows.find((row) => row.id === id)?.normalized)
if (learned === undefined || adam === undefined || evaluation.tasks.length < 20) {
  throw new Error(`${directory}: expected an evaluation of 20 tasks or more at 500 inner steps`)
}
const failures = (['curve', 'final'] as const).filter((metric) => {
  const [ours, theirs] = [learned[metric].mean.value, adam[metric].mean.value]
  console.log(`${metric}: learned ${ours.toFixed(4)}, Adam at its best single rate ${theirs.toFixed(4)}`)
  return ours >= theirs
})
if (failures.length > 0) throw new Error(`the learned optimizer is not better in: ${failures.join(', ')}`)
