/** Means of several gradients, by hand: small integers and halves are exact. */
import test from 'ava'
import { GradientAccumulator } from '../../ts/outer/accumulator.js'

test('every n-th gradient gives the mean of n, and the count starts again', (t) => {
  const accumulator = new GradientAccumulator(4, 2)
  for (const round of [0, 1]) {
    for (const x of [1, 2, 3]) {
      t.is(accumulator.add(Float32Array.of(x + round, -x)), undefined)
      t.is(accumulator.state().count, x)
    }
    t.deepEqual(accumulator.add(Float32Array.of(8 + round, 4)), Float32Array.of(3.5 + round, -0.5))
    t.deepEqual(accumulator.state(), { sum: new Float32Array(2), count: 0 })
  }
})

test('a single gradient is its own mean', (t) => {
  const accumulator = new GradientAccumulator(1, 2)
  t.deepEqual(accumulator.add(Float32Array.of(1, 2)), Float32Array.of(1, 2))
  t.deepEqual(accumulator.state(), { sum: new Float32Array(2), count: 0 })
})

test('a saved state goes on, and is a copy', (t) => {
  const accumulator = new GradientAccumulator(3, 1)
  accumulator.add(Float32Array.of(1))
  accumulator.add(Float32Array.of(2))
  const saved = accumulator.state()
  const other = new GradientAccumulator(3, 1, saved)
  t.deepEqual(accumulator.add(Float32Array.of(6)), Float32Array.of(3))
  t.deepEqual(saved, { sum: Float32Array.of(3), count: 2 })
  t.deepEqual(other.add(Float32Array.of(6)), Float32Array.of(3))
})
