/** Runs one benchmark: npm run bench -- inner [OPTIONS] */
import { benchmarkInner } from './inner.js'

const [name, ...args] = process.argv.slice(2)
if (name !== 'inner') {
  console.error(`expected the name of a benchmark (inner), got ${name ?? 'none'}`)
  process.exit(2)
}
await benchmarkInner(args)
