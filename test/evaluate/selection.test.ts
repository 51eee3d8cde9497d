import test from 'ava'
import { baselinePool, learningRates } from '../../ts/evaluate/baselines.js'
import { scoreHorizon } from '../../ts/evaluate/horizonScores.js'
import { bestPerTask, bestSingle, type SettingRuns, scoreSettings } from '../../ts/evaluate/settingScores.js'
import { resamplePlan } from '../../ts/evaluate/statistics.js'
import { testRandom } from './syntheticEvaluation.js'

/** A setting whose curves on each task are [1, valid, valid] on outer-validation and [1, test, test] on test. */
function setting(name: string, value: number, tasks: { valid: number; test: number }[]): SettingRuns {
  const runs = tasks.map(({ valid, test }) => [
    { steps: [0, 10, 20], outerValid: [1, valid, valid], test: [1, test, test] },
  ])
  return { name, value, runs }
}

const same = (loss: number) => ({ valid: loss, test: loss })

/** Two tasks. Rate 0.1 is best on the first, 0.01 on the second; 0.03 is second best on both and best on average. */
const pool = [
  setting('adam', 0.01, [same(0.9), same(0.1)]),
  setting('adam', 0.03, [same(0.3), same(0.3)]),
  setting('adam', 0.1, [same(0.1), same(0.8)]),
  setting('momentum', 0.1, [same(0.5), same(0.5)]),
  setting('sgd', 1, [same(0.6), same(0.6)]),
]

test('the pool has 14 half-decade rates from 1e-6 to 3.16 of three families', (t) => {
  t.is(baselinePool().length, 42)
  t.is(learningRates[0], 1e-6)
  t.true(learningRates.includes(1e-3))
  for (const [k, lr] of learningRates.entries()) {
    // Decimal literals and powers agree to rounding: a few units of 2^-52.
    t.true(Math.abs(lr / 10 ** (-6 + k / 2) - 1) < 1e-14)
  }
})

test('one rate for all tasks is the best on average, the tuned rate the best of each task', (t) => {
  const { pool: scored } = scoreSettings(pool, [], 20)
  const adam = scored.filter((score) => score.name === 'adam')
  for (const metric of ['final', 'curve'] as const) {
    t.is(adam[bestSingle(adam, metric)]!.value, 0.03)
    t.deepEqual(
      bestPerTask(adam, metric).map((i) => adam[i]!.value),
      [0.1, 0.01],
    )
  }
})

test('rates are chosen on outer-validation and reported on test', (t) => {
  const misleading = [
    setting('adam', 0.01, [{ valid: 0.2, test: 0.7 }]),
    setting('adam', 0.1, [{ valid: 0.3, test: 0.1 }]),
    setting('momentum', 0.1, [same(0.5)]),
    setting('sgd', 1, [same(0.5)]),
  ]
  const plan = resamplePlan(1, 1, testRandom(1), 10)
  const { rows } = scoreHorizon(scoreSettings(misleading, [setting('learned', 1, [same(0.5)])], 20), 20, plan)
  const tuned = rows.find((row) => row.id === 'adam-tuned')!
  // (0.7 − 0.1) / (1 − 0.1): the test loss of the rate that looked better on outer-validation.
  t.true(Math.abs(tuned.normalized.final.mean.value - 2 / 3) < 1e-12)
  t.is(rows.find((row) => row.id === 'adam-single')!.lr!.final, 0.01)
})

test('rows of a hand-made pool', (t) => {
  const learned = [setting('learned', 1, [same(0.2), same(0.2)])]
  const plan = resamplePlan(2, 1, testRandom(1))
  const scores = scoreHorizon(scoreSettings(pool, learned, 20), 20, plan)
  const row = (id: string) => scores.rows.find((candidate) => candidate.id === id)!
  t.deepEqual(
    scores.rows.map(({ id, trials }) => [id, trials]),
    [
      ['learned', 0],
      ['adam-single', 0],
      ['adam-tuned', 3],
      ['momentum-single', 0],
      ['momentum-tuned', 1],
      ['sgd-single', 0],
      ['sgd-tuned', 1],
    ],
  )
  const near = (value: number, expected: number) => t.true(Math.abs(value - expected) < 1e-12, `${value}`)
  // The best of the pool is 0.1 on both tasks, the initial loss 1.
  near(row('learned').normalized.final.mean.value, 0.1 / 0.9)
  near(row('adam-single').normalized.final.mean.value, 0.2 / 0.9)
  t.is(row('adam-tuned').normalized.final.mean.value, 0)
  // Tuned Adam ends at 0.1 on both tasks.
  near(row('learned').vsTunedAdam.final.value, 0.1 / 0.9)
  t.is(row('adam-tuned').vsTunedAdam.curve.value, 0)
  t.deepEqual(row('adam-single').numLearnedBetter, { final: 2, curve: 2 })
  t.deepEqual(row('adam-tuned').numLearnedBetter, { final: 0, curve: 0 })
  near(scores.learnedMinusAdamSingle.final.value, -0.1 / 0.9)
  // The difference is the same on both tasks, so its interval is a point.
  near(scores.learnedMinusAdamSingle.final.high, -0.1 / 0.9)
})

test('step multipliers are reported as trials, and the untuned row is the one with multiplier 1', (t) => {
  const learned = [
    setting('learned', 0.3, [same(0.2), same(0.6)]),
    setting('learned', 1, [same(0.4), same(0.4)]),
  ]
  const { rows } = scoreHorizon(scoreSettings(pool, learned, 20), 20, resamplePlan(2, 1, testRandom(1), 10))
  t.deepEqual(
    rows
      .slice(0, 3)
      .map(({ id, trials, perTask }) => [id, trials, perTask.final.map((x) => Math.round(x * 900))]),
    [
      ['learned', 0, [300, 300]],
      ['learned-x0.3', 2, [100, 500]],
      ['learned-tuned', 2, [100, 300]],
    ],
  )
})

test('diverged runs are counted, and cost as much as not learning at all', (t) => {
  const diverged: SettingRuns = {
    name: 'learned',
    value: 1,
    runs: [0, 1].map(() => [
      { steps: [0, 10, 20], outerValid: [1, 0.5, Infinity], test: [1, 0.5, Infinity] },
    ]),
  }
  const plan = resamplePlan(2, 1, testRandom(1), 10)
  const late = scoreHorizon(scoreSettings(pool, [diverged], 20), 20, plan).rows[0]!
  t.is(late.numDiverged, 2)
  t.is(late.normalized.final.mean.value, 1)
  const early = scoreHorizon(scoreSettings(pool, [diverged], 10), 10, plan).rows[0]!
  t.is(early.numDiverged, 0)
  // Halfway from 1 to the pool's best at step 10, 0.1.
  t.true(Math.abs(early.normalized.final.mean.value - 0.4 / 0.9) < 1e-12)
})
