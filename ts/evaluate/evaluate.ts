/**
 * Evaluates an optimizer against SGD, momentum and Adam on tasks it was not trained on.
 *
 * Every setting is run once on every (task, seed), to the longest horizon, with the same initial params and the same
 * minibatches. Rates are chosen on outer-validation and reported on test; the scales are those of normalize.ts.
 */
import { z } from 'zod'
import type { DatasetSpec } from '../config/datasetSpec.js'
import { float32Array, path } from '../config/fields.js'
import { isLearned, type OptimizerConfig, optimizerConfigSchema } from '../config/optimizerConfig.js'
import { parseWith } from '../config/parse.js'
import { scaleSteps } from '../config/scaleSteps.js'
import { OuterloopError } from '../errors.js'
import { Dataset, loadDatasets, numElements, thetaLayout } from '../native.js'
import { heldOutTasks } from '../tasks/catalogue.js'
import { Key, purposes } from '../tasks/key.js'
import { loadWeights } from '../weights/weightFile.js'
import { assembleEvaluation } from './assembleEvaluation.js'
import { baselinePool, POOL_VERSION } from './baselines.js'
import {
  type EvaluateOptions,
  type EvaluateOwn,
  type EvaluationSettings,
  parseEvaluateOptions,
} from './evaluateOptions.js'
import type { Evaluation, EvaluationTask } from './evaluation.js'
import type { SettingRuns } from './settingScores.js'
import { TaskRunner } from './taskRunner.js'

/** What can be evaluated: an optimizer with its theta (empty for a hand-designed one). */
export interface EvaluationSubject {
  theta: Float32Array
  optimizer: OptimizerConfig
}

/**
 * Runs the evaluation and returns its scores and figures' data as plain JSON.
 *
 * @param subject - An optimizer and its theta, or the path of a weight file that tells both: see {@link loadWeights}, whose
 *  result is a subject too, for files that lack something.
 * @param options - See {@link EvaluateOptions}. The defaults are 4.1 million inner steps: 24 tasks ×
 *  43 settings × 2 seeds × 2,000; `tasks`, `seeds` and `innerSteps` scale that, `cacheDir` saves all but a 43rd of it
 *  the next time.
 * @throws {OuterloopError} `INVALID_OPTION` for a wrong option, `CHECKPOINT_INVALID` for an unusable theta file,
 *  `DEVICE_UNAVAILABLE` if this machine lacks the instruction set that `cpu` names.
 * @throws `AbortError` when `signal` fires.
 * @example
 * const evaluation = await evaluate('run/theta.safetensors', { tasks: 4, innerSteps: [500] })
 * console.log(formatTable(evaluation))
 * await evaluate(await loadWeights('celo/theta.state', { optimizer: { phase: 2 } }))
 * @see {@link Evaluation}
 */
export async function evaluate(
  subject: EvaluationSubject | string,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const { own, ...settings } = parseEvaluateOptions(options)
  const { theta, optimizer } = await settleSubject(subject)
  const tasks = chooseTasks(settings.tasks)
  const learners = settings.stepMultipliers.map((factor) => scaleSteps(optimizer, factor))
  const datasets = await datasetsOf(tasks, own.datasets, settings.maxMemoryBytes)
  for (const note of datasets.flatMap(({ info }) => info.notes)) own.onNote?.(note)
  const runner = new TaskRunner(settings, own, {
    datasets,
    learners,
    theta,
    numTasks: tasks.length,
  })
  const pool: SettingRuns[] = baselinePool().map(({ name, lr }) => ({ name, value: lr, runs: [] }))
  const learned: SettingRuns[] = settings.stepMultipliers.map((value) => ({
    name: subjectName(optimizer),
    value,
    runs: [],
  }))
  for (const task of tasks) {
    const curves = await runner.run(task)
    for (const [i, setting] of [...pool, ...learned].entries()) setting.runs.push(curves[i]!)
  }
  const random = new Key(settings.seed, purposes.evaluation)
  const header = { optimizer, tasks, settings: { ...recorded(settings), poolVersion: POOL_VERSION } }
  return assembleEvaluation(header, pool, learned, (n) => random.integer(n))
}

/** What {@link loadWeights} gives is a subject too, so there may be metadata and notes. */
const subjectSchema = z.strictObject({
  theta: float32Array(),
  optimizer: optimizerConfigSchema,
  metadata: z.record(z.string(), z.unknown()).optional(),
  notes: z.array(z.string()).optional(),
})

/** The subject, read or copied: a caller who goes on with the arrays changes nothing. */
async function settleSubject(subject: EvaluationSubject | string): Promise<EvaluationSubject> {
  if (typeof subject === 'string') return loadWeights(parseWith(path(), subject, 'subject'))
  const { theta, optimizer } = parseWith(subjectSchema, subject, 'subject')
  const length = thetaLayout(optimizer).reduce((sum, leaf) => sum + numElements(leaf), 0)
  if (theta.length !== length) {
    const message = `expected \`subject.theta\` to have the ${length} weights of ${optimizer.name}, got ${theta.length}`
    throw new OuterloopError('SHAPE_MISMATCH', message)
  }
  return { theta: theta.slice(), optimizer }
}

/** How tables call it. */
function subjectName(optimizer: OptimizerConfig): string {
  return isLearned(optimizer) ? 'learned' : optimizer.name
}

function chooseTasks(tasks: EvaluationSettings['tasks']): EvaluationTask[] {
  if (Array.isArray(tasks)) return tasks
  if (tasks !== undefined && tasks > heldOutTasks.length) {
    throw new OuterloopError(
      'INVALID_OPTION',
      `expected \`tasks\` to be at most ${heldOutTasks.length}, the size of the held-out suite, got ${tasks}`,
    )
  }
  // Copies: the result is the caller's, the suite is nobody's to change.
  return heldOutTasks.slice(0, tasks).map(({ name, config }) => ({ name, config: structuredClone(config) }))
}

/** What the result depends on: not threads, the backend, the cache or memory; tasks say which data there are. */
function recorded(settings: EvaluationSettings) {
  const {
    tasks: _tasks,
    threads: _threads,
    cpu: _cpu,
    cacheDir: _cacheDir,
    maxMemoryBytes: _bytes,
    ...rest
  } = settings
  return rest
}

/** The caller's data sets, and the bundled ones that tasks name besides. */
async function datasetsOf(
  tasks: readonly EvaluationTask[],
  datasets: EvaluateOwn['datasets'],
  maxMemoryBytes: number,
): Promise<Dataset[]> {
  const named = new Set(tasks.flatMap(({ config }) => ('dataset' in config ? [config.dataset] : [])))
  const given = datasets.filter((dataset) => Dataset.isDataset(dataset))
  const specs = datasets.filter((dataset): dataset is DatasetSpec => !Dataset.isDataset(dataset))
  for (const { info } of given) named.delete(info.name)
  const held = given.reduce((sum, { info }) => sum + info.memoryBytes, 0)
  const loaded = await loadDatasets(named, specs, { maxMemoryBytes: Math.max(1, maxMemoryBytes - held) })
  return [...given, ...loaded]
}
