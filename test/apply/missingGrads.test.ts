/** Parameters without a gradient, and gathered gradients that are flushed. The registry's optimizers: apply_parts.rs. */
import test from 'ava'
import { createOptimizer, type Params } from '../../ts/index.js'

const model = (): Params => ({
  a: { data: Float32Array.of(1, 2), shape: [2] },
  b: { data: Float32Array.of(3), shape: [] },
})

test('parameters without a gradient are left alone, their moments too', (t) => {
  const adam = createOptimizer({ name: 'adam', lr: 0.1 })
  const params = model()
  const state = adam.init(params, { missingGrads: 'skip' })
  state.update({ a: Float32Array.of(1, 1), b: Float32Array.of(1) })
  const before = params.b!.data.slice()
  t.true(state.update({ a: Float32Array.of(1, 1), b: null }).isApplied)
  t.true(state.update({ a: Float32Array.of(1, 1) }).isApplied)
  t.true(state.update({ a: Float32Array.of(1, 1), b: undefined }).isApplied)
  t.deepEqual(params.b!.data, before)
  t.is(state.iteration, 4)
  // m = 0.1·0.9 + 0.1·g at the second gradient of `b`; corrected for the five updates that there have been.
  state.update({ a: Float32Array.of(1, 1), b: Float32Array.of(1) })
  const [m, v] = [0.19 / (1 - 0.9 ** 5), 0.001999 / (1 - 0.999 ** 5)]
  t.true(Math.abs(before[0]! - params.b!.data[0]! - (0.1 * m) / Math.sqrt(v)) < 1e-6)
  const report = state.update({ a: null, b: null })
  t.deepEqual(report, { isApplied: false, numZeroed: 0, numHeld: 0 })
  t.is(state.iteration, 5)
})

test('a restored state leaves alone what the first one would have', (t) => {
  const adam = createOptimizer({ name: 'adam', lr: 0.1 })
  const [params, copy] = [model(), model()]
  const state = adam.init(params, { missingGrads: 'skip' })
  state.update({ a: Float32Array.of(1, 1) })
  copy.a!.data.set(params.a!.data)
  const restored = adam.restore(copy, state.save(), { missingGrads: 'skip' })
  for (const each of [state, restored]) each.update({ b: Float32Array.of(2) })
  t.deepEqual(copy, params)
  t.deepEqual(restored.save(), state.save())
})

test('errors name what is wrong with the gradients that there are', (t) => {
  const params = model()
  const state = createOptimizer({ name: 'sgd', lr: 1 }).init(params, { missingGrads: 'skip' })
  t.throws(() => state.update({ a: Float32Array.of(1), b: null }), {
    code: 'SHAPE_MISMATCH',
    message: /grads.a/,
  })
  t.throws(() => state.update({ c: Float32Array.of(1) }), { code: 'INVALID_OPTION', message: /got c/ })
  t.throws(() => state.update({ b: Float32Array.of(Number.NaN) }), {
    code: 'DATA_INVALID',
    message: /of `b`/,
  })
  t.throws(() => state.update({ b: params.b!.data }), {
    message: /`params.b` and `grads.b`|`grads.b` and `params.b`/,
  })
  t.deepEqual(params, model())
})

test('a flush applies the mean of what was gathered, once', (t) => {
  const params = model()
  const optimizer = createOptimizer({ name: 'accumulate', steps: 4, inner: { name: 'sgd', lr: 1 } })
  const state = optimizer.init(params)
  const nothing = { isApplied: false, numZeroed: 0, numHeld: 0 }
  t.deepEqual(state.flush(), nothing)
  for (const b of [1, 2]) state.update({ a: new Float32Array(2), b: Float32Array.of(b) })
  t.deepEqual(params, model())
  t.true(state.flush({ scale: 2 }).isApplied)
  t.is(params.b!.data[0], 0)
  t.is(state.iteration, 4)
  t.deepEqual(state.flush(), nothing)
  for (const b of [1, 1, 1, 5]) state.update({ a: new Float32Array(2), b: Float32Array.of(b) })
  t.is(params.b!.data[0], -2)
  t.deepEqual(createOptimizer({ name: 'adam', lr: 1 }).init(model()).flush(), nothing)
})
