/** What a caller's functions throw rejects the call that they were given to; what is no function is refused. */
import test from 'ava'
import { optimizerConfigSchema } from '../../ts/config/optimizerConfig.js'
import { taskConfigSchema } from '../../ts/config/taskConfig.js'
import { parseTrainConfig } from '../../ts/config/trainConfig.js'
import { evaluate } from '../../ts/evaluate/evaluate.js'
import { type CurveJob, initTheta, loadDataset, runCurves, Unroller } from '../../ts/native.js'
import { train } from '../../ts/outer/train.js'
import { tinyRun, tinyTask } from '../engine/tiny.js'

const failure = new Error('of the caller')
const throwing = () => {
  throw failure
}
const rejecting = () => Promise.reject(failure)

const sgd = optimizerConfigSchema.parse({ name: 'sgd', lr: 0.01 })

/** Far more work than a test has time for: only a job that is stopped ends. */
const endless: CurveJob = {
  task: taskConfigSchema.parse(tinyTask),
  optimizer: sgd,
  seed: 0,
  replica: 0,
  innerSteps: 10_000_000,
  evalEvery: 10_000_000,
  evalBatches: 1,
  splits: [],
}

for (const [what, onProgress] of [
  ['throws', throwing],
  ['rejects', rejecting],
] as const) {
  test(`onProgress that ${what} stops runCurves and rejects it`, async (t) => {
    const datasets = [await loadDataset({ kind: 'bundled', name: 'mnist8' })]
    t.is(await t.throwsAsync(runCurves([endless], [], datasets, { threads: 1, onProgress })), failure)
  })

  test(`onProgress that ${what} stops evaluate and rejects it`, async (t) => {
    const options = { tasks: 1, seeds: 1, innerSteps: [1_000_000], evalEvery: 1_000_000, threads: 1 }
    const subject = {
      optimizer: { name: 'sgd', lr: 0.01 } as CurveJob['optimizer'],
      theta: new Float32Array(),
    }
    t.is(await t.throwsAsync(evaluate(subject, { ...options, onProgress })), failure)
  })

  for (const name of ['onStart', 'onStep'] as const) {
    test(`${name} that ${what} rejects train`, async (t) => {
      t.is(await t.throwsAsync(train(tinyRun({ outerSteps: 2 }), { [name]: onProgress })), failure)
    })
  }
}

test('onProgress that throws stops a truncation, and the pairs are as they were', async (t) => {
  const { optimizer, seed } = parseTrainConfig(tinyRun())
  const datasets = [await loadDataset({ kind: 'bundled', name: 'mnist8' })]
  const options = {
    optimizer,
    seed,
    numParticles: 1,
    threads: 1,
    carry: 'both',
    metaLoss: { source: 'train' },
  }
  using unroller = new Unroller(options as unknown as ConstructorParameters<typeof Unroller>[0], datasets)
  const theta = initTheta(optimizer, seed, 0)
  const plan = (innerSteps: number) => {
    const restart = { task: endless.task, episode: 0, numSteps: innerSteps }
    return { std: 0.01, particles: [{ particle: 0, segments: [{ innerSteps, perturbation: 0, restart }] }] }
  }
  await unroller.advance(theta, plan(5))
  const before = unroller.saveState()
  t.is(await t.throwsAsync(unroller.advance(theta, plan(10_000_000), { onProgress: throwing })), failure)
  t.deepEqual(unroller.saveState(), before)
})

test('a callback or a signal that is none is refused', async (t) => {
  const code = 'INVALID_OPTION'
  for (const wrong of [null, 1, 'print', {}] as never[]) {
    await t.throwsAsync(runCurves([endless], [], [], { onProgress: wrong }), { code, message: /onProgress/ })
    await t.throwsAsync(evaluate('none', { onProgress: wrong }), { code, message: /onProgress/ })
    for (const name of ['onStart', 'onStep', 'onNote', 'signal', 'stopSignal']) {
      const message = new RegExp(name)
      await t.throwsAsync(train(tinyRun(), { [name]: wrong }), { code, message }, name)
    }
  }
})
