/** Train configs: presets, what a user's options do to them, and what is said about wrong ones. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { loadConfigFile } from '../ts/config/configFile.js'
import { presetNames } from '../ts/config/presets.js'
import { parseTrainConfig } from '../ts/config/trainConfig.js'
import { OuterloopError } from '../ts/errors.js'

const whole = {
  optimizer: { name: 'adafac_mlp' },
  tasks: { tasks: [{ config: { family: 'mlp', dataset: 'mnist8', hidden: [8] } }] },
  estimator: { name: 'pes', numParticles: 4, truncationLength: 10 },
  unrollLength: { kind: 'constant', innerSteps: 100 },
  outerSteps: 10,
  outerOptimizer: { name: 'adam', lr: 1e-3 },
}

test('a config without preset gets every default', (t) => {
  t.deepEqual(parseTrainConfig(whole), {
    seed: 0,
    threads: 'auto',
    cpu: 'auto',
    maxMemoryBytes: 8 * 2 ** 30,
    optimizer: { name: 'adafac_mlp', hidden: 4, stepMult: 0.001, expMult: 0.001 },
    tasks: {
      tasks: [
        {
          config: {
            family: 'mlp',
            dataset: 'mnist8',
            hidden: [8],
            activation: 'relu',
            init: { name: 'he_normal' },
            batchSize: 64,
            pixels: 'unit',
            labelNoise: 0,
          },
          weight: 1,
        },
      ],
    },
    datasets: [],
    estimator: {
      name: 'pes',
      numParticles: 4,
      pairsPerParticle: 1,
      truncationLength: 10,
      std: 0.01,
      compatBoundary: false,
    },
    unrollLength: { kind: 'constant', innerSteps: 100 },
    resets: 'boundary',
    initialOffset: { kind: 'none' },
    metaLoss: { source: 'train', reduce: 'mean' },
    outerSteps: 10,
    outerOptimizer: {
      name: 'adam',
      lr: 1e-3,
      beta1: 0.9,
      beta2: 0.999,
      eps: 1e-8,
      epsRoot: 0,
      schedule: { kind: 'constant' },
      warmupOuterSteps: 0,
      warmup: 'zero',
    },
    clip: { kind: 'none' },
    accumulate: 1,
    freeze: { leaves: [], dead: true },
    thetaAverage: 0.98,
    start: { candidates: 16, innerSteps: 200 },
    checkpoint: { everyOuterSteps: 25, keep: 2 },
  })
})

for (const preset of presetNames) {
  test(`preset ${preset} is complete, and parsing the result again changes nothing`, (t) => {
    const config = parseTrainConfig({ preset })
    t.is(config.preset, preset)
    t.deepEqual(parseTrainConfig(config), config)
    t.deepEqual(parseTrainConfig(JSON.parse(JSON.stringify(config))), config)
  })
}

test('preset quick: 48 pairs × 2 lanes × 50 inner steps × 833 outer steps are 4 million inner steps', (t) => {
  const { estimator, outerSteps } = parseTrainConfig({ preset: 'quick' })
  const innerSteps = 2 * estimator.numParticles * estimator.truncationLength * outerSteps
  t.is(innerSteps, 3_998_400)
})

test('options are laid over the preset key by key; what is left out stays', (t) => {
  const config = parseTrainConfig({ preset: 'quick', outerSteps: 30, estimator: { std: 0.02 } })
  t.is(config.outerSteps, 30)
  t.like(config.estimator, { name: 'pes', numParticles: 48, truncationLength: 50, std: 0.02 })
})

test('another variant replaces the preset’s, arrays replace', (t) => {
  const tasks = { tasks: [{ config: { family: 'mlp', dataset: 'fashion8', hidden: [] } }] }
  const config = parseTrainConfig({
    preset: 'paper2020',
    optimizer: { name: 'adafac_mlp' },
    clip: { kind: 'none' },
    tasks,
  })
  t.deepEqual(config.optimizer, { name: 'adafac_mlp', hidden: 4, stepMult: 0.001, expMult: 0.001 })
  t.deepEqual(config.clip, { kind: 'none' })
  t.true('tasks' in config.tasks && config.tasks.tasks.length === 1)
})

test('undefined means: as in the preset', (t) => {
  t.deepEqual(
    parseTrainConfig({ preset: 'quick', outerSteps: undefined }),
    parseTrainConfig({ preset: 'quick' }),
  )
})

const wrong: [what: string, input: unknown, message: string | RegExp][] = [
  [
    'fewer particles than task families',
    {
      preset: 'quick',
      tasks: { families: ['a', 'b'].map((name) => ({ name, tasks: whole.tasks })) },
      estimator: { numParticles: 1 },
    },
    'expected `estimator.numParticles` to be at least the number of task families (2), got 1',
  ],
  [
    'a number out of range',
    { preset: 'quick', estimator: { std: -1 } },
    'expected `estimator.std` to be a finite number > 0, got -1',
  ],
  ['NaN', { preset: 'quick', outerOptimizer: { lr: Number.NaN } }, /`outerOptimizer.lr` .* > 0, got NaN$/],
  [
    'infinity',
    { preset: 'quick', outerOptimizer: { lr: Infinity } },
    /`outerOptimizer.lr` .* > 0, got Infinity$/,
  ],
  [
    'a string for a number',
    { preset: 'quick', outerSteps: '30' },
    'expected `outerSteps` to be an integer from 1 to 100000000, got "30"',
  ],
  ['a fractional seed', { preset: 'quick', seed: 1.5 }, 'expected `seed` to be an integer >= 0, got 1.5'],
  [
    'threads 0',
    { preset: 'quick', threads: 0 },
    'expected `threads` to be "auto" or an integer from 1 to 1024, got 0',
  ],
  [
    'threads by a wrong word',
    { preset: 'quick', threads: 'all' },
    'expected `threads` to be "auto" or an integer from 1 to 1024, got "all"',
  ],
  [
    'a backend that does not exist',
    { preset: 'quick', cpu: 'mmx' },
    'expected `cpu` to be one of "auto", "avx512", "avx2", "neon", "portable", got "mmx"',
  ],
  [
    'an unknown option, with the one that was meant',
    { preset: 'quick', estimator: { stdd: 0.01 } },
    'unknown option `estimator.stdd`: expected one of name, numParticles, pairsPerParticle, truncationLength, std, signDelta, compatBoundary (did you mean `std`?)',
  ],
  [
    'an unknown option far from any',
    { preset: 'quick', foo: 1 },
    /^unknown option `foo`: expected one of preset, seed, [^(]*$/,
  ],
  [
    'an unknown preset',
    { preset: 'quik' },
    /^expected `preset` to be one of "quick", "broad", .*, got "quik" \(did you mean "quick"\?\)$/,
  ],
  ['a preset that is no name', { preset: 7 }, /^expected `preset` to be one of "quick", "broad", .*, got 7$/],
  [
    'a wrong variant',
    { preset: 'quick', clip: { kind: 'norm' } },
    'expected `clip.kind` to be one of "none", "value", "leafNorm", "globalNorm", got "norm"',
  ],
  [
    'a baseline as the optimizer to train',
    { preset: 'quick', optimizer: { name: 'adam', lr: 1 } },
    /`optimizer.name`.*got "adam"/,
  ],
  [
    'a missing field',
    { ...whole, outerSteps: undefined },
    /^expected `outerSteps` to be an integer .*, got nothing$/,
  ],
  [
    'a place in an array',
    { ...whole, tasks: { tasks: [{ config: { family: 'mlp', dataset: 'mnist8', hidden: [8, 0] } }] } },
    'expected `tasks.tasks[0].config.hidden[1]` to be an integer from 1 to 65536, got 0',
  ],
  [
    'no tasks',
    { ...whole, tasks: { tasks: [] } },
    'expected `tasks.tasks` to be an array of at least one task, got []',
  ],
  [
    'an unknown family',
    { ...whole, tasks: { family: 'conv' } },
    'expected `tasks.family` to be one of "mlp", "quadratic", got "conv"',
  ],
  [
    'a data set that is not there',
    { ...whole, tasks: { tasks: [{ config: { family: 'mlp', dataset: 'svhn', hidden: [8] } }] } },
    /^expected `tasks.tasks\[0\].config.dataset` to be the name of a bundled data set .*mnist8.*, got "svhn"$/,
  ],
  [
    'a range the wrong way round',
    { ...whole, unrollLength: { kind: 'logUniform', min: 200, max: 100 } },
    'expected `unrollLength.max` to be a number >= `min` (200), got 100',
  ],
  [
    'a weight of an unknown activation',
    { ...whole, tasks: { family: 'mlp', datasets: [{ name: 'mnist8' }], activations: { rlu: 1 } } },
    /^unknown option `tasks.activations.rlu`: expected one of relu, .*\(did you mean `relu`\?\)$/,
  ],
  ['no object at all', 3, 'expected `options` to be an object, got 3'],
]

for (const [what, input, message] of wrong) {
  test(`refuses ${what}`, (t) => {
    const error = t.throws(() => parseTrainConfig(input), {
      instanceOf: OuterloopError,
      code: 'INVALID_OPTION',
    })
    if (typeof message === 'string') t.is(error.message, message)
    else t.regex(error.message, message)
  })
}

test('all problems are told, one a line', (t) => {
  const error = t.throws(() =>
    parseTrainConfig({ preset: 'quick', seed: -1, thetaAverage: 1, start: { candidates: 0 } }),
  )
  t.deepEqual(error.message.split('\n').sort(), [
    'expected `seed` to be an integer >= 0, got -1',
    'expected `start.candidates` to be an integer from 1 to 10000, got 0',
    'expected `thetaAverage` to be a number >= 0 and < 1, got 1',
  ])
})

test('a config file that is missing, no JSON, or no object is refused by name', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'outerloop-config-'))
  t.teardown(() => rm(dir, { recursive: true }))
  const [missing, broken, list] = ['missing.json', 'broken.json', 'list.json'].map((name) => join(dir, name))
  await writeFile(broken!, '{ "seed": ')
  await writeFile(list!, '[1]')
  for (const [path, got] of [
    [missing!, 'ENOENT'],
    [broken!, 'JSON'],
    [list!, 'an array'],
  ] as const) {
    const error = await t.throwsAsync(loadConfigFile(path), { code: 'INVALID_OPTION' })
    t.true(error.message.includes(path) && error.message.includes(got), error.message)
  }
})
