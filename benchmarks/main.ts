/** Runs one benchmark: npm run bench -- inner|outer|apply|record [OPTIONS] */
import { benchmarkApply } from './apply.js'
import { benchmarkInner } from './inner.js'
import { benchmarkOuter } from './outer.js'
import { record } from './record.js'

const benchmarks = new Map([
  ['inner', benchmarkInner],
  ['outer', benchmarkOuter],
  ['apply', benchmarkApply],
  ['record', record],
])
const [name, ...args] = process.argv.slice(2)
const benchmark = benchmarks.get(name ?? '')
if (benchmark === undefined) {
  console.error(
    `expected the name of a benchmark (${[...benchmarks.keys()].join(', ')}), got ${name ?? 'none'}`,
  )
  process.exit(2)
}
try {
  await benchmark(args)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exit(2)
}
