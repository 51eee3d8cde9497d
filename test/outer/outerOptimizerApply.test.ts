/** `apply`: optimizers of the package as outer optimizers. Numbers: the apply API used directly, and closed forms. */
import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { createOptimizer } from '../../ts/apply/optimizer.js'
import type { Params } from '../../ts/apply/tensors.js'
import type { OptimizerConfig, OptimizerConfigInput } from '../../ts/config/optimizerConfig.js'
import { optimizerConfigSchema } from '../../ts/config/optimizerConfig.js'
import { initTheta, numElements, thetaLayout } from '../../ts/native.js'
import type { OuterOptimizer } from '../../ts/outer/optimizers/outerOptimizer.js'
import { createOuterOptimizer } from '../../ts/outer/optimizers/registry.js'
import { train } from '../../ts/outer/train.js'
import { writeThetaFile } from '../../ts/weights/thetaFile.js'
import { tinyRun } from '../engine/tiny.js'
import { configWith, gradAt, lossAt, stored, updates } from './outerOptimizers.js'

const complete = (config: OptimizerConfigInput) => optimizerConfigSchema.parse(config)
const sizes = { hidden: 4, fromMlp: 3, fromLstm: 3, lstmToFf: 3, lstmHidden: 5 }
const fresh = () => mkdtemp(join(tmpdir(), 'outerloop-apply-outer-'))

/** A file with a first theta. */
async function weightFile(optimizer: OptimizerConfig, seed = 5): Promise<string> {
  const path = join(await fresh(), 'theta.safetensors')
  await writeThetaFile(path, initTheta(optimizer, seed, 0), optimizer, {})
  return path
}

/** Flat numbers as the leaves of an optimizer's theta. */
function asParams(flat: Float32Array, optimizer: OptimizerConfig): Params {
  let end = 0
  return Object.fromEntries(
    thetaLayout(optimizer).map((leaf) => {
      const start = end
      end += numElements(leaf)
      return [leaf.name, { data: flat.subarray(start, end), shape: leaf.shape }]
    }),
  )
}

const trained = configWith({ name: 'adam' }).optimizer
const start = () => initTheta(trained, 3, 0)

const learned: OptimizerConfig[] = [
  complete({ name: 'adafac_mlp', stepMult: 0.03 }),
  complete({ name: 'hierarchical', variant: 'library', ...sizes }),
  complete({ name: 'hierarchical', variant: 'paper', ...sizes }),
  complete({ name: 'celo', phase: 2, lstmHidden: 5, stepMult: 0.03 }),
]
const appliedConfigs = [complete({ name: 'adamw', lr: 0.01 }), ...learned]
for (const [i, optimizer] of appliedConfigs.entries()) {
  // One state that lives on, where the outer optimizer makes one anew from saved numbers at every step.
  test(`${optimizer.name} ${i} moves theta as the apply API moves parameters`, async (t) => {
    const isLearned = thetaLayout(optimizer).length > 0
    const outer = isLearned
      ? { name: 'apply', weights: await weightFile(optimizer) }
      : { name: 'apply', optimizer }
    const ours = start()
    const config = configWith(outer, { outerSteps: 25 })
    updates(await createOuterOptimizer(config, [], ours), ours, [0, 25])

    const theirs = start()
    const params = asParams(theirs, trained)
    const applied = createOptimizer(optimizer, isLearned ? initTheta(optimizer, 5, 0) : undefined)
    const state = applied.init(params, { numSteps: 25 })
    for (let step = 0; step < 25; step++) {
      const grads = asParams(gradAt(theirs, step), trained)
      // As in Metz et al. 2020: a validation loss at every tenth step, here the meta-loss.
      const loss = lossAt(step)
      state.update(grads, { loss, ...(step % 10 === 0 && { validLoss: loss }) })
    }
    t.deepEqual(ours, theirs)
    t.notDeepEqual(ours, start())
  })
}

// Closed form: this optimizer's theta is the logarithm of its rate, so theta ← theta − e^theta·g.
test('self: at every step the weights are theta as it is then', async (t) => {
  for (const factor of [1, 0.5]) {
    const config = configWith(
      { name: 'apply', weights: 'self', factor },
      { optimizer: { name: 'learnable_sgd' } },
    )
    const theta = Float32Array.of(0)
    const optimizer = await createOuterOptimizer(config, [], theta)
    let expected = 0
    for (let outerStep = 0; outerStep < 20; outerStep++) {
      const g = 0.5 + 0.4 * Math.sin(outerStep)
      const { lr } = optimizer.update(theta, Float32Array.of(g), { outerStep, metaLoss: 1 })
      t.is(lr, factor)
      expected -= factor * Math.exp(expected) * g
      // Rounding to f32 of numbers up to 3, which the next steps do not enlarge: 2e-7 a step.
      t.true(Math.abs(theta[0]! - expected) < 4e-7 * (outerStep + 1), `${theta[0]} ${expected}`)
    }
    // With the first weights throughout it would have gone g·factor at every step: about 10·factor in all.
    t.true(theta[0]! > -3, `${theta[0]}`)
  }
})

test('self with other options than those that are trained', async (t) => {
  const moved = async (over: object) => {
    const theta = start()
    const config = configWith({ name: 'apply', weights: 'self', ...over })
    const { updateNorm } = (await createOuterOptimizer(config, [], theta)).update(theta, gradAt(theta, 0), {
      outerStep: 0,
      metaLoss: 1,
    })
    return updateNorm
  }
  const one = await moved({})
  // stepMult of preset quick is 0.001; steps are rounded to f32 with weights below 1, 200 of them: 1e-6.
  t.true(Math.abs((await moved({ optimizer: { name: 'adafac_mlp', stepMult: 0.1 } })) - 100 * one) < 1e-4)
  t.true(Math.abs((await moved({ factor: 100 })) - 100 * one) < 1e-4)
})

// Closed form: a half cosine over T updates; gradient descent against a constant gradient of 1.
test('the optimizer is told how many updates there will be: outerSteps / accumulate', async (t) => {
  const inner = { name: 'sgd', lr: 1 }
  const optimizer = { name: 'schedule', inner, factor: { kind: 'cosine' } }
  const config = configWith({ name: 'apply', optimizer }, { outerSteps: 9, accumulate: 2 })
  const theta = new Float32Array(start().length)
  const outer = await createOuterOptimizer(config, [], theta)
  const expected = [1, (1 + Math.SQRT1_2) / 2, 0.5, (1 - Math.SQRT1_2) / 2]
  for (const [i, rate] of expected.entries()) {
    const before = theta[0]!
    outer.update(
      theta,
      theta.map(() => 1),
      { outerStep: 2 * i + 1, metaLoss: 1 },
    )
    // Two roundings to f32 below 4.
    t.true(Math.abs(before - theta[0]! - rate) < 1e-6, `${i}: ${before - theta[0]!}`)
  }
})

test('where the meta-loss is not finite, the last finite one is fed', async (t) => {
  const optimizer = complete({ name: 'hierarchical', variant: 'library', ...sizes })
  const config = configWith({ name: 'apply', weights: await weightFile(optimizer) })
  const run = async (losses: number[]) => {
    const theta = start()
    let outer: OuterOptimizer = await createOuterOptimizer(config, [], theta)
    const norms: number[] = []
    for (const [outerStep, metaLoss] of losses.entries()) {
      norms.push(outer.update(theta, gradAt(theta, outerStep), { outerStep, metaLoss }).updateNorm)
      // A resumed run knows it too.
      outer = await createOuterOptimizer(config, [], theta, stored(outer.state()))
    }
    return { theta, norms }
  }
  const { theta: gaps } = await run([2, Number.NaN, Infinity, 1.5])
  t.deepEqual(gaps, (await run([2, 2, 2, 1.5])).theta)
  t.notDeepEqual(gaps, (await run([2, 1, 1, 1.5])).theta)
  // Nothing to tell yet: no step.
  const { norms } = await run([Number.NaN, 1])
  t.is(norms[0], 0)
  t.true(norms[1]! > 0)
  // An optimizer that does not ask for the loss goes on.
  const theta = start()
  const sgd = configWith({ name: 'apply', optimizer: { name: 'sgd', lr: 1 } })
  const outer = await createOuterOptimizer(sgd, [], theta)
  t.true(outer.update(theta, gradAt(theta, 0), { outerStep: 0, metaLoss: Number.NaN }).updateNorm > 0)
})

test('threads change nothing', async (t) => {
  const large = { name: 'hierarchical', variant: 'library', lstmHidden: 200 }
  // As long as this, theta is shared among threads.
  const run = async (threads: number) => {
    const config = configWith(
      { name: 'apply', optimizer: { name: 'lamb', lr: 0.01 } },
      { optimizer: large, threads },
    )
    const theta = initTheta(config.optimizer, 3, 0)
    updates(await createOuterOptimizer(config, [], theta), theta, [0, 3])
    return theta
  }
  const one = await run(1)
  t.true(one.length > 2 ** 17)
  t.deepEqual(await run(3), one)
})

test('wrong options are named', (t) => {
  const refused = (outerOptimizer: object, message: string) =>
    t.throws(() => configWith({ name: 'apply', ...outerOptimizer }), { code: 'INVALID_OPTION', message })
  refused(
    {},
    'expected `outerOptimizer.weights` to be a file or "self", unless `outerOptimizer.optimizer` is hand-designed, got nothing',
  )
  refused(
    { optimizer: { name: 'adafac_mlp' } },
    'expected `outerOptimizer.weights` to be a file or "self" with weights of adafac_mlp, got nothing',
  )
  const around = { name: 'clip_gradients', by: 'element', max: 1, inner: { name: 'adafac_mlp' } }
  refused(
    { optimizer: around },
    'expected `outerOptimizer.weights` to be a file or "self" with weights of clip_gradients, got nothing',
  )
  refused(
    { optimizer: { name: 'adamw', lr: 1 }, weights: 'x' },
    'expected `outerOptimizer.weights` to be left out: adamw has none, got "x"',
  )
  refused(
    { optimizer: { name: 'adamw', lr: -1 } },
    'expected `outerOptimizer.optimizer.lr` to be a finite number > 0, got -1',
  )
  t.notThrows(() => configWith({ name: 'apply', optimizer: around, weights: 'self' }))
})

test('weights that are not the optimizer’s are refused by name', async (t) => {
  const refused = (outerOptimizer: object, message: RegExp) =>
    t.throwsAsync(createOuterOptimizer(configWith({ name: 'apply', ...outerOptimizer }), [], start()), {
      code: 'INVALID_OPTION',
      message,
    })
  const celo = complete({ name: 'celo', phase: 2, lstmHidden: 5 })
  const path = await weightFile(celo)
  await refused(
    { optimizer: { name: 'adafac_mlp' }, weights: path },
    /^expected `outerOptimizer.weights` to be a file with weights of adafac_mlp, got .*theta.safetensors: /,
  )
  await refused(
    { weights: 'none.safetensors' },
    /^expected `outerOptimizer.weights` to be a file with weights of a learned optimizer, got none.safetensors: .*ENOENT/,
  )
  await refused(
    { optimizer: celo, weights: 'self' },
    /^expected `outerOptimizer.weights` to be a file, since the leaves of celo are not those of adafac_mlp, which is trained, got "self"$/,
  )
})

test('a state goes on with its own weights only', async (t) => {
  const [one, other] = [await weightFile(trained, 5), await weightFile(trained, 6)]
  const theta = start()
  const outer = await createOuterOptimizer(configWith({ name: 'apply', weights: one }), [], theta)
  updates(outer, theta, [0, 2])
  const again = createOuterOptimizer(
    configWith({ name: 'apply', weights: other }),
    [],
    theta,
    stored(outer.state()),
  )
  await t.throwsAsync(again, { code: 'CHECKPOINT_INVALID', message: /`outerOptimizer.weights`/ })
})

for (const optimizer of [
  { name: 'adafac_mlp' },
  { name: 'hierarchical', variant: 'library', ...sizes },
] as const) {
  test(`${optimizer.name} trains itself, and a stopped run goes on with the same bytes`, async (t) => {
    const config = tinyRun({ optimizer, outerOptimizer: { name: 'apply', weights: 'self' } })
    const [whole, parts] = [await fresh(), await fresh()]
    await train(config, { out: whole })
    const stop = new AbortController()
    const onStep = ({ outerStep }: { outerStep: number }) => outerStep === 3 && stop.abort()
    await train(config, { out: parts, stopSignal: stop.signal, onStep })
    const { isComplete, records } = await train(undefined, { resume: parts })
    t.true(isComplete)
    t.true(records.every(({ updateNorm, lr }) => updateNorm > 0 && lr === 1))
    const bytes = (directory: string) => readFile(join(directory, 'theta.safetensors'))
    t.deepEqual(await bytes(parts), await bytes(whole))
  })
}
