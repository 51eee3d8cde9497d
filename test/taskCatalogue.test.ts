/** The named tasks: valid, told apart by their names, and held out where they say so. */
import test from 'ava'
import { bundledDatasets } from '../ts/config/datasetSpec.js'
import { presets } from '../ts/config/presets.js'
import { taskConfigSchema } from '../ts/config/taskConfig.js'
import { taskMixtureSchema } from '../ts/config/taskMixture.js'
import { benchmarkTask, catalogue, findTask, heldOutTasks, mix2, recipeNets } from '../ts/tasks/catalogue.js'

test('every named task is a complete config on bundled data', (t) => {
  for (const { name, config } of catalogue) {
    t.deepEqual(taskConfigSchema.parse(config), config, name)
    t.true(config.family === 'mlp' && (bundledDatasets as readonly string[]).includes(config.dataset), name)
  }
})

test('names are unique and found', (t) => {
  const names = catalogue.map(({ name }) => name)
  t.is(new Set(names).size, names.length)
  for (const task of catalogue) t.is(findTask(task.name), task)
})

test('a name that is not there is refused, with the one that was meant', (t) => {
  const error = t.throws(() => findTask('fashion8-mlp-32-rela'), { code: 'INVALID_OPTION' })
  t.regex(error.message, /"fashion8-mlp-32-rela" \(did you mean "fashion8-mlp-32-relu"\?\)$/)
})

test('mix2 is what preset quick trains on', (t) => {
  const { tasks } = taskMixtureSchema.parse(presets.quick.tasks) as { tasks: { config: unknown }[] }
  t.deepEqual(
    mix2.map(({ config }) => config),
    tasks.map(({ config }) => config) as (typeof mix2)[number]['config'][],
  )
  t.is(mix2.length, 6)
})

test('the held-out suite has at least 20 tasks, none of them trained on, and a data set never trained on', (t) => {
  t.true(heldOutTasks.length >= 20)
  const trained = new Set(mix2.map(({ config }) => JSON.stringify(config)))
  for (const { name, config } of heldOutTasks) t.false(trained.has(JSON.stringify(config)), name)
  const datasetsOf = (tasks: typeof mix2) =>
    new Set(tasks.map(({ config }) => (config.family === 'mlp' ? config.dataset : '')))
  t.true(datasetsOf(heldOutTasks).has('fashion8'))
  t.false(datasetsOf(mix2).has('fashion8'))
})

test('the recipe’s four nets: the first is trained on, three are held out', (t) => {
  t.deepEqual(
    recipeNets.map(({ role }) => role),
    ['train', 'heldOut', 'heldOut', 'heldOut'],
  )
})

test('the benchmark task is the 64-32-10 net with minibatches of 64', (t) => {
  const { config } = benchmarkTask
  t.true(config.family === 'mlp' && config.batchSize === 64)
  t.deepEqual(config.family === 'mlp' && config.hidden, [32])
})
