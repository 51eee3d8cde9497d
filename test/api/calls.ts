/** One right call of every function and method of the package: what wrong arguments are made from. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as api from '../../ts/index.js'
import { syntheticEvaluation } from '../evaluate/syntheticEvaluation.js'

/** A function or method with arguments that it accepts. */
export interface Call {
  /** As one writes it: `evaluate`, `Trainer.create`, `new Dataset`. */
  readonly name: string
  /** Right arguments, made anew. */
  readonly args: () => unknown[]
  readonly invoke: (args: unknown[]) => unknown
  /** Places of arguments that may be left out. */
  readonly optional?: readonly number[]
  /**
   * Place of options with a signal that has fired, so that no long work begins: calls end with its reason. Set where wrong
   * options might lack it.
   */
  readonly stopped?: number
  /** Share among fuzzed calls. Default 1: calls of a millisecond have more than those of many. */
  readonly weight?: number
}

/** Directory of files that calls read and write. */
export const directory = mkdtempSync(join(tmpdir(), 'outerloop-api-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))

/** What calls that are stopped reject with. */
export const stopped = AbortSignal.abort()

const learned = { name: 'adafac_mlp', hidden: 2, stepMult: 0.001, expMult: 0.001 } as const
const theta = () => api.initTheta(learned, 0, 0)
const quadratic = (dims: number) => ({
  family: 'quadratic' as const,
  dims,
  matrix: { kind: 'normal' as const, mean: 0, std: 1 },
  start: { kind: 'uniform' as const, min: -1, max: 1 },
  output: 'identity' as const,
  lossScale: 1,
  noise: null,
  instanceSeed: 3,
})
const mlp = () => ({
  family: 'mlp' as const,
  dataset: 'own',
  hidden: [3],
  init: { name: 'orthogonal' as const, scale: 2 },
  paramScale: [1, 2, 3, 4],
})

/** A config of every kind of section, whose steps take a millisecond. */
export function config() {
  return {
    seed: 1,
    threads: 1,
    cpu: 'auto' as const,
    optimizer: { ...learned },
    tasks: {
      families: [
        { name: 'a', weight: 2, tasks: { tasks: [{ config: quadratic(2), weight: 1 }] } },
        { name: 'b', tasks: { family: 'quadratic' as const, dims: { min: 2, max: 3 } } },
      ],
    },
    datasets: [],
    estimator: { name: 'pes' as const, numParticles: 2, truncationLength: 2, std: 0.01 },
    unrollLength: { kind: 'logUniform' as const, min: 2, max: 5 },
    resets: 'slots' as const,
    initialOffset: { kind: 'counter' as const, max: 2 },
    outerSteps: 3,
    outerOptimizer: {
      name: 'adamw' as const,
      lr: 1e-3,
      schedule: { kind: 'cosine' as const, finalFraction: 0.1 },
    },
    clip: { kind: 'globalNorm' as const, max: 1 },
    accumulate: 2,
    freeze: { leaves: ['nn*w0'], dead: true },
    start: { candidates: 1, innerSteps: 1 },
    evaluation: { everyOuterSteps: 2, tasks: [quadratic(2)], innerSteps: 2, seeds: 1 },
    checkpoint: { everyOuterSteps: 1, keep: 1 },
  }
}

const arrays = () => ({
  name: 'own',
  images: Uint8Array.from({ length: 80 }, (_, i) => i),
  labels: Uint8Array.from({ length: 20 }, (_, i) => i % 2),
  height: 2,
  width: 2,
  channels: 1,
  numClasses: 2,
})
const own = api.datasetFromArrays(arrays())
const evaluation = JSON.stringify(syntheticEvaluation(2, 2))
const records = () =>
  [1, 2].map((outerStep) => ({ outerStep, innerSteps: 10 * outerStep, metaLoss: 1, heldOutLoss: 0.5 }))
const weights = join(directory, 'weights.safetensors')
const params = () => ({
  'layer/w': { data: Float32Array.of(1, 2, 3, 4), shape: [2, 2] },
  b: { data: Float32Array.of(1), shape: [] },
})
const grads = () => ({ 'layer/w': Float32Array.of(1, 2, 3, 4), b: { data: Float32Array.of(1) } })
const clipped = {
  name: 'clip_gradients',
  by: 'globalNorm',
  max: 1,
  inner: {
    name: 'schedule',
    factor: { kind: 'linear_warmup', warmupSteps: 3, start: 0.5 },
    inner: { name: 'adam', lr: 0.1 },
  },
}
await api.saveWeights(weights, { theta: theta(), optimizer: learned })
const adam = api.createOptimizer({ name: 'adam', lr: 0.1 })
const saved = (() => {
  const state = adam.init(params())
  state.update(grads())
  return state.save()
})()
const trainer = await api.Trainer.create(config())
for await (const _ of trainer.run({ stopSignal: stopped })) break
const trainerState = trainer.state()

const options = () => ({ threads: 1, cpu: 'auto', signal: stopped, onProgress: () => {} })
const anyApi = api as unknown as Record<string, (...args: unknown[]) => unknown>

function plain(name: string, args: () => unknown[], rest: Partial<Call> = {}): Call {
  return { name, args, invoke: (given) => anyApi[name]!(...given), ...rest }
}

function made(name: string, maker: string): Call {
  const type = anyApi[name] as unknown as new (...args: unknown[]) => unknown
  // What the package itself passes is not for callers to have.
  return { name: `new ${name}`, args: () => [maker], invoke: (args) => new type(...args), weight: 0.1 }
}

/** All of them. A test compares their names with what the package exports. */
export const calls: readonly Call[] = [
  plain('createOptimizer', () => [clipped], { weight: 3 }),
  { ...plain('createOptimizer', () => [{ ...learned }, theta()]), optional: [1] },
  plain('loadOptimizer', () => [weights, { optimizer: { stepMult: 0.1 } }], { optional: [1] }),
  {
    name: 'Optimizer.init',
    args: () => [params(), { numSteps: 5, nonFinite: 'skip', threads: 1, cpu: 'auto' }],
    invoke: ([p, o]) => adam.init(p as api.Params, o as api.InitOptions),
    optional: [1],
    weight: 3,
  },
  {
    name: 'Optimizer.restore',
    args: () => [params(), saved.slice(), { threads: 1 }],
    invoke: ([p, s, o]) => adam.restore(p as api.Params, s as Uint8Array, o as api.InitOptions),
    optional: [2],
    weight: 2,
  },
  {
    name: 'OptimizerState.update',
    args: () => [grads(), { loss: 1, validLoss: 2, scale: 0.5 }],
    invoke: ([g, l]) => adam.init(params(), { threads: 1 }).update(g as api.Grads, l as api.UpdateLosses),
    optional: [1],
    weight: 3,
  },
  {
    name: 'OptimizerState.flush',
    args: () => [{ scale: 0.5 }],
    invoke: ([o]) => adam.init(params(), { threads: 1 }).flush(o as api.FlushOptions),
    optional: [0],
  },
  { name: 'OptimizerState.save', args: () => [], invoke: () => adam.init(params(), { threads: 1 }).save() },
  { name: 'OptimizerState.close', args: () => [], invoke: () => adam.init(params(), { threads: 1 }).close() },
  plain('optList', () => [3]),
  plain('parseTrainConfig', () => [config()], { weight: 6 }),
  plain(
    'evaluate',
    () => [
      { theta: theta(), optimizer: { ...learned } },
      {
        tasks: [{ name: 'q', config: quadratic(2) }],
        seed: 0,
        seeds: 1,
        innerSteps: [2, 4],
        evalEvery: 1,
        evalBatches: 1,
        stepMultipliers: [1],
        datasets: [own],
        ...options(),
      },
    ],
    { optional: [1], stopped: 1, weight: 2 },
  ),
  plain('formatTable', () => [JSON.parse(evaluation)], { weight: 0.3 }),
  plain('datasetFromArrays', () => [arrays()], { weight: 2 }),
  plain('loadDataset', () => [
    {
      kind: 'csv',
      name: 'own',
      path: join(directory, 'none.csv'),
      label: 'class',
      header: true,
      delimiter: ';',
      shuffleSeed: 1,
    },
  ]),
  plain('describeTask', () => [mlp(), [own]], { weight: 2 }),
  plain('thetaLayout', () => [{ ...learned }], { weight: 2 }),
  plain('initTheta', () => [{ ...learned }, 1, 2], { weight: 2 }),
  plain('doctor', () => [{ cpu: 'auto' }], { optional: [0] }),
  plain(
    'runCurves',
    () => [
      [
        {
          task: mlp(),
          optimizer: { ...learned },
          theta: 0,
          seed: 0,
          replica: 1,
          innerSteps: 2,
          evalEvery: 1,
          evalBatches: 1,
          splits: ['train', 'test'],
        },
      ],
      [theta()],
      [own],
      options(),
    ],
    { optional: [3], stopped: 3, weight: 4 },
  ),
  plain(
    'train',
    () => [
      config(),
      {
        timeBudgetSeconds: 1,
        maxInnerSteps: 1,
        stopSignal: stopped,
        onStep: () => {},
        onStart: () => {},
        onNote: () => {},
        signal: stopped,
      },
    ],
    { optional: [1], stopped: 1, weight: 2 },
  ),
  {
    name: 'Trainer.create',
    args: () => [config(), { signal: stopped }],
    invoke: ([c, o]) => api.Trainer.create(c as api.TrainConfigInput, o as object),
    optional: [1],
    stopped: 1,
  },
  {
    name: 'Trainer.restore',
    args: () => [config(), structuredClone(trainerState)],
    invoke: async ([c, s]) => {
      using _ = await api.Trainer.restore(c as api.TrainConfigInput, s as api.TrainerState)
    },
    weight: 0.3,
  },
  {
    // A state that was accepted must do for a step.
    name: 'Trainer.restore',
    args: () => [structuredClone(trainerState)],
    invoke: async ([s]) => {
      using restored = await api.Trainer.restore(config(), s as api.TrainerState)
      for await (const _ of restored.run()) break
    },
    weight: 0.3,
  },
  {
    name: 'Trainer.run',
    args: () => [{ signal: stopped, stopSignal: new AbortController().signal }],
    invoke: ([o]) => trainer.run(o as api.RunOptions).next(),
    optional: [0],
    stopped: 0,
  },
  { name: 'Trainer.state', args: () => [], invoke: () => trainer.state() },
  { name: 'Trainer.close', args: () => [], invoke: () => undefined },
  plain(
    'writeReport',
    () => [join(directory, 'report'), { title: 'x', records: records(), config: { a: 1 } }],
    { weight: 0.1 },
  ),
  plain('loadTheta', () => [weights], { weight: 0.3 }),
  plain(
    'saveTheta',
    () => [join(directory, 'theta'), { theta: theta(), config: config(), outerSteps: 1, heldOutLoss: 2 }],
    { weight: 0.3 },
  ),
  plain('loadWeights', () => [weights, { optimizer: { stepMult: 0.1 } }], { optional: [1], weight: 0.5 }),
  plain(
    'saveWeights',
    () => [
      join(directory, 'saved'),
      { theta: theta(), optimizer: { ...learned }, metadata: { config: '{}' } },
      { format: 'flax' },
    ],
    { optional: [2], weight: 0.3 },
  ),
  plain('inspectWeights', () => [weights], { weight: 0.3 }),
  made('Dataset', 'loadDataset'),
  made('Optimizer', 'createOptimizer'),
  made('OptimizerState', 'Optimizer.init'),
  made('Trainer', 'Trainer.create'),
]
