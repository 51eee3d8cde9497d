import test from 'ava'
import {
  estimateMean,
  interquartileMean,
  mean,
  median,
  quantile,
  resamplePlan,
  summarize,
} from '../../ts/evaluate/statistics.js'
import { testRandom } from './syntheticEvaluation.js'

test('mean, median and quantiles of known samples', (t) => {
  t.is(mean([1, 2, 6]), 3)
  t.is(median([5, 1, 3]), 3)
  t.is(median([4, 1, 3, 2]), 2.5)
  // Type 7 of Hyndman and Fan: position p·(n − 1) among the order statistics.
  t.is(quantile([10, 20, 30, 40, 50], 0.1), 14)
  t.is(quantile([7], 0.975), 7)
  t.is(quantile([1, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY], 1), Number.POSITIVE_INFINITY)
})

test('the interquartile mean drops a quarter of the sample at each end', (t) => {
  t.is(interquartileMean([8, 1, 7, 2, 6, 3, 5, 4]), 4.5)
  // ⌊5/4⌋ = 1 value at each end, as scipy.stats.trim_mean(x, 0.25) does.
  t.is(interquartileMean([1e9, 1, 2, 3, -1e9]), 2)
  t.is(interquartileMean([3, 1, 2]), 2)
})

test('the interval of a constant has no width', (t) => {
  const plan = resamplePlan(5, 3, testRandom(1), 200)
  const values = Array.from({ length: 5 }, () => [0.25, 0.25, 0.25])
  const point = { value: 0.25, low: 0.25, high: 0.25 }
  t.deepEqual(summarize(values, plan), { mean: point, median: point, iqm: point })
  t.deepEqual(estimateMean(values, plan), point)
})

test('with one task the interval is over seeds, and cannot leave their range', (t) => {
  const plan = resamplePlan(1, 3, testRandom(2))
  const { value, low, high } = estimateMean([[1, 2, 6]], plan)
  t.is(value, 3)
  // Of 27 equally likely resamples the least mean, 1, has probability 1/27 = 3.7 % > 2.5 %; the greatest, 6, likewise.
  t.is(low, 1)
  t.is(high, 6)
})

test('a plan is a function of its random source', (t) => {
  t.deepEqual(resamplePlan(4, 2, testRandom(3), 50), resamplePlan(4, 2, testRandom(3), 50))
  t.notDeepEqual(resamplePlan(4, 2, testRandom(3), 50), resamplePlan(4, 2, testRandom(4), 50))
  t.is(resamplePlan(4, 2, testRandom(3)).numResamples, 2000)
})

test('summarize and estimateMean agree on the mean', (t) => {
  const random = testRandom(5)
  const values = Array.from({ length: 7 }, () => [random(1000), random(1000)])
  const plan = resamplePlan(7, 2, random, 300)
  t.deepEqual(summarize(values, plan).mean, estimateMean(values, plan))
})

test('95 % intervals of the mean cover the true mean about 95 % of the time', (t) => {
  const random = testRandom(6)
  const normal = () => {
    // Irwin-Hall: the sum of twelve uniforms less six has mean 0 and variance 1.
    let sum = -6
    for (let i = 0; i < 12; i++) sum += random(2 ** 20) / 2 ** 20
    return sum
  }
  const plan = resamplePlan(30, 1, testRandom(7), 1000)
  const numTrials = 400
  let numCovered = 0
  for (let trial = 0; trial < numTrials; trial++) {
    const { low, high } = estimateMean(
      Array.from({ length: 30 }, () => [2 + normal()]),
      plan,
    )
    if (low <= 2 && 2 <= high) numCovered++
  }
  const coverage = numCovered / numTrials
  // The percentile interval of 30 normals covers 93.6 % (it takes √(29/30)·1.960 where Student's t has 2.045); the
  // standard error of 400 trials is 1.2 %: three of them on each side.
  t.true(Math.abs(coverage - 0.936) < 0.037, `coverage ${coverage}`)
})
