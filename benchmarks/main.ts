/** Runs one benchmark: npm run bench -- inner|outer|apply|record|self-training [OPTIONS] */
import { benchmarkApply } from './apply.js'
import { benchmarkInner } from './inner.js'
import { benchmarkOuter } from './outer.js'
import { record } from './record.js'
import { benchmarkSelfTraining } from './selfTraining.js'

const benchmarks = new Map([
  ['inner', benchmarkInner],
  ['outer', benchmarkOuter],
  ['apply', benchmarkApply],
  ['record', record],
  ['self-training', benchmarkSelfTraining],
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
