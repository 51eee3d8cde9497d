/** The engine's functions as callers of the package see them: every argument is checked before anything native. */
import { availableParallelism } from 'node:os'
import { z } from 'zod'
import {
  abortSignal,
  type CpuName,
  callback,
  cpuName,
  float32Array,
  instanceOf,
  integer,
  threadCount,
} from './config/fields.js'
import {
  isLearned,
  type OptimizerConfig,
  type OptimizerConfigInput,
  optimizerConfigSchema,
} from './config/optimizerConfig.js'
import { parseWith } from './config/parse.js'
import { type TaskConfigInput, taskConfigSchema } from './config/taskConfig.js'
import { OuterloopError } from './errors.js'
import * as native from './native.js'
import type { Curve, CurveJob, Doctor, JobOptions, ThetaLeaf } from './nativeTypes.js'

/** Data sets in memory, each with a name of its own. */
export function datasetList() {
  return z
    .array(instanceOf(native.Dataset, native.Dataset.isDataset, 'a Dataset'))
    .refine((list) => new Set(list.map(({ info }) => info.name)).size === list.length, {
      error: 'data sets of different names',
      when: ({ issues }) => issues.length === 0,
    })
}

const splits = z.array(z.enum(['train', 'innerValid', 'outerValid', 'test']))

const jobSchema = z.strictObject({
  task: taskConfigSchema,
  optimizer: optimizerConfigSchema,
  theta: integer(0).optional(),
  seed: integer(0),
  replica: integer(0),
  innerSteps: integer(1, 10_000_000),
  evalEvery: integer(1, 2 ** 32),
  evalBatches: integer(1, 1_000_000),
  splits,
})

const jobOptionsSchema = z.strictObject({
  threads: threadCount().optional(),
  cpu: cpuName().optional(),
  signal: abortSignal().optional(),
  onProgress: callback<(progress: { done: number; total: number }) => void>().optional(),
})

/**
 * Leaves of an optimizer's theta, in flat order; empty for a hand-designed optimizer.
 *
 * @throws {OuterloopError} `INVALID_OPTION` naming the option.
 */
export function thetaLayout(optimizer: OptimizerConfigInput): ThetaLeaf[] {
  return native.thetaLayout(parseWith(optimizerConfigSchema, optimizer, 'optimizer'))
}

/**
 * Candidate `index` of the first thetas that `seed` names; empty for a hand-designed optimizer.
 *
 * @param seed - An integer from 0 to 2⁵³ − 1.
 * @param index - An integer from 0 to 2³² − 1.
 * @throws {OuterloopError} `INVALID_OPTION` naming the argument.
 */
export function initTheta(optimizer: OptimizerConfigInput, seed: number, index: number): Float32Array {
  return native.initTheta(
    parseWith(optimizerConfigSchema, optimizer, 'optimizer'),
    parseWith(integer(0), seed, 'seed'),
    parseWith(integer(0, 2 ** 32 - 1), index, 'index'),
  )
}

/**
 * Parameter tensors of a task, and their number of elements.
 *
 * @param datasets - Those that the task names.
 * @throws {OuterloopError} `INVALID_OPTION` naming the option, or if the task's data set is not among `datasets`.
 */
export function describeTask(
  task: TaskConfigInput,
  datasets: native.Dataset[],
): { params: ThetaLeaf[]; numParams: number } {
  return native.describeTask(
    parseWith(taskConfigSchema, task, 'task'),
    parseWith(datasetList(), datasets, 'datasets'),
  )
}

/**
 * Trains every job from its start, and evaluates along the way.
 *
 * @param thetas - Weights of learned optimizers, which jobs name by their place.
 * @param datasets - Those that the tasks name.
 * @throws {OuterloopError} `INVALID_OPTION` for a wrong job or option, `SHAPE_MISMATCH` if a theta is not of a job's
 *  optimizer, `DEVICE_UNAVAILABLE` if this machine lacks the instruction set that `cpu` names.
 */
export async function runCurves(
  jobs: CurveJob[],
  thetas: Float32Array[],
  datasets: native.Dataset[],
  options: JobOptions = {},
): Promise<Curve[]> {
  const list = parseWith(z.array(jobSchema), jobs, 'jobs')
  const weights = parseWith(z.array(float32Array()), thetas, 'thetas')
  const sets = parseWith(datasetList(), datasets, 'datasets')
  const { threads, cpu, signal, onProgress } = parseWith(jobOptionsSchema, options)
  for (const [i, { optimizer, theta }] of list.entries())
    checkTheta(`jobs[${i}].theta`, optimizer, theta, weights)
  return native.runCurves(list as CurveJob[], weights, sets, {
    threads: threads === undefined || threads === 'auto' ? availableParallelism() : threads,
    ...(cpu !== undefined && { cpu }),
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  })
}

function checkTheta(
  name: string,
  optimizer: OptimizerConfig,
  index: number | undefined,
  thetas: readonly Float32Array[],
): void {
  const refuse = (expected: string) => {
    const got = index === undefined ? 'nothing' : String(index)
    throw new OuterloopError('INVALID_OPTION', `expected \`${name}\` to be ${expected}, got ${got}`)
  }
  if (!isLearned(optimizer)) return
  if (index === undefined || index >= thetas.length) refuse(`the place of a theta of ${optimizer.name}`)
}

/**
 * Looks at the machine.
 *
 * @param options - `cpu`: the option whose `backend` is told. Default `auto`.
 * @throws {OuterloopError} `INVALID_OPTION` if `cpu` or the environment variable `OUTERLOOP_CPU` names no instruction
 *  set, `DEVICE_UNAVAILABLE` if this machine lacks it.
 */
export function doctor(options: { cpu?: CpuName | undefined } = {}): Doctor {
  const { cpu } = parseWith(z.strictObject({ cpu: cpuName().optional() }), options)
  return native.doctor({ ...(cpu !== undefined && { cpu }) })
}
