/** Options of {@link evaluate}: one schema with every default. */
import { z } from 'zod'
import { bundledDatasets, type DatasetSpec, datasetSpecSchema } from '../config/datasetSpec.js'
import {
  abortSignal,
  type CpuName,
  callback,
  cpuName,
  instanceOf,
  integer,
  MAX_MEMORY_BYTES,
  memoryBytes,
  path,
  positive,
  text,
  threadCount,
} from '../config/fields.js'
import { parseWith } from '../config/parse.js'
import { type TaskConfigInput, taskConfigSchema } from '../config/taskConfig.js'
import { OuterloopError } from '../errors.js'
import { Dataset } from '../native.js'

/** Other fields, such as the role of a task of the catalogue, are left out of the result. */
const namedTaskSchema = z.object({ name: text(), config: taskConfigSchema })

function haveOwnNames(tasks: readonly { name: string }[]): boolean {
  return new Set(tasks.map(({ name }) => name)).size === tasks.length
}

const settingsSchema = z.strictObject({
  tasks: z
    .union(
      [
        integer(1),
        z
          .array(namedTaskSchema)
          .min(1)
          .refine(haveOwnNames, {
            error: 'tasks of different names',
            when: ({ issues }) => issues.length === 0,
          }),
      ],
      {
        error: 'a number of tasks >= 1, or an array of at least one { name, config }',
      },
    )
    .optional(),
  seed: integer(0).default(0),
  seeds: integer(1, 1000).default(2),
  innerSteps: z
    .array(integer(1, 10_000_000))
    .min(1, { error: 'an array of at least one horizon' })
    .default([500, 2000]),
  evalEvery: integer(1).default(25),
  evalBatches: integer(1).default(8),
  stepMultipliers: z.array(positive()).min(1, { error: 'an array of at least one multiplier' }).default([1]),
  threads: threadCount().default('auto'),
  cpu: cpuName().default('auto'),
  maxMemoryBytes: memoryBytes().default(MAX_MEMORY_BYTES),
  cacheDir: path().optional(),
})

/** What is the caller's own: it is no part of the result. */
const ownSchema = z.strictObject({
  datasets: z
    .array(z.union([instanceOf(Dataset, Dataset.isDataset, 'a Dataset'), datasetSpecSchema]), {
      error: 'an array of data sets and of what to load',
    })
    .default([]),
  signal: abortSignal().optional(),
  onProgress: callback<(progress: { done: number; total: number }) => void>().optional(),
  onNote: callback<(message: string) => void>().optional(),
})

const optionsSchema = z.strictObject({ ...settingsSchema.shape, ...ownSchema.shape })

/** Options of {@link evaluate} with every default filled in. */
export type EvaluationSettings = z.infer<typeof settingsSchema>

/** A caller's data sets, signal and callbacks. */
export type EvaluateOwn = z.infer<typeof ownSchema>

/** Options of {@link evaluate}. */
export interface EvaluateOptions {
  /** Tasks to evaluate on, or how many of the held-out suite, from its start. Default: the whole suite. */
  tasks?: number | readonly { name: string; config: TaskConfigInput }[]
  /** Names the initial params and minibatches, and the bootstrap's draws. Default 0. */
  seed?: number
  /** Runs of every setting on every task, with different initial params and minibatches. Default 2.
   *  One: the intervals know nothing of the noise between runs. Cost is proportional. */
  seeds?: number
  /** Horizons, in inner steps. Default [500, 2000]. Every setting is run once, to the longest; the shorter ones must be
   *  multiples of `evalEvery` and are read off the curve. */
  innerSteps?: number[]
  /** Inner steps between two points of a curve. Default 25. */
  evalEvery?: number
  /** Minibatches a point is averaged over, on each of two splits. Default 8: about a tenth of the run time on small MLPs.
   *  Too few: the choice of a learning rate and the final losses are noisy. */
  evalBatches?: number
  /** Factors of the learned optimizer's steps (of the rate, if it is hand-designed). Default [1].
   *  More than one is tuning, and its rows say so. */
  stepMultipliers?: number[]
  /** Threads that run inner problems. Default `auto`: one for each core. Results do not depend on it. */
  threads?: 'auto' | number
  /** Instruction set of the engine. Default `auto`: the one that the environment variable `OUTERLOOP_CPU` names, else the
   *  best that this machine has. Results do not depend on it. */
  cpu?: CpuName
  /** Directory where the pool's curves are kept, one file for each task. Default: nothing is kept. */
  cacheDir?: string
  /** Most bytes of memory that data sets and runs may take, by an estimate. Default 8 GiB. Results do not depend on it. */
  maxMemoryBytes?: number
  /** Data sets the tasks name, besides the bundled ones: in memory, or what to load. */
  datasets?: readonly (Dataset | DatasetSpec)[]
  /** Stops the runs within one inner step each. */
  signal?: AbortSignal
  /** Called a few times a second with inner steps done and to do. What it throws stops the runs and rejects the call. */
  onProgress?: (progress: { done: number; total: number }) => void
  /** Told what a person should know: rare classes that the train split of a data set lacks, a file of `cacheDir` that is
   *  damaged and measured anew, a `cacheDir` that cannot be written. The evaluation goes on. */
  onNote?: (message: string) => void
}

/**
 * Checks the options and fills in the defaults.
 * @throws {OuterloopError} `INVALID_OPTION`.
 */
export function parseEvaluateOptions(options: EvaluateOptions): EvaluationSettings & { own: EvaluateOwn } {
  const { datasets, signal, onProgress, onNote, ...settings } = parseWith(optionsSchema, options)
  const innerSteps = [...new Set(settings.innerSteps)].sort((a, b) => a - b)
  for (const horizon of innerSteps.slice(0, -1)) {
    if (horizon % settings.evalEvery === 0) continue
    throw new OuterloopError(
      'INVALID_OPTION',
      `expected \`innerSteps\` to be multiples of \`evalEvery\` (${settings.evalEvery}) except the longest, got ${horizon}`,
    )
  }
  checkNames(datasets, settings.tasks)
  const own = { datasets, signal, onProgress, onNote }
  return { ...settings, innerSteps, stepMultipliers: [...new Set(settings.stepMultipliers)], own }
}

/** Names of data sets differ, and tasks name no others. */
function checkNames(datasets: EvaluateOwn['datasets'], tasks: EvaluationSettings['tasks']): void {
  const names = datasets.map((dataset) => (dataset instanceof Dataset ? dataset.info.name : dataset.name))
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) {
    const message = `expected \`datasets\` to have different names, got ${JSON.stringify(twice)} twice`
    throw new OuterloopError('INVALID_OPTION', message)
  }
  const known: string[] = [...new Set([...bundledDatasets, ...names])]
  for (const [i, { config }] of (Array.isArray(tasks) ? tasks : []).entries()) {
    if (config.family !== 'mlp' || known.includes(config.dataset)) continue
    const message =
      `expected \`tasks[${i}].config.dataset\` to be the name of a bundled data set or of one in \`datasets\` ` +
      `(${known.join(', ')}), got ${JSON.stringify(config.dataset)}`
    throw new OuterloopError('INVALID_OPTION', message)
  }
}
