/** Measures every optimizer with one thread and with all, and keeps the result under benchmarks/records/. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { doctor } from '../ts/native.js'
import { describe, type InnerResult, measureInner, optimizers } from './inner.js'

/** The command `npm run bench -- record [--seconds 4] [--note TEXT]`. */
export async function record(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { seconds: { type: 'string', default: '4' }, note: { type: 'string' } },
  })
  const { backend, cpuModel, threads: allThreads } = doctor()
  const results: InnerResult[] = []
  for (const threads of new Set([1, allThreads])) {
    for (const optimizer of Object.keys(optimizers) as (keyof typeof optimizers)[]) {
      const options = { task: 'mlp-64-32-10', batch: 64, optimizer, threads, seconds: Number(values.seconds) }
      const result = await measureInner(options)
      console.log(describe(result))
      results.push(result)
    }
  }
  const date = new Date().toISOString().slice(0, 10)
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
  const slug = cpuModel
    .toLowerCase()
    .replaceAll(/\((r|tm)\)/g, '')
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
  const directory = fileURLToPath(new URL(`records/${slug}/`, import.meta.url))
  mkdirSync(directory, { recursive: true })
  const path = `${directory}${date}.json`
  const note = values.note === undefined ? {} : { note: values.note }
  const content = { date, commit, cpuModel, backend, node: process.version, ...note, results }
  writeFileSync(path, `${JSON.stringify(content, null, 2)}\n`)
  console.log(`Written: ${path}`)
}
