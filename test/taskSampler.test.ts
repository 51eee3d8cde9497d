/** Keys and the samplers built on them: determinism, ranges, distributions. */
import test from 'ava'
import { parseWith } from '../ts/config/parse.js'
import { presets } from '../ts/config/presets.js'
import { type MlpTaskConfig, type QuadraticTaskConfig, taskConfigSchema } from '../ts/config/taskConfig.js'
import { taskMixtureSchema } from '../ts/config/taskMixture.js'
import { Key, purposes } from '../ts/tasks/key.js'
import { sampleTask } from '../ts/tasks/taskSampler.js'

const NUM_DRAWS = 2000
const root = new Key(7, purposes.taskSample)

function draw<Task>(mixture: unknown, numDraws = NUM_DRAWS): Task[] {
  const complete = parseWith(taskMixtureSchema, mixture)
  return Array.from({ length: numDraws }, (_, i) => sampleTask(complete, root.fold(i)) as Task)
}

/** Whether a share seen in `n` draws agrees with a probability: within 5 standard errors, wrong once in 1.7 million. */
function agrees(numHits: number, n: number, probability: number): boolean {
  return Math.abs(numHits / n - probability) < 5 * Math.sqrt((probability * (1 - probability)) / n)
}

test('a key gives the same draws again; seed, purpose and path each change them', (t) => {
  const words = (key: Key) => Array.from({ length: 100 }, () => key.word())
  const first = words(new Key(7, 4, [1, 2]))
  t.deepEqual(words(new Key(7, 4, [1, 2])), first)
  t.deepEqual(words(new Key(7, 4).fold(1).fold(2)), first)
  for (const other of [
    new Key(8, 4, [1, 2]),
    new Key(7, 6, [1, 2]),
    new Key(7, 4, [2, 1]),
    new Key(7, 4, [1]),
  ]) {
    t.notDeepEqual(words(other), first)
  }
})

test('a folded key does not depend on what was drawn from its parent', (t) => {
  const parent = new Key(7, 4)
  const before = parent.fold(3).word()
  parent.uniform()
  t.is(parent.fold(3).word(), before)
})

test('uniform reals have mean 1/2 and variance 1/12', (t) => {
  const key = root.fold(1)
  const n = 20_000
  const values = Array.from({ length: n }, () => key.uniform())
  t.true(values.every((value) => value >= 0 && value < 1))
  const mean = values.reduce((sum, value) => sum + value, 0) / n
  const variance = values.reduce((sum, value) => sum + (value - 0.5) ** 2, 0) / n
  // Five standard errors of each: √(1/12/n) and √(1/180/n).
  t.true(Math.abs(mean - 1 / 2) < 5 * Math.sqrt(1 / 12 / n), String(mean))
  t.true(Math.abs(variance - 1 / 12) < 5 * Math.sqrt(1 / 180 / n), String(variance))
})

test('integers are floor(word · n / 2^32) to the last bit, up to n = 2^32', (t) => {
  for (const n of [1, 2, 10, 65_536, 65_537, 4_294_967_295, 4_294_967_296]) {
    const [words, integers] = [root.fold(n), root.fold(n)]
    for (let i = 0; i < 200; i++) {
      t.is(integers.integer(n), Number((BigInt(words.word()) * BigInt(n)) >> 32n))
    }
  }
})

test('normal draws have the asked mean and standard deviation', (t) => {
  const key = root.fold(2)
  const n = 20_000
  const values = Array.from({ length: n }, () => key.normal(3, 2))
  const mean = values.reduce((sum, value) => sum + value, 0) / n
  const variance = values.reduce((sum, value) => sum + (value - 3) ** 2, 0) / n
  t.true(Math.abs(mean - 3) < (5 * 2) / Math.sqrt(n), String(mean))
  t.true(Math.abs(variance - 4) < 5 * 4 * Math.sqrt(2 / n), String(variance))
})

test('weighted choices come in proportion, in any order of the weights', (t) => {
  const draws = (weights: Record<string, number>, key: Key) =>
    Array.from({ length: NUM_DRAWS }, () => key.weightedChoice(weights))
  const names = draws({ a: 6, b: 3, c: 1 }, root.fold(3))
  t.deepEqual(draws({ c: 1, a: 6, b: 3 }, root.fold(3)), names)
  for (const [name, probability] of [
    ['a', 0.6],
    ['b', 0.3],
    ['c', 0.1],
  ] as const) {
    const numHits = names.filter((other) => other === name).length
    t.true(agrees(numHits, NUM_DRAWS, probability), `${name}: ${numHits}`)
  }
})

test('log-uniform integers reach both ends, in proportion to the logarithm', (t) => {
  const key = root.fold(4)
  const values = Array.from({ length: NUM_DRAWS }, () => key.logUniformInteger(1, 20))
  t.is(Math.min(...values), 1)
  t.is(Math.max(...values), 20)
  // Reals below 4.5 round to 4 or less.
  const numLow = values.filter((value) => value <= 4).length
  t.true(agrees(numLow, NUM_DRAWS, Math.log(4.5) / Math.log(20)), String(numLow))
})

test('the mlp family keeps to its ranges and reaches all of its choices', (t) => {
  const tasks = draw<MlpTaskConfig>(presets.paper2020.tasks)
  for (const task of tasks) {
    t.deepEqual(taskConfigSchema.parse(task), task)
    t.true(task.hidden.length >= 1 && task.hidden.length <= 6)
    t.true(task.hidden.every((width) => width >= 16 && width <= 128))
    t.true(task.batchSize >= 8 && task.batchSize <= (task.dataset === 'cifar8' ? 256 : 512))
    t.true(task.numTrain !== undefined && task.numTrain >= 1000 && task.numTrain <= 14_000)
    if ('scale' in task.init) t.true(task.init.scale >= 0.1 && task.init.scale <= 10)
  }
  const distinct = (pick: (task: MlpTaskConfig) => unknown) => new Set(tasks.map(pick)).size
  t.is(
    distinct((task) => task.dataset),
    3,
  )
  t.is(
    distinct((task) => task.activation),
    9,
  )
  t.is(
    distinct((task) => task.init.name),
    9,
  )
  t.is(
    distinct((task) => task.pixels),
    2,
  )
  t.is(
    distinct((task) => task.hidden.length),
    6,
  )
  const numRelu = tasks.filter((task) => task.activation === 'relu').length
  t.true(agrees(numRelu, NUM_DRAWS, 6 / 16), String(numRelu))
})

test('the quadratic family keeps to its ranges and reaches all of its choices', (t) => {
  const tasks = draw<QuadraticTaskConfig>({ family: 'quadratic' })
  for (const task of tasks) {
    t.deepEqual(taskConfigSchema.parse(task), task)
    t.true(task.dims >= 2 && task.dims <= 3000)
    t.true(task.lossScale >= 1e-5 && task.lossScale <= 1e3)
    t.true(task.instanceSeed < 100_000)
  }
  t.is(new Set(tasks.map((task) => task.matrix.kind)).size, 4)
  t.is(new Set(tasks.map((task) => task.noise?.kind)).size, 5)
  t.is(new Set(tasks.map((task) => task.start.kind)).size, 2)
  const numNoisy = tasks.filter((task) => task.noise !== null).length
  t.true(agrees(numNoisy, NUM_DRAWS, 0.5), String(numNoisy))
})

test('a fixed mixture draws in proportion to the weights', (t) => {
  const config = (dims: number) => ({ ...draw<QuadraticTaskConfig>({ family: 'quadratic' }, 1)[0]!, dims })
  const tasks = draw<QuadraticTaskConfig>({
    tasks: [{ config: config(2), weight: 3 }, { config: config(3) }],
  })
  const numFirst = tasks.filter((task) => task.dims === 2).length
  t.true(agrees(numFirst, NUM_DRAWS, 0.75), String(numFirst))
})

test('the scale rule draws log-uniform factors, one for a task or one for each of its tensors', (t) => {
  const config = { family: 'mlp', dataset: 'mnist8', hidden: [8, 8] }
  const drawn = (per: string) =>
    draw<MlpTaskConfig>({ tasks: [{ config }], paramScale: { min: 1e-3, max: 1e3, per } })
  const whole = drawn('task').map((task) => task.paramScale as number)
  t.true(whole.every((scale) => scale >= 1e-3 && scale <= 1e3))
  // A third of the logarithm lies below 1e-1.
  const numLow = whole.filter((scale) => scale < 1e-1).length
  t.true(agrees(numLow, NUM_DRAWS, 1 / 3), String(numLow))
  // Biases and weights of three layers.
  const lists = drawn('tensor').map((task) => task.paramScale as number[])
  t.true(lists.every((scales) => scales.length === 6 && new Set(scales).size > 1))
  t.true(lists.flat().every((scale) => scale >= 1e-3 && scale <= 1e3))
})

test('a mixture with scales draws the same tasks and the same label noise as without', (t) => {
  const { tasks, labelNoise } = presets.quick.tasks as { tasks: object; labelNoise: object }
  const without = draw<MlpTaskConfig>({ tasks, labelNoise }, 100)
  const scaled = draw<MlpTaskConfig>({ tasks, labelNoise, paramScale: { min: 0.5, max: 2 } }, 100)
  t.deepEqual(
    scaled.map(({ paramScale: _paramScale, ...task }) => task),
    without,
  )
})

test('a quadratic in a mixture with scales stays as it is', (t) => {
  const config = draw<QuadraticTaskConfig>({ family: 'quadratic' }, 1)[0]!
  const tasks = draw<QuadraticTaskConfig>({ tasks: [{ config }], paramScale: { min: 0.5, max: 2 } }, 3)
  t.deepEqual(tasks, [config, config, config])
})

test('the label-noise rule hits its share of the tasks, with rates below its maximum', (t) => {
  const tasks = draw<MlpTaskConfig>(presets.quick.tasks)
  const noisy = tasks.filter((task) => task.labelNoise > 0)
  t.true(agrees(noisy.length, NUM_DRAWS, 0.5), String(noisy.length))
  t.true(noisy.every((task) => task.labelNoise <= 0.9))
  t.true(noisy.some((task) => task.labelNoise > 0.8))
})
