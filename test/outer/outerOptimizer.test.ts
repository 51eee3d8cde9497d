/** Adam, AdamW and SGD on theta: closed forms, and the package's own optimizers of these names, which are other code. */
import test from 'ava'
import { createOptimizer } from '../../ts/apply/optimizer.js'
import type { OptimizerConfigInput } from '../../ts/config/optimizerConfig.js'
import type { LearningRateConfig } from '../../ts/outer/optimizers/learningRate.js'
import { learningRateAt } from '../../ts/outer/optimizers/learningRate.js'
import { gradAt, optimizerWith, someTheta, updates } from './outerOptimizers.js'

const constant = { kind: 'constant' } as const
const adam = { name: 'adam', lr: 0.1, epsRoot: 0, schedule: constant }
const adamw = { ...adam, name: 'adamw', weightDecay: 0.5 }

/** One outer step of no particular loss. */
const at = (outerStep: number) => ({ outerStep, metaLoss: 1 })

// Closed form: with a constant gradient both corrected moments are exact, so every step is lr·sign(g).
test('Adam moves by lr against a constant gradient', async (t) => {
  const theta = Float32Array.of(1, -1)
  const optimizer = await optimizerWith(adam, theta)
  for (let step = 0; step < 20; step++) {
    const { lr, updateNorm } = optimizer.update(theta, Float32Array.of(2, -0.5), at(step))
    t.is(lr, 0.1)
    // f32 rounding of the moments: 1e-6 of a step.
    t.true(Math.abs(updateNorm - Math.SQRT2 * 0.1) < 1e-6, `${updateNorm}`)
  }
  t.true(Math.abs(theta[0]! - (1 - 2)) < 4e-5, `${theta[0]}`)
  t.true(Math.abs(theta[1]! - (-1 + 2)) < 4e-5, `${theta[1]}`)
})

test('in a warm-up at rate 0 only the moments move', async (t) => {
  const theta = Float32Array.of(1)
  const optimizer = await optimizerWith({ ...adamw, warmupOuterSteps: 2 }, theta)
  for (const step of [0, 1]) {
    t.deepEqual(optimizer.update(theta, Float32Array.of(3), at(step)), { lr: 0, updateNorm: 0 })
    t.is(theta[0], 1)
  }
  // (1 − β₁)·3·(1 + β₁) = 0.57 up to f32 rounding.
  t.true(Math.abs(optimizer.state().arrays.m![0]! - 0.57) < 1e-7)
  t.is(optimizer.update(theta, Float32Array.of(3), at(2)).lr, 0.1)
  t.true(theta[0]! < 1)
})

// Closed forms. Without a gradient a step multiplies by 1 − lr·weightDecay = 0.95; with one, the first step also goes
// lr·sign(g).
test('AdamW shrinks weights by lr·weightDecay beside the step of Adam', async (t) => {
  const theta = Float32Array.of(2, 2)
  const optimizer = await optimizerWith({ ...adamw, weightDecay: 0.5 }, theta)
  optimizer.update(theta, Float32Array.of(0, -4), at(0))
  t.is(theta[0], Math.fround(2 * 0.95))
  // m̂/(√v̂ + 1e-8) is 1 up to rounding.
  t.true(Math.abs(theta[1]! - (2 * 0.95 + 0.1)) < 1e-6, `${theta[1]}`)
  for (let step = 1; step < 10; step++) optimizer.update(theta, Float32Array.of(0, -4), at(step))
  // Ten roundings to f32.
  t.true(Math.abs(theta[0]! - 2 * 0.95 ** 10) < 10 * 6e-8 * 2)
})

test('AdamW leaves frozen weights alone, unless they are to decay', async (t) => {
  const frozen = [{ start: 1, end: 2 }]
  for (const decayFrozen of [false, true]) {
    const theta = Float32Array.of(2, 2, 2)
    const optimizer = await optimizerWith({ ...adamw, decayFrozen }, theta, frozen)
    optimizer.update(theta, new Float32Array(3), at(0))
    const shrunk = Math.fround(1.9)
    t.deepEqual([...theta], [shrunk, decayFrozen ? shrunk : 2, shrunk])
  }
})

// Closed form: m = g·Σ μ^k, so n steps go lr·g·Σ_{k=1..n} (1 − μ^k)/(1 − μ).
test('SGD goes down the gradient, with momentum as far as the closed form says', async (t) => {
  const theta = Float32Array.of(1)
  const plain = await optimizerWith({ name: 'sgd', lr: 0.25 }, theta)
  t.deepEqual(plain.update(theta, Float32Array.of(2), at(0)), { lr: 0.25, updateNorm: 0.5 })
  t.is(theta[0], 0.5)
  const far = Float32Array.of(0)
  const heavy = await optimizerWith({ name: 'sgd', lr: 0.01, momentum: 0.5 }, far)
  for (let step = 0; step < 8; step++) heavy.update(far, Float32Array.of(2), at(step))
  const sum = Array.from({ length: 8 }, (_, k) => (1 - 0.5 ** (k + 1)) / 0.5).reduce((a, b) => a + b)
  // Eight roundings to f32 of numbers below 1.
  t.true(Math.abs(far[0]! + 0.02 * sum) < 8 * 6e-8, `${far[0]}`)
})

const twins: [outer: Record<string, unknown>, zoo: OptimizerConfigInput][] = [
  [
    { name: 'adam', lr: 0.01, beta1: 0.8, beta2: 0.9, epsRoot: 1e-8, schedule: constant },
    { name: 'adam', lr: 0.01, beta1: 0.8, beta2: 0.9, epsRoot: 1e-8 },
  ],
  [
    { name: 'adamw', lr: 0.01, weightDecay: 0.3 },
    { name: 'adamw', lr: 0.01, weightDecay: 0.3 },
  ],
  [
    { name: 'sgd', lr: 0.01 },
    { name: 'sgd', lr: 0.01 },
  ],
  [
    { name: 'sgd', lr: 0.01, momentum: 0.9 },
    { name: 'momentum', lr: 0.01, momentum: 0.9 },
  ],
]
for (const [outer, zoo] of twins) {
  test(`${outer.name} goes the way of the apply API's ${zoo.name}: ${JSON.stringify(outer)}`, async (t) => {
    const [ours, theirs] = [someTheta(50), someTheta(50)]
    updates(await optimizerWith(outer, ours), ours, [0, 40])
    const state = createOptimizer(zoo).init({ theta: { data: theirs, shape: [50] } })
    for (let step = 0; step < 40; step++) state.update({ theta: gradAt(theirs, step) })
    // Both round to f32 at every step, the native one also in between: 40 steps × 1e-7 of weights up to 1.
    const error = Math.max(...ours.map((weight, i) => Math.abs(weight - theirs[i]!)))
    t.true(error < 4e-6, `${error}`)
    t.true(Math.max(...ours.map((weight, i) => Math.abs(weight - someTheta(50)[i]!))) > 0.05)
  })
}

test('the rate: cosine, and warm-ups before it', (t) => {
  const config: LearningRateConfig = {
    lr: 2,
    schedule: { kind: 'cosine', finalFraction: 0.1 },
    warmupOuterSteps: 0,
    warmup: 'zero',
  }
  const rates = (over: Partial<LearningRateConfig>, steps: number[]) =>
    steps.map((step) => learningRateAt({ ...config, ...over }, step, 100))
  t.deepEqual(rates({}, [0, 50, 100]), [2, 1.1, 0.2])
  // Half a cosine over the 80 steps after the warm-up.
  t.deepEqual(rates({ warmupOuterSteps: 20 }, [0, 19, 20, 60, 100]), [0, 0, 2, 1.1, 0.2])
  const linear = { warmupOuterSteps: 20, warmup: 'linear' } as const
  t.deepEqual(rates(linear, [0, 9, 19, 20, 60]), [0.1, 1, 2, 2, 1.1])
  t.deepEqual(rates({ ...linear, schedule: constant }, [4, 20, 99]), [0.5, 2, 2])
  // A warm-up as long as the run has no schedule after it.
  t.deepEqual(rates({ warmupOuterSteps: 100, warmup: 'linear' }, [99]), [2])
})
