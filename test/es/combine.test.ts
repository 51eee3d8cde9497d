/** From losses to a gradient, on plans written by hand. */
import test from 'ava'
import { type CreditRules, combine } from '../../ts/es/combine.js'
import type { PlannedParticle, PlannedSegment, PlannedTruncation } from '../../ts/es/estimator.js'
import type { AdvanceResult } from '../../ts/native.js'
import { NoiseSummer, unitNoise } from './toy.js'

const STD = 0.1
const SEED = 7
const own: CreditRules = { first: ({ perturbation = 0 }) => perturbation, shares: [1] }
const z = (particle: number, perturbation: number) => STD * unitNoise(SEED, particle, perturbation)

function segment(innerSteps: number, perturbation?: number, first = 0): PlannedSegment {
  return { innerSteps, first, isEnd: false, ...(perturbation !== undefined && { perturbation }) }
}

function planned(particles: PlannedParticle[]): PlannedTruncation {
  return { std: STD, particles, innerSteps: 0, next: { truncation: 0, firstParticle: 0, particles: [] } }
}

/** Pairs of one segment under perturbation 0. */
function simple(families: number[]): PlannedTruncation {
  return planned(families.map((family, particle) => ({ particle, family, segments: [segment(5, 0)] })))
}

function losses(pos: number[], neg: number[]): AdvanceResult {
  return { pos: Float64Array.from(pos), neg: Float64Array.from(neg), diverged: new Uint8Array(pos.length) }
}

const run = (plan: PlannedTruncation, result: AdvanceResult, rules: CreditRules = own) =>
  combine(plan, result, rules, new NoiseSummer(SEED))

/** The gradient is rounded to f32: 6e-8. */
function isAbout(got: number, expected: number): boolean {
  return Math.abs(got - expected) <= 1e-7 * Math.abs(expected)
}

/** A burn-in, two steps of a problem, three of the next one. */
const segments = [segment(40), segment(2, 4, 2), segment(3, 4, 4)]
const threeSegments = planned([{ particle: 9, family: 0, segments }])
// What a burn-in gives is not looked at.
const threeLosses = losses([100, 1.5, 3], [-3, 1, 4])

test('segments count by their inner steps, each with the perturbations of its problem', async (t) => {
  const { grad, meanLoss, info } = await run(threeSegments, threeLosses, {
    ...own,
    first: ({ first }) => first,
  })
  const before = z(9, 2) + z(9, 3) + z(9, 4)
  const expected = ((2 / 5) * 0.5 * before + (3 / 5) * -1 * z(9, 4)) / (2 * STD * STD)
  t.true(isAbout(grad[0]!, expected), `${grad} ${expected}`)
  t.true(isAbout(meanLoss, (2 * 1.25 + 3 * 3.5) / 5), `${meanLoss}`)
  t.is(info.numPairs, 1)
})

test('pooled over inner steps, a pair counts by those it has', async (t) => {
  const particles = [
    { particle: 0, family: 0, segments: [segment(2, 0)] },
    { particle: 1, family: 0, segments: [segment(6, 0)] },
  ]
  const result = losses([1, 2], [0, 0])
  const expected = (weights: [number, number]) =>
    (weights[0] * z(0, 0) + weights[1] * 2 * z(1, 0)) / (2 * STD * STD)
  const pooled = await run(planned(particles), result, { ...own, per: 'innerStep' })
  t.true(isAbout(pooled.grad[0]!, expected([1 / 4, 3 / 4])))
  const perPair = await run(planned(particles), result)
  t.true(isAbout(perPair.grad[0]!, expected([1 / 2, 1 / 2])))
})

test('a sign is that of the whole truncation, and takes the place of every difference', async (t) => {
  // (2·0.5 − 3·1)/5 < 0.
  const rules: CreditRules = { ...own, first: ({ first }) => first, signDelta: 3 }
  const { grad } = await run(threeSegments, threeLosses, rules)
  const before = z(9, 2) + z(9, 3) + z(9, 4)
  const expected = (-3 * ((2 / 5) * before + (3 / 5) * z(9, 4))) / (2 * STD * STD)
  t.true(isAbout(grad[0]!, expected), `${grad} ${expected}`)
})

test('differences are clipped before their sign is taken', async (t) => {
  const result = losses([1.5, 2, 3], [1, 2.1, 3])
  const of = async (rules: Partial<CreditRules>) =>
    (await run(simple([0, 0, 0]), result, { ...own, ...rules })).grad[0]!
  const expected = (deltas: number[]) =>
    deltas.reduce((sum, delta, i) => sum + delta * z(i, 0), 0) / 3 / (2 * STD * STD)
  t.true(isAbout(await of({ clipDelta: 0.2 }), expected([0.2, 2 - 2.1, 0])))
  t.true(isAbout(await of({ clipDelta: 0.2, signDelta: 2 }), expected([2, -2, 0])))
})

for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
  for (const [title, rules] of [
    ['', {}],
    [' under a sign', { signDelta: 1.5 }],
    [' under a clip', { clipDelta: 0.1 }],
    [' under both', { clipDelta: 0.1, signDelta: 1.5 }],
    [' pooled', { per: 'innerStep' }],
    [' normalised', { normalizeLosses: true }],
  ] as const) {
    test(`a pair with a loss of ${bad} contributes nothing and is counted${title}`, async (t) => {
      // Either half, both, and pairs whose difference would be no number.
      const result = losses([bad, 1, bad, 2, Number.POSITIVE_INFINITY], [1, bad, bad, 1, bad])
      const { grad, meanLoss, familyLosses, info } = await run(simple([0, 0, 0, 0, 0]), result, {
        ...own,
        ...rules,
      })
      // The mean is over all five; the only finite pair's losses 2 and 1 have deviation 1/2.
      const delta = 'signDelta' in rules ? 1.5 : 'clipDelta' in rules ? 0.1 : 1
      const scale = 'normalizeLosses' in rules ? STD / 0.5 : 1
      const expected = (scale * delta * z(3, 0)) / (2 * STD * STD) / 5
      t.true(isAbout(grad[0]!, expected), `${grad} ${expected}`)
      t.is(meanLoss, 1.5)
      t.deepEqual(familyLosses, [1.5])
      t.like(info, { numNonFinitePairs: 4, numPairs: 5 })
    })
  }
}

test('one bad segment silences its pair', async (t) => {
  const { grad, info } = await run(threeSegments, losses([0, 1, 2], [0, Number.NaN, 1]))
  t.is(grad[0], 0)
  t.is(info.numNonFinitePairs, 1)
})

test('without a finite pair there is no loss, and no gradient', async (t) => {
  const { grad, meanLoss, info } = await run(simple([0, 0]), losses([Number.NaN, 1], [1, Number.NaN]))
  t.is(grad[0], 0)
  t.is(meanLoss, Number.NaN)
  t.like(info, { numNonFinitePairs: 2, signalToNoise: 0 })
})

test('the gradient is the mean of the families’ by their shares', async (t) => {
  const result = losses([1, 5, 2, 3], [2, 2, 2, 1])
  const shares = [0.25, 0.75]
  const both = await run(simple([0, 1, 0, 1]), result, { ...own, shares })
  const alone = async (pairs: number[]) =>
    run(
      planned(pairs.map((particle) => ({ particle, family: 0, segments: [segment(5, 0)] }))),
      losses(
        pairs.map((i) => result.pos[i]!),
        pairs.map((i) => result.neg[i]!),
      ),
    )
  const [first, second] = [await alone([0, 2]), await alone([1, 3])]
  // Each of the two gradients was rounded to f32.
  t.true(
    Math.abs(both.grad[0]! - (0.25 * first.grad[0]! + 0.75 * second.grad[0]!)) <
      2e-7 * Math.abs(both.grad[0]!),
  )
  t.deepEqual(both.familyLosses, [first.meanLoss, second.meanLoss])
  t.is(both.meanLoss, 0.25 * first.meanLoss + 0.75 * second.meanLoss)

  // A family without a finite pair has no loss, and the mean is over the others.
  const broken = await run(simple([0, 1, 0, 1]), losses([1, Number.NaN, 2, Number.NaN], [2, 2, 2, 1]), {
    ...own,
    shares,
  })
  t.deepEqual(broken.familyLosses, [first.meanLoss, Number.NaN])
  t.is(broken.meanLoss, first.meanLoss)
  t.true(isAbout(broken.grad[0]!, 0.25 * first.grad[0]!))
})

test('losses are normalised by their deviation over all lanes', async (t) => {
  const result = losses([1, 5, 2], [2, 2, 3])
  const [plain, normalised] = [
    await run(simple([0, 0, 0]), result),
    await run(simple([0, 0, 0]), result, { ...own, normalizeLosses: true }),
  ]
  // Losses 1, 5, 2, 2, 2, 3: mean 2.5, squares 2.25 + 6.25 + 3·0.25 + 0.25 = 9.5.
  t.true(
    Math.abs(normalised.grad[0]! - (plain.grad[0]! * STD) / Math.sqrt(9.5 / 6)) <
      1e-6 * Math.abs(normalised.grad[0]!),
  )
  t.is(normalised.meanLoss, plain.meanLoss)
  // Where all losses are equal nothing is divided by zero.
  const flat = await run(simple([0, 0]), losses([2, 2], [2, 2]), { ...own, normalizeLosses: true })
  t.is(flat.grad[0], 0)
})

test('a lane is counted as diverged once', async (t) => {
  const plan = planned([
    { particle: 0, family: 0, segments: [segment(2, 0), segment(3, 1)] },
    { particle: 1, family: 0, segments: [] },
    { particle: 2, family: 0, segments: [segment(5, 0)] },
    { particle: 3, family: 0, segments: [segment(5, 0)] },
  ])
  const result = { ...losses([1, 1, 1, 1], [1, 1, 1, 1]), diverged: Uint8Array.of(1, 1, 3, 0) }
  const { info } = await run(plan, result)
  t.is(info.numDiverged, 3)
  // The pair without segments is none of the mean's.
  t.is(info.numPairs, 3)
})

// All parts equal: their sum is n times one, and its square n times the sum of squares.
test('the signal-to-noise ratio is pairs − 1 when all agree', async (t) => {
  const differences = [0, 1, 2, 3].map((particle) => 1 / z(particle, 0))
  const { info } = await run(simple([0, 0, 0, 0]), losses(differences, [0, 0, 0, 0]))
  // The gradient's rounding to f32, squared.
  t.true(Math.abs(info.signalToNoise - 3) < 1e-6, `${info.signalToNoise}`)
  t.true(Math.abs((await run(simple([0]), losses([2], [1]))).info.signalToNoise) < 1e-6)
})
