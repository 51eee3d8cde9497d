import test from 'ava'
import { lengthAt, truncationLengthAt } from '../../ts/es/schedules.js'
import { Key } from '../../ts/tasks/key.js'

const root = new Key(5, 4)

test('constant and linear lengths', (t) => {
  t.is(lengthAt({ kind: 'constant', innerSteps: 7 }, 99, root), 7)
  const linear = { kind: 'linear', from: 300, to: 10_000, overOuterSteps: 10_000 } as const
  const at = (outerStep: number) => lengthAt(linear, outerStep, root)
  t.deepEqual([0, 1, 5000, 9999, 10_000, 20_000].map(at), [300, 301, 5150, 9999, 10_000, 10_000])
  t.is(lengthAt({ ...linear, from: 10, to: 4, overOuterSteps: 3 }, 1, root), 8)
})

test('lines through knots, constant outside', (t) => {
  const knots = [
    { outerStep: 100, innerSteps: 10 },
    { outerStep: 200, innerSteps: 20 },
    { outerStep: 400, innerSteps: 14 },
  ]
  const at = (outerStep: number) => lengthAt({ kind: 'piecewise', knots, std: 0, min: 10 }, outerStep, root)
  t.deepEqual(
    [0, 99, 100, 150, 154, 155, 200, 300, 400, 1000].map(at),
    [10, 10, 10, 15, 15, 16, 20, 17, 14, 14],
  )
})

test('noise around knots is normal, cut to integers and below', (t) => {
  const knots = [{ outerStep: 0, innerSteps: 40 }]
  const n = 4000
  const draws = (min: number) =>
    Array.from({ length: n }, (_, i) => lengthAt({ kind: 'piecewise', knots, std: 5, min }, 0, root.fold(i)))
  const free = draws(1)
  const mean = free.reduce((a, b) => a + b, 0) / n
  const variance = free.reduce((sum, x) => sum + (x - mean) ** 2, 0) / n
  // Cutting to integers takes 1/2 off on average and adds the variance of a uniform number. Four standard errors.
  const expected = 25 + 1 / 12
  t.true(Math.abs(mean - 39.5) < 4 * Math.sqrt(expected / n), `${mean}`)
  t.true(Math.abs(variance - expected) < 4 * expected * Math.sqrt(2 / n), `${variance}`)
  t.true(free.every(Number.isInteger))
  // The same draws, none below 38.
  t.deepEqual(
    draws(38),
    free.map((length) => Math.max(38, length)),
  )
})

test('uniform and log-uniform lengths reach both ends in proportion', (t) => {
  const n = 3000
  const draws = (kind: 'uniform' | 'logUniform') =>
    Array.from({ length: n }, (_, i) => lengthAt({ kind, min: 2, max: 8 }, 0, root.fold(i)))
  // Five standard errors of a share.
  const isShare = (values: number[], probability: number, isIn: (x: number) => boolean) => {
    const share = values.filter(isIn).length / n
    t.true(Math.abs(share - probability) < 5 * Math.sqrt((probability * (1 - probability)) / n), `${share}`)
  }
  const uniform = draws('uniform')
  for (let length = 2; length <= 8; length++) isShare(uniform, 1 / 7, (x) => x === length)
  // Rounded: 2 is what lies below 2.5, 8 what lies above 7.5.
  const logUniform = draws('logUniform')
  isShare(logUniform, Math.log(2.5 / 2) / Math.log(4), (x) => x === 2)
  isShare(logUniform, Math.log(8 / 7.5) / Math.log(4), (x) => x === 8)
  t.true([...uniform, ...logUniform].every((x) => Number.isInteger(x) && x >= 2 && x <= 8))
})

test('a schedule takes the place of the constant length', (t) => {
  t.is(truncationLengthAt(undefined, 50, 3, root), 50)
  t.is(truncationLengthAt({ kind: 'linear', from: 1, to: 5, overOuterSteps: 4 }, 50, 3, root), 4)
  t.deepEqual(
    [0, 1].map((i) => truncationLengthAt({ kind: 'uniform', min: 1, max: 1e6 }, 50, 3, root.fold(i))),
    [0, 1].map((i) => truncationLengthAt({ kind: 'uniform', min: 1, max: 1e6 }, 50, 4, root.fold(i))),
  )
})
