/**
 * Measures inner loops on three problems, with one thread and with all, and single updates of two large models with all;
 * keeps the results under benchmarks/records/.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { doctor } from '../ts/native.js'
import { type ApplyResult, appliedOptimizers, describeApply, measureApply } from './apply.js'
import { describe, type InnerResult, measureInner, type OptimizerName } from './inner.js'

/** What the record holds: a small, a middle and a large problem. */
const TASKS = [
  ['mlp-64-32-10', 64],
  ['mlp-784-128-10', 128],
  ['mlp-3072-256-256-10', 128],
] as const
const OPTIMIZERS: OptimizerName[] = [
  'adam',
  'mlp_lopt',
  'adafac_mlp',
  'adafac_mlp_32',
  'celo2',
  'celo2_orthogonal',
  'hierarchical',
]

/** Parameters of the models that are updated once at a time. */
const APPLIED_PARAMS = [1_000_000, 25_000_000]

/** The command `npm run bench -- record [--seconds 2] [--note TEXT]`. */
export async function record(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { seconds: { type: 'string', default: '2' }, note: { type: 'string' } },
  })
  const { backend, cpuModel, threads: allThreads } = doctor()
  const results: InnerResult[] = []
  for (const [task, batch] of TASKS) {
    for (const optimizer of OPTIMIZERS) {
      for (const threads of new Set([1, allThreads])) {
        const result = await measureInner({
          task,
          batch,
          optimizer,
          threads,
          seconds: Number(values.seconds),
        })
        console.log(describe(result))
        results.push(result)
      }
    }
  }
  const applied: ApplyResult[] = []
  for (const numParams of APPLIED_PARAMS) {
    for (const optimizer of Object.keys(appliedOptimizers)) {
      const options = { threads: allThreads, seconds: Number(values.seconds), cpu: 'auto' } as const
      const result = await measureApply(optimizer, numParams, options)
      console.log(describeApply(result))
      applied.push(result)
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
  const content = { date, commit, cpuModel, backend, node: process.version, ...note, results, applied }
  writeFileSync(path, `${JSON.stringify(content, null, 2)}\n`)
  console.log(`Written: ${path}`)
}
