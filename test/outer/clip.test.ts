/** Limits on the gradient: norms by hand. */
import test from 'ava'
import { clipGradient } from '../../ts/outer/clip.js'

const leaves = [
  { name: 'a', shape: [2] },
  { name: 'b', shape: [] },
  { name: 'c', shape: [1, 2] },
]

test('what is not finite counts 0, whatever the limit', (t) => {
  const bad = Float32Array.of(3, Number.NaN, Infinity, -Infinity, 4)
  t.is(clipGradient({ kind: 'none' }, bad, leaves), 5)
  t.deepEqual([...bad], [3, 0, 0, 0, 4])
})

test('by value: every component to ±max', (t) => {
  const grad = Float32Array.of(3, -4, 0.5, 0, -0.25)
  t.is(clipGradient({ kind: 'value', max: 1 }, grad, leaves), Math.sqrt(25.3125))
  t.deepEqual([...grad], [1, -1, 0.5, 0, -0.25])
})

test('by the norm of the whole: the direction stays, a shorter one is left alone', (t) => {
  const grad = Float32Array.of(3, -4, 0, 0, 0)
  t.is(clipGradient({ kind: 'globalNorm', max: 1 }, grad, leaves), 5)
  t.deepEqual([...grad], [Math.fround(0.6), Math.fround(-0.8), 0, 0, 0])
  const short = Float32Array.of(3, -4, 0, 0, 0)
  t.is(clipGradient({ kind: 'globalNorm', max: 5 }, short, leaves), 5)
  t.deepEqual([...short], [3, -4, 0, 0, 0])
})

test('by the norm of each leaf: long leaves alone are shortened, each to max', (t) => {
  const grad = Float32Array.of(3, -4, -20, 0.6, 0.8)
  t.is(clipGradient({ kind: 'leafNorm', max: 2 }, grad, leaves), Math.sqrt(25 + 400 + norm(0.6, 0.8) ** 2))
  const [x, y] = [1.2, -1.6].map(Math.fround)
  t.deepEqual([...grad], [x, y, -2, Math.fround(0.6), Math.fround(0.8)])
  // A leaf of zeros has no direction.
  const zeros = Float32Array.of(0, 0, 3, 0, 0)
  clipGradient({ kind: 'leafNorm', max: 1 }, zeros, leaves)
  t.deepEqual([...zeros], [0, 0, 1, 0, 0])
})

test('finite gradients whose squares leave f32 keep their direction and can be squared', (t) => {
  const grad = Float32Array.of(2 ** 120, -(2 ** 119), 0, 1, 0)
  t.is(clipGradient({ kind: 'none' }, grad, leaves), Math.sqrt(2 ** 240 + 2 ** 238 + 1))
  t.deepEqual([...grad], [2 ** 61, -(2 ** 60), 0, 2 ** -59, 0])
  const common = Float32Array.of(2 ** 60, -3, 0, 0, 0)
  clipGradient({ kind: 'none' }, common, leaves)
  t.deepEqual([...common], [2 ** 60, -3, 0, 0, 0])
})

/** Of two numbers as f32 holds them. */
function norm(x: number, y: number): number {
  return Math.hypot(Math.fround(x), Math.fround(y))
}
