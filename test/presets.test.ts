/** The recipes in `presets/`: what they are, what their sources say of them, and that each makes an outer step. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { defaultRunDirectory } from '../ts/cli/runDirectory.js'
import { parseWith } from '../ts/config/parse.js'
import { presetNames, recipeNames, recipes } from '../ts/config/presets.js'
import { recipeSchema } from '../ts/config/recipe.js'
import type { MlpTaskConfig, TaskConfig } from '../ts/config/taskConfig.js'
import { parseTrainConfig, type TrainConfig } from '../ts/config/trainConfig.js'
import { initTheta, numElements, thetaLayout } from '../ts/native.js'
import { frozenLeaves } from '../ts/outer/frozenLeaves.js'
import { Trainer } from '../ts/outer/trainer.js'
import { heldOutTasks } from '../ts/tasks/catalogue.js'
import { saveTheta } from '../ts/weights/thetaFile.js'
import { temporaryDirectory } from './program.js'

const config = (preset: (typeof presetNames)[number]): TrainConfig => parseTrainConfig({ preset })

test('the names are those of the files and of their phases', (t) => {
  const files = readdirSync(new URL('../presets/', import.meta.url))
  t.deepEqual(files.sort(), recipeNames.map((name) => `${name}.json`).sort())
  t.deepEqual(
    recipes.map(({ name }) => name),
    [...recipeNames],
  )
  t.deepEqual(
    recipes.flatMap(({ phases }) => phases.map(({ name }) => name)),
    [...presetNames],
  )
})

const recipe = {
  name: 'a',
  summary: 's',
  source: ['s'],
  differences: [],
  phases: [{ name: 'a', summary: 's', config: {} }],
}
const second = { name: 'a-2', summary: 's', over: 'a', config: {} }
const wrong: [what: string, input: unknown, message: string][] = [
  ['no source', { ...recipe, source: [] }, 'expected `source` to be an array of at least 1, got []'],
  [
    'a first phase of another name',
    { ...recipe, name: 'b' },
    'expected `phases[0].name` to be the name of the recipe ("b"), got "a"',
  ],
  [
    'two phases of one name',
    { ...recipe, phases: [...recipe.phases, { ...second, name: 'a' }] },
    'expected `phases[1].name` to be a name that no other phase has, got "a"',
  ],
  [
    'a phase over itself',
    { ...recipe, phases: [...recipe.phases, { ...second, over: 'a-2' }] },
    'expected `phases[1].over` to be an earlier phase, got "a-2"',
  ],
]
for (const [what, input, message] of wrong) {
  test(`a recipe with ${what} is refused`, (t) => {
    t.throws(() => parseWith(recipeSchema, input), { code: 'INVALID_OPTION', message })
  })
}

test('a phase that goes on starts from where the phase before writes by default', (t) => {
  const starts = {
    'paper2020-2': 'paper2020',
    'paper2020-2-pes': 'paper2020',
    'velo-2': 'velo',
    'velo-3': 'velo-2',
    'velo-4': 'velo-3',
    'celo-2': 'celo',
  } as const
  for (const name of presetNames) {
    const before = name in starts ? starts[name as keyof typeof starts] : undefined
    const theta = before && join(defaultRunDirectory(config(before)), 'theta.safetensors')
    t.is(config(name).start.theta, theta, name)
  }
})

// Moudgil et al. 2025: of Celo's 37,089 weights, 159 are the MLP's, and each phase freezes the others.
test('celo: the phases train the MLP and the schedule, and together everything once', (t) => {
  const trained = (['celo', 'celo-2'] as const).map((name) => {
    const { optimizer, freeze } = config(name)
    const { names } = frozenLeaves(optimizer, { ...freeze, dead: false })
    return thetaLayout(optimizer).filter((leaf) => !names.includes(leaf.name))
  })
  const count = (leaves: (typeof trained)[number]) => leaves.reduce((sum, leaf) => sum + numElements(leaf), 0)
  t.deepEqual(trained.map(count), [159, 37_089 - 159])
  t.is(new Set(trained.flat().map(({ name }) => name)).size, thetaLayout(config('celo').optimizer).length)
})

// The tables of the sources; 8 problems of each data set, all data sets in every outer step.
test('celo and celo2: PES, lengths and rates as published', (t) => {
  for (const [name, lr] of [
    ['celo', 3e-4],
    ['celo-2', 3e-4],
    ['celo2', 5e-5],
    ['celo2-base', 1e-4],
  ] as const) {
    const { estimator, tasks, unrollLength, outerOptimizer, clip, outerSteps } = config(name)
    t.like(estimator, { name: 'pes', truncationLength: 50, std: 0.01 })
    t.is(estimator.numParticles, 8 * ('families' in tasks ? tasks.families.length : 0))
    t.deepEqual(unrollLength, { kind: 'logUniform', min: 100, max: 2000 })
    t.like(outerOptimizer, { name: 'adamw', lr, weightDecay: 1e-4, epsRoot: 0 })
    t.deepEqual(clip, { kind: 'none' })
    t.is(outerSteps, 100_000)
  }
})

// large_scale_phase1.py to large_scale_phase4.py of google/learned_optimization.
test('velo: lengths and averaged gradients of the four phases as published', (t) => {
  const phases = (['velo', 'velo-2', 'velo-3', 'velo-4'] as const).map(config)
  t.deepEqual(
    phases.map(({ unrollLength, accumulate }) => [unrollLength, accumulate]),
    [
      [{ kind: 'logUniform', min: 100, max: 20_000 }, 4],
      [{ kind: 'logUniform', min: 200, max: 20_000 }, 10],
      [{ kind: 'logUniform', min: 200, max: 20_000 }, 20],
      [{ kind: 'logUniform', min: 200, max: 200_000 }, 20],
    ],
  )
  for (const { optimizer, estimator, metaLoss, outerOptimizer, clip } of phases) {
    t.is(
      thetaLayout(optimizer).reduce((sum, leaf) => sum + numElements(leaf), 0),
      2_320_385,
    )
    t.like(estimator, { name: 'fullEs', signDelta: 1, std: 0.01 })
    t.like(metaLoss, { source: 'freshTrain', every: 'end', batches: 100, reduce: 'last' })
    t.like(outerOptimizer, { name: 'adam', lr: 3e-4, eps: 1e-8, epsRoot: 1e-8 })
    t.deepEqual(clip, { kind: 'value', max: 3 })
  }
})

test('broad: 64 pairs × 2 lanes × 50 inner steps × 15,625 outer steps are 100 million inner steps', (t) => {
  const { estimator, outerSteps } = config('broad')
  t.is(2 * estimator.numParticles * estimator.truncationLength * outerSteps, 100_000_000)
})

test('broad chooses its theta on nets of its own, none of which is held out for eval', (t) => {
  const { tasks, evaluation } = config('broad')
  const measured = evaluation?.tasks
  t.true(Array.isArray(measured) && 'family' in tasks && tasks.family === 'mlp')
  if (!Array.isArray(measured) || !('family' in tasks) || tasks.family !== 'mlp') return
  const architecture = (task: TaskConfig) => {
    const { dataset, hidden, activation } = task as MlpTaskConfig
    return JSON.stringify([dataset, hidden, activation])
  }
  const heldOut = new Set(heldOutTasks.map((task) => architecture(task.config)))
  for (const task of measured as MlpTaskConfig[]) {
    t.false(heldOut.has(architecture(task)), architecture(task))
    // Fashion-MNIST is for evaluation alone.
    t.true(tasks.datasets.some(({ name }) => name === task.dataset) && task.dataset !== 'fashion8')
  }
  t.is(new Set(measured.map(architecture)).size, 8)
})

/** A preset at a size that takes a second. The outer optimizers have tests of their own. */
function small(name: (typeof presetNames)[number], theta: string): TrainConfig {
  const { tasks, evaluation } = config(name)
  return parseTrainConfig({
    preset: name,
    threads: 1,
    outerSteps: 1,
    estimator: { numParticles: 'families' in tasks ? tasks.families.length : 2 },
    truncationSchedule: { kind: 'uniform', min: 10, max: 20 },
    unrollLength: { kind: 'constant', innerSteps: 25 },
    outerOptimizer: { name: 'adam', lr: 1e-3 },
    start: { candidates: 1, innerSteps: 5, ...(config(name).start.theta !== undefined && { theta }) },
    ...(evaluation && { evaluation: { innerSteps: 20 } }),
  })
}

for (const name of presetNames) {
  test.serial(`preset ${name} makes an outer step`, async (t) => {
    const path = join(await temporaryDirectory(t), 'theta.safetensors')
    const { optimizer } = config(name)
    await saveTheta(path, { theta: initTheta(optimizer, 1, 0), config: config(name), outerSteps: 0 })
    using trainer = await Trainer.create(small(name, path))
    for await (const record of trainer.run()) {
      t.true(Number.isFinite(record.metaLoss) && record.metaLoss > 0, String(record.metaLoss))
      // Nothing else would be 0 to the last bit: losses of two lanes differ.
      t.true(Number.isFinite(record.gradientNorm) && record.gradientNorm > 0, String(record.gradientNorm))
      t.is(record.numNonFinitePairs, 0)
    }
    t.is(trainer.outerStep, 1)
  })
}
