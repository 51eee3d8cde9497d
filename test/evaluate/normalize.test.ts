import test from 'ava'
import { curveMean, cutCurve, isDiverged, type RunCurve } from '../../ts/evaluate/curves.js'
import {
  cappedLoss,
  lossScale,
  normalizedLoss,
  normalizedMetric,
  scoreVsTuned,
} from '../../ts/evaluate/normalize.js'

const { NaN: nan, POSITIVE_INFINITY: infinity } = Number

function run(losses: number[]): RunCurve {
  return { steps: losses.map((_, i) => 10 * i), outerValid: losses, test: losses }
}

test('a curve mean is the area under the curve over its length', (t) => {
  // Straight line from 4 to 0: mean 2, however the points lie.
  t.is(curveMean([0, 1, 4], [4, 3, 0]), 2)
  t.is(curveMean([0], [3]), 3)
})

test('a prefix ends at the horizon', (t) => {
  t.deepEqual(cutCurve(run([3, 2, 1, 0]), 20).test, [3, 2, 1])
  t.deepEqual(cutCurve(run([3, 2, 1, 0]), 29).steps, [0, 10, 20])
  t.deepEqual(cutCurve(run([3, 2]), 1000).test, [3, 2])
})

test('the scale is the initial loss and the best loss of any run at any point', (t) => {
  const runs = [run([2, 0.5, 1]), run([4, nan, -infinity]), run([3, 2, 1.5])]
  t.deepEqual(lossScale(runs, 'test'), { initial: 3, best: 0.5 })
})

test('the normalised loss is linear from the initial loss at 1 to the best at 0, and clipped', (t) => {
  const scale = { initial: 3, best: 1 }
  t.deepEqual(
    [3, 2, 1.5, 1, 0.5, 4].map((loss) => normalizedLoss(loss, scale)),
    [1, 0.5, 0.25, 0, 0, 1],
  )
})

test('a loss that is not finite counts 1', (t) => {
  for (const loss of [nan, infinity, -infinity]) {
    t.is(normalizedLoss(loss, { initial: 3, best: 1 }), 1)
    t.is(scoreVsTuned(loss, 3, 1), 1)
    t.is(cappedLoss(run([3, loss]), 'test', 'final', 3), 3)
  }
  // Points 3, 1, then not finite for the rest: (1 + 0)/2, (0 + 1)/2, (1 + 1)/2 over three equal pieces.
  t.is(normalizedMetric(run([3, 1, infinity, nan]), 'test', 'curve', { initial: 3, best: 1 }), 2 / 3)
  t.true(isDiverged(run([3, infinity])))
  t.false(isDiverged(run([3, 2])))
})

test('where the pool learns nothing only an improvement scores below 1', (t) => {
  const scale = { initial: 2, best: 2 }
  t.is(normalizedLoss(2, scale), 1)
  t.is(normalizedLoss(1.9, scale), 0)
})

test('the score against tuned Adam is 0 at tuned Adam and goes below it', (t) => {
  t.is(scoreVsTuned(1, 3, 1), 0)
  t.is(scoreVsTuned(2, 3, 1), 0.5)
  t.is(scoreVsTuned(0.5, 3, 1), -0.25)
  t.is(scoreVsTuned(9, 3, 1), 1)
  t.is(scoreVsTuned(2, 3, 3), 0)
})
