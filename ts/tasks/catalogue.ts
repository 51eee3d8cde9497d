/** Fixed tasks by name: what preset `quick` trains on, and tasks to evaluate on that are not among them. */
import { deepFreeze } from '../config/freeze.js'
import { nearest, parseWith } from '../config/parse.js'
import { presets } from '../config/presets.js'
import {
  type Activation,
  type MlpTaskConfig,
  mlpTaskSchema,
  type TaskConfig,
  type TaskConfigInput,
} from '../config/taskConfig.js'
import { fixedMixtureSchema } from '../config/taskMixture.js'
import { OuterloopError } from '../errors.js'

/** What a named task is for. */
export type TaskRole = 'train' | 'heldOut' | 'benchmark'

/** A task with a name and a purpose. */
export interface NamedTask {
  /** Such as `mnist8-mlp-16x16-relu`; minibatches other than 64 are named too: `cifar8-mlp-64-relu-b32`. */
  readonly name: string
  readonly role: TaskRole
  readonly config: TaskConfig
}

/** The six MLPs that preset `quick` trains on. */
export const mix2: readonly NamedTask[] = named(
  'train',
  parseWith(fixedMixtureSchema, presets.quick.tasks).tasks.map(({ config }) => complete(config)),
)

/**
 * At least 20 tasks that are not in `mix2`: Fashion-MNIST is unseen as a whole, and on the data sets that are
 * seen, each net has a width, depth, activation or minibatch that is not. The data sets alternate, so that a part
 * from the start is mixed too. They cannot be changed.
 */
export const heldOutTasks: readonly NamedTask[] = named('heldOut', [
  mlp('fashion8', [32]),
  mlp('mnist8', [32, 32], 'tanh', 32),
  mlp('cifar8', [64, 64]),
  mlp('fashion8', [16, 16]),
  mlp('mnist8', [128]),
  mlp('cifar8', [16, 16, 16], 'tanh', 128),
  mlp('fashion8', [64], 'relu', 32),
  mlp('mnist8', [24, 24, 24]),
  mlp('cifar8', [8]),
  mlp('fashion8', [32], 'tanh'),
  mlp('mnist8', [48], 'swish', 128),
  mlp('cifar8', [128]),
  mlp('fashion8', []),
  mlp('mnist8', [32], 'elu', 16),
  mlp('cifar8', [32], 'tanh'),
  mlp('fashion8', [128]),
  mlp('mnist8', [8]),
  mlp('cifar8', [24, 24], 'relu', 256),
  mlp('fashion8', [64, 64]),
  mlp('mnist8', [64], 'cos'),
  mlp('cifar8', [48], 'elu', 16),
  mlp('fashion8', [32, 32, 32], 'elu', 128),
  mlp('mnist8', [32], 'sigmoid'),
  mlp('cifar8', [32, 32, 32, 32], 'leaky_relu2'),
])

/** The net that speed is measured on: 64 inputs, 32 hidden units, 10 classes, minibatches of 64. */
export const benchmarkTask: NamedTask = {
  name: 'mlp-64-32-10',
  role: 'benchmark',
  config: mlp('mnist8', [32]),
}

/** All named tasks. */
export const catalogue: readonly NamedTask[] = [...mix2, ...heldOutTasks, benchmarkTask]

/** The four nets that the recipe of preset `quick` was judged on. The first is in {@link mix2}, the rest held out. */
export const recipeNets: readonly NamedTask[] = [
  'cifar8-mlp-32-relu',
  'cifar8-mlp-64x64-relu',
  'mnist8-mlp-32x32-tanh-b32',
  'cifar8-mlp-16x16x16-tanh-b128',
].map(findTask)

/**
 * The task of a name.
 *
 * @throws {OuterloopError} `INVALID_OPTION` if there is none.
 */
export function findTask(name: string): NamedTask {
  const task = catalogue.find((candidate) => candidate.name === name)
  if (task !== undefined) return task
  const names = catalogue.map((candidate) => candidate.name)
  const near = nearest(name, names)
  const hint = near === undefined ? '' : ` (did you mean "${near}"?)`
  throw new OuterloopError(
    'INVALID_OPTION',
    `expected the task to be a name that \`outerloop tasks list\` prints, got "${name}"${hint}`,
  )
}

function mlp(
  dataset: string,
  hidden: readonly number[],
  activation: Activation = 'relu',
  batchSize = 64,
): MlpTaskConfig {
  return complete({ family: 'mlp', dataset, hidden: [...hidden], activation, batchSize })
}

function complete(config: TaskConfigInput): MlpTaskConfig {
  return parseWith(mlpTaskSchema, config)
}

function named(role: TaskRole, configs: readonly MlpTaskConfig[]): NamedTask[] {
  return deepFreeze(configs.map((config) => ({ name: nameOf(config), role, config })))
}

function nameOf({ dataset, hidden, activation, batchSize }: MlpTaskConfig): string {
  const batch = batchSize === 64 ? '' : `-b${batchSize}`
  return `${dataset}-mlp-${hidden.join('x') || 'linear'}-${activation}${batch}`
}
