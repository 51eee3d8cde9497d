/** Scores of the experiment `self-training` on curves made by hand. */
import test from 'ava'
import {
  type Contender,
  FINAL_STEPS,
  formatScores,
  scoreContenders,
} from '../benchmarks/selfTrainingScores.js'

/** 200 outer steps at 2, then at `end`. */
const step = (at: number, end: number) => Array.from({ length: 200 }, (_, i) => (i < at ? 2 : end))
const adam = (value: number, ...curves: number[][]): Contender => ({ kind: 'adam', value, curves })

test('the final meta-loss is the mean of the last steps, and of the seeds', (t) => {
  const curve = [...Array.from({ length: 150 }, () => 9), ...Array.from({ length: FINAL_STEPS }, (_, i) => i)]
  const { contenders } = scoreContenders([adam(1, curve, step(0, 3.5))])
  t.deepEqual(contenders[0]!.finals, [24.5, 3.5])
  t.is(contenders[0]!.final, 14)
})

test('the target is the best Adam of several rates; nobody else counts for it', (t) => {
  const { bestAdamRate, target } = scoreContenders([
    adam(0.001, step(0, 1.5)),
    adam(0.01, step(0, 1)),
    adam(0.1, step(0, Number.NaN)),
    { kind: 'learned', value: 1, curves: [step(0, 0.5)] },
  ])
  t.is(bestAdamRate, 0.01)
  t.is(target, 1)
  // A rate that only diverges is none, wherever it stands.
  t.is(scoreContenders([adam(0.1, step(0, Number.NaN)), adam(0.01, step(0, 1))]).bestAdamRate, 0.01)
})

test('a target counts as reached where the mean of 25 steps and of the seeds does', (t) => {
  const { contenders } = scoreContenders([
    adam(0.01, step(100, 1)),
    { kind: 'learned', value: 1, curves: [step(40, 0.5), step(40, 0.5)] },
    { kind: 'learned', value: 3, curves: [step(40, 0.5), step(40, 1.5)] },
    { kind: 'self', value: 1, curves: [step(0, 1.01)] },
  ])
  const steps = contenders.map(({ stepsToTarget }) => stepsToTarget)
  // From 2 to 1 the mean arrives with the 25th value of 1. From 2 to 0.5: after n, 2 − 1.5·n/25 ≤ 1 with n = 17.
  t.deepEqual(steps, [125, 57, 65, null])
})

test('the table names every contender and warns of a rate at the edge', (t) => {
  const learned: Contender = { kind: 'learned', value: 0.3, curves: [step(0, 0.5)] }
  const self: Contender = { kind: 'self', value: 1, curves: [step(0, 3)] }
  const edge = scoreContenders([adam(0.001, step(0, 1.5)), adam(0.01, step(0, 1)), learned, self])
  const table = formatScores(edge)
  t.regex(table, /^Adam, lr 0.01 +1\.0000 +1\.0000–1\.0000 +1$/m)
  t.regex(table, /^learned × 0.3 +0\.5000 .* 1$/m)
  t.regex(table, /^itself +3\.0000 .* never$/m)
  t.regex(table, /at the edge/)
  const inside = scoreContenders(
    [0.001, 0.01, 0.1].map((lr) => adam(lr, step(0, Math.abs(Math.log10(lr) + 2)))),
  )
  t.is(inside.bestAdamRate, 0.01)
  t.notRegex(formatScores(inside), /at the edge/)
})
