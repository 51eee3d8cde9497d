/** Copies the golden vectors that the tests read into test/fixtures/golden: npx tsx scripts/copy-golden.ts SOURCE_DIR */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

type Json = Record<string, unknown>

const source = process.argv[2]
if (source === undefined) throw new Error('usage: npx tsx scripts/copy-golden.ts SOURCE_DIR')
const target = new URL('../test/fixtures/golden/', import.meta.url).pathname

function read(file: string): Json {
  return JSON.parse(readFileSync(join(source as string, file), 'utf8')) as Json
}

function write(file: string, value: Json): void {
  writeFileSync(join(target, file), `${JSON.stringify(value)}\n`)
}

function pick(from: Json, keys: string[]): Json {
  return Object.fromEntries(keys.map((key) => [key, from[key]]))
}

function without(from: Json, isDropped: (key: string) => boolean): Json {
  return Object.fromEntries(Object.entries(from).filter(([key]) => !isDropped(key)))
}

mkdirSync(target, { recursive: true })
write('inputs.json', read('inputs.json'))
for (const file of readdirSync(source)) if (file.startsWith('opt_')) write(file, read(file))

// The double-precision columns are the authority for losses and gradients.
const { cases, ...tasksHeader } = read('tasks.json')
const isSinglePrecision = (key: string) => key === 'loss' || key === 'grads'
const taskCases = (cases as Json[]).map((task) => [task.name, without(task, isSinglePrecision)])
write('tasks.json', { ...tasksHeader, cases: Object.fromEntries(taskCases) })

// Of the runs what the estimators look at: losses, not how they came about.
const { end_to_end: runs, ...estimators } = read('estimators.json')
const isInner = (key: string) =>
  ['lopt', 'lopt_config', 'task', 'init_params', 'theta', 'data', 'data_layout'].includes(key)
const withoutInner = (run: Json): Json => without(run, isInner)
write('estimators.json', {
  ...estimators,
  end_to_end: (runs as Json[])
    .filter((run) => 'calls' in run || 'loss_pos' in run)
    .map((run) => ({
      ...withoutInner(run),
      ...('calls' in run && { calls: (run.calls as Json[]).map(withoutInner) }),
    })),
})

const spec = read('spec_cases.json')
write('spec_cases.json', {
  ...pick(spec, ['about', 'param_leaves', 'formulas']),
  cases: spec.cases,
  estimators: spec.estimators,
})
