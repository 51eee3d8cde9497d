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

/** The command `npm run bench -- record [--part inner|apply] [--seconds 2] [--note TEXT]`. */
export async function record(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      part: { type: 'string' },
      seconds: { type: 'string', default: '2' },
      note: { type: 'string' },
    },
  })
  const { part, note } = values
  if (part !== undefined && part !== 'inner' && part !== 'apply') {
    throw new Error(`expected \`--part\` to be inner or apply, got ${part}`)
  }
  const seconds = Number(values.seconds)
  if (part !== 'apply') write('', note, await inner(seconds))
  if (part !== 'inner') write('-apply', note, await applied(seconds))
}

async function inner(seconds: number): Promise<InnerResult[]> {
  const results: InnerResult[] = []
  for (const [task, batch] of TASKS) {
    for (const optimizer of OPTIMIZERS) {
      for (const threads of new Set([1, doctor().threads])) {
        const result = await measureInner({ task, batch, optimizer, threads, seconds })
        console.log(describe(result))
        results.push(result)
      }
    }
  }
  return results
}

async function applied(seconds: number): Promise<ApplyResult[]> {
  const results: ApplyResult[] = []
  for (const numParams of APPLIED_PARAMS) {
    for (const optimizer of Object.keys(appliedOptimizers)) {
      const options = { threads: doctor().threads, seconds, cpu: 'auto' } as const
      const result = await measureApply(optimizer, numParams, options)
      console.log(describeApply(result))
      results.push(result)
    }
  }
  return results
}

/** Writes `records/<cpu-model>/<date><suffix>.json`. */
function write(suffix: string, note: string | undefined, results: (InnerResult | ApplyResult)[]): void {
  const { backend, cpuModel } = doctor()
  const date = new Date().toISOString().slice(0, 10)
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
  const slug = cpuModel
    .toLowerCase()
    .replaceAll(/\((r|tm)\)/g, '')
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')
  const directory = fileURLToPath(new URL(`records/${slug}/`, import.meta.url))
  mkdirSync(directory, { recursive: true })
  const path = `${directory}${date}${suffix}.json`
  const content = { date, commit, cpuModel, backend, node: process.version, ...(note && { note }), results }
  writeFileSync(path, `${JSON.stringify(content, null, 2)}\n`)
  console.log(`Written: ${path}`)
}
