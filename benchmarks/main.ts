/** Runs one benchmark: npm run bench -- inner|record [OPTIONS] */
import { benchmarkInner } from './inner.js'
import { record } from './record.js'

const [name, ...args] = process.argv.slice(2)
if (name === 'inner') {
  await benchmarkInner(args)
} else if (name === 'record') {
  await record(args)
} else {
  console.error(`expected the name of a benchmark (inner or record), got ${name ?? 'none'}`)
  process.exit(2)
}
