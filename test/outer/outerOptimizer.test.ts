import test from 'ava'
import { parseTrainConfig } from '../../ts/config/trainConfig.js'
import { adamStep, initAdam, learningRateAt } from '../../ts/outer/adam.js'
import { clipGradient } from '../../ts/outer/clip.js'
import { updateAverage } from '../../ts/outer/thetaAverage.js'

const { outerOptimizer } = parseTrainConfig({
  preset: 'quick',
  outerOptimizer: { lr: 0.1, schedule: { kind: 'constant' } },
})

// Closed form: with a constant gradient both corrected moments are exact, so every step is lr·sign(g).
test('Adam moves by lr against a constant gradient', (t) => {
  const theta = Float32Array.of(1, -1)
  const state = initAdam(2)
  for (let step = 0; step < 20; step++) adamStep(outerOptimizer, state, theta, Float32Array.of(2, -0.5), 0.1)
  // f32 rounding of the moments: 1e-6 a step.
  t.true(Math.abs(theta[0]! - (1 - 2)) < 4e-5, `${theta[0]}`)
  t.true(Math.abs(theta[1]! - (-1 + 2)) < 4e-5, `${theta[1]}`)
})

test('at learning rate 0 only the moments move', (t) => {
  const theta = Float32Array.of(1)
  const state = initAdam(1)
  t.is(adamStep(outerOptimizer, state, theta, Float32Array.of(3), 0), 0)
  t.is(theta[0], 1)
  t.true(Math.abs(state.m[0]! - 0.3) < 1e-7)
})

test('the cosine goes from lr to its final fraction', (t) => {
  const config = { ...outerOptimizer, lr: 2, schedule: { kind: 'cosine', finalFraction: 0.1 } as const }
  t.is(learningRateAt(config, 0, 100), 2)
  t.is(learningRateAt(config, 50, 100), 1.1)
  t.is(learningRateAt(config, 100, 100), 0.2)
  t.is(learningRateAt({ ...config, warmupOuterSteps: 10 }, 9, 100), 0)
})

test('clipping bounds components or the norm, and clears what is not finite', (t) => {
  const grad = () => Float32Array.of(3, -4, Number.NaN)
  const byValue = grad()
  t.is(clipGradient({ kind: 'value', max: 1 }, byValue), 5)
  t.deepEqual([...byValue], [1, -1, 0])
  const byNorm = grad()
  t.is(clipGradient({ kind: 'globalNorm', max: 1 }, byNorm), 5)
  t.deepEqual([...byNorm], [Math.fround(0.6), Math.fround(-0.8), 0])
  const free = grad()
  clipGradient({ kind: 'none' }, free)
  t.deepEqual([...free], [3, -4, 0])
})

test('the average follows theta, quickly at first', (t) => {
  const average = Float32Array.of(0)
  updateAverage(average, Float32Array.of(1), 0.98, 1)
  t.true(Math.abs(average[0]! - (1 - 2 / 11)) < 1e-6)
  updateAverage(average, Float32Array.of(5), 0, 1000)
  t.is(average[0], 5)
})
