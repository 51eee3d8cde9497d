/**
 * A program for memory.test.ts: drops objects with much native memory, in a loop that never leaves JavaScript, and prints the
 * most memory that the process has had, in MB, and the time.
 */
import { createOptimizer, datasetFromArrays } from '../../ts/index.js'

const [kind = 'states', rounds = '200'] = process.argv.slice(2)
const MEGABYTES = 32
const length = (MEGABYTES << 20) / 8
const params = { w: { data: new Float32Array(length), shape: [length] } }
const optimizer = createOptimizer({ name: 'adam', lr: 1e-3 })
const size = 1024
const images = new Uint8Array(MEGABYTES << 20)
const labels = Uint8Array.from({ length: images.length / size }, (_, i) => i % 2)

const make: Record<string, () => unknown> = {
  // Two moments of 16 MB each.
  states: () => optimizer.init(params, { threads: 1 }).iteration,
  closed: () => optimizer.init(params, { threads: 1 }).close(),
  datasets: () =>
    datasetFromArrays({ name: 'd', images, labels, height: 32, width: 32, channels: 1, numClasses: 2 }).info,
}

let most = 0
const start = performance.now()
for (let i = 0; i < Number(rounds); i++) {
  make[kind]!()
  most = Math.max(most, process.memoryUsage.rss())
}
console.log(
  JSON.stringify({ megabytes: Math.round(most / 2 ** 20), ms: Math.round(performance.now() - start) }),
)
