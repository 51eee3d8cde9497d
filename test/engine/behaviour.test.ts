import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import type { CpuName } from '../../ts/config/fields.js'
import { parseTrainConfig } from '../../ts/config/trainConfig.js'
import { type ErrorCode, OuterloopError } from '../../ts/errors.js'
import {
  type CurveJob,
  type Dataset,
  datasetFromArrays,
  initTheta,
  loadDataset,
  loadDatasets,
  runCurves,
  Unroller,
  type UnrollerOptions,
} from '../../ts/native.js'
import { Trainer } from '../../ts/outer/trainer.js'
import { tinyRun } from './tiny.js'

const task = parseTrainConfig({ preset: 'quick' }).tasks
const mlp = 'tasks' in task ? task.tasks[0]!.config : undefined
const options: UnrollerOptions = {
  optimizer: { name: 'adafac_mlp', hidden: 4, stepMult: 0.001, expMult: 0.001 },
  seed: 1,
  numParticles: 2,
  threads: 2,
  carry: 'both',
  metaLoss: { source: 'train', reduce: 'mean' },
}
const theta = initTheta(options.optimizer, 1, 0)
const plan = (innerSteps: number) => ({
  std: 0.01,
  particles: [0, 1].map((particle) => ({
    particle,
    segments: [{ innerSteps, perturbation: 0, restart: { task: mlp!, episode: 0, numSteps: 100 } }],
  })),
})
let datasets: Dataset[]

test.before(async () => {
  datasets = await loadDatasets(['mnist8', 'cifar8'], [])
})

/** The best of three measurements: another process may take the cores during one of them. */
async function bestOfThree(measure: () => Promise<number>): Promise<number> {
  return Math.min(await measure(), await measure(), await measure())
}

test.serial('the event loop stays free while 2 threads train', async (t) => {
  const estimator = { numParticles: 16, truncationLength: 50 }
  using trainer = await Trainer.create(parseTrainConfig(tinyRun({ outerSteps: 100_000, estimator })))
  const p99 = await bestOfThree(async () => {
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    for await (const _ of trainer.run({ stopSignal: AbortSignal.timeout(1000) }));
    delay.disable()
    return delay.percentile(99) / 1e6
  })
  t.log(`event-loop delay p99 ${p99.toFixed(1)} ms`)
  t.true(p99 <= 10, `${p99} ms`)
})

test.serial('an abort returns within 100 ms, and the unroller goes on as if nothing had been', async (t) => {
  using unroller = new Unroller(options, datasets)
  const latency = await bestOfThree(async () => {
    const abort = new AbortController()
    const work = unroller.advance(theta, plan(10_000_000), { signal: abort.signal })
    await sleep(100)
    const start = performance.now()
    abort.abort()
    const error = await t.throwsAsync(work, { any: true, name: 'AbortError' })
    t.is(error, abort.signal.reason)
    return performance.now() - start
  })
  t.log(`abort after ${latency.toFixed(1)} ms`)
  t.true(latency < 100, `${latency} ms`)
  using other = new Unroller(options, datasets)
  t.deepEqual(await unroller.advance(theta, plan(5)), await other.advance(theta, plan(5)))
  await t.throwsAsync(unroller.advance(theta, plan(5), { signal: AbortSignal.abort() }), {
    any: true,
    name: 'AbortError',
  })
})

test.serial('a panic is an error with a code, and the process lives', async (t) => {
  using unroller = new Unroller(options, datasets)
  process.env.OUTERLOOP_PROVOKE_PANIC = '1'
  try {
    const error = await t.throwsAsync(unroller.advance(theta, plan(5)), { instanceOf: OuterloopError })
    t.is((error as OuterloopError).code, 'INTERNAL')
    t.regex(error!.message, /index out of bounds.*job\.rs:\d+/)
  } finally {
    delete process.env.OUTERLOOP_PROVOKE_PANIC
  }
  t.is((await unroller.advance(theta, plan(5))).pos.length, 2)
})

test('progress is told in inner steps', async (t) => {
  const seen: number[] = []
  const job: CurveJob = {
    task: mlp!,
    optimizer: { name: 'sgd', lr: 0.1 },
    seed: 0,
    replica: 0,
    innerSteps: 100_000,
    evalEvery: 100_000,
    evalBatches: 1,
    splits: ['test'],
  }
  const [curve] = await runCurves([job], [], datasets, {
    threads: 1,
    onProgress: ({ done }) => seen.push(done),
  })
  t.deepEqual([...curve!.steps], [0, 100_000])
  t.true(seen.length >= 1 && seen.every((done) => done <= 100_000))
  t.deepEqual(
    seen,
    [...seen].sort((a, b) => a - b),
  )
})

const refusals: [string, () => unknown, ErrorCode][] = [
  ['theta of the wrong length', () => open((u) => u.advance(new Float32Array(3), plan(5))), 'SHAPE_MISMATCH'],
  ['theta of the wrong type', () => open((u) => u.advance([1] as never, plan(5))), 'DTYPE_MISMATCH'],
  ['a plan without steps', () => open((u) => u.advance(theta, plan(0))), 'INVALID_OPTION'],
  ['a particle that never started', () => open((u) => u.advance(theta, unstarted)), 'INVALID_OPTION'],
  ['a std of zero', () => open((u) => u.advance(theta, { ...plan(5), std: 0 })), 'INVALID_OPTION'],
  ['an unknown data set', () => open((u) => u.advance(theta, plan(5)), []), 'INVALID_OPTION'],
  ['a backend that does not exist', () => unrollerOn('mmx'), 'INVALID_OPTION'],
  ['a backend of another kind of machine', () => unrollerOn(foreignBackend), 'DEVICE_UNAVAILABLE'],
  ['curves on a backend that does not exist', () => runCurves([], [], [], { cpu: mmx }), 'INVALID_OPTION'],
  ['no threads', () => new Unroller({ ...options, threads: 0 }, datasets), 'INVALID_OPTION'],
  ['a closed handle', () => closed((u) => u.advance(theta, plan(5))), 'CLOSED'],
  ['the state of a closed handle', () => closed((u) => u.saveState()), 'CLOSED'],
  ['a foreign state', () => open(foreignState), 'CHECKPOINT_INVALID'],
  ['images of the wrong length', () => arrays(new Uint8Array(63)), 'DATA_INVALID'],
  ['a table with NaN', () => csv('a,label\n1,x\nNaN,y\n'), 'DATA_INVALID'],
  ['a table that is not there', () => loadDataset({ ...table, path: '/nowhere.csv' }), 'DATA_INVALID'],
  ['images that are no bytes', () => arrays([1, 2] as never), 'DTYPE_MISMATCH'],
]
const table = { kind: 'csv', name: 'table', path: '', label: 'label', header: true, delimiter: ',' } as const
const csv = async (text: string) => {
  const path = join(await mkdtemp(join(tmpdir(), 'outerloop-test-')), 'table.csv')
  await writeFile(path, text)
  return loadDataset({ ...table, path })
}
const mmx = 'mmx' as CpuName
const foreignBackend = process.arch === 'arm64' ? 'avx2' : 'neon'
const unrollerOn = (cpu: string) => new Unroller({ ...options, cpu: cpu as CpuName }, datasets)
const unstarted = { std: 0.1, particles: [{ particle: 0, segments: [{ innerSteps: 5, perturbation: 0 }] }] }
const foreignState = (u: Unroller) => u.loadState({ description: '[]', numbers: new Float32Array(0) })
const arrays = (images: Uint8Array) =>
  datasetFromArrays({
    name: 'x',
    images,
    labels: new Uint8Array(20),
    height: 2,
    width: 2,
    channels: 1,
    numClasses: 2,
  })

async function open(use: (u: Unroller) => unknown, sets = datasets): Promise<void> {
  using unroller = new Unroller(options, sets)
  await use(unroller)
}

async function closed(use: (u: Unroller) => unknown): Promise<void> {
  const unroller = new Unroller(options, datasets)
  unroller.close()
  unroller.close()
  await use(unroller)
}

for (const [what, act, code] of refusals) {
  test(`refused: ${what}`, async (t) => {
    const error = await t.throwsAsync(async () => act(), { instanceOf: OuterloopError })
    t.is((error as OuterloopError).code, code, error!.message)
  })
}

test('losses on the portable backend are those on the best one, bit for bit', async (t) => {
  using best = new Unroller({ ...options, cpu: 'auto' }, datasets)
  using portable = new Unroller({ ...options, cpu: 'portable' }, datasets)
  t.deepEqual(await portable.advance(theta, plan(5)), await best.advance(theta, plan(5)))
})

test('two calls at once are refused, not mixed', async (t) => {
  using unroller = new Unroller(options, datasets)
  const first = unroller.advance(theta, plan(200))
  await t.throwsAsync(unroller.advance(theta, plan(5)), { code: 'INVALID_OPTION' })
  t.is((await first).pos.length, 2)
})

test('a diverging pair is data', async (t) => {
  using unroller = new Unroller(
    { ...options, optimizer: { ...options.optimizer, expMult: 1e30 } as never },
    datasets,
  )
  const { pos, diverged } = await unroller.advance(theta, plan(20))
  t.deepEqual([...diverged], [3, 3])
  // The normaliser of a ten-class task clips to 1.5·ln 10.
  t.true(pos.every((loss) => loss > 2.5 && loss <= 1.5 * Math.log(10) + 1e-6))
})

test.serial('a thousand handles leave memory flat', async (t) => {
  const cycle = async () => {
    using unroller = new Unroller({ ...options, threads: 1 }, datasets)
    await unroller.advance(theta, plan(1))
  }
  const settle = async () => {
    for (let i = 0; i < 3; i++) {
      globalThis.gc?.()
      await sleep(20)
    }
    return process.memoryUsage().rss / 2 ** 20
  }
  for (let i = 0; i < 200; i++) await cycle()
  const before = await settle()
  for (let i = 0; i < 1000; i++) await cycle()
  const after = await settle()
  t.log(`resident ${before.toFixed(0)} MiB before, ${after.toFixed(0)} MiB after`)
  // A leaked handle would hold about 0.1 MiB, so a thousand 100 MiB; the allocator itself keeps up to some 15.
  t.true(after - before < 50, `${after - before} MiB more`)
})
