import test from 'ava'
import { combine } from '../../ts/es/estimator.js'
import { createPes } from '../../ts/es/pes.js'
import { createTruncatedEs } from '../../ts/es/truncatedEs.js'
import { noise, runToy, summer, toyConfig } from './toy.js'

/** Mean of pairs of outer steps (a whole problem each) and its standard error over them. */
function meanAndError(values: number[]): { mean: number; error: number } {
  const pairs = Array.from({ length: values.length / 2 }, (_, i) => (values[2 * i]! + values[2 * i + 1]!) / 2)
  const mean = pairs.reduce((a, b) => a + b) / pairs.length
  const variance = pairs.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (pairs.length - 1)
  return { mean, error: Math.sqrt(variance / pairs.length) }
}

// The loss of step t is t·theta, so over ten steps the gradient is (10 − 1)/2. Four standard errors.
test('PES is unbiased over whole problems', async (t) => {
  const { mean, error } = meanAndError(await runToy(createPes(toyConfig('pes', 200)), 'both', 100))
  t.log(`${mean} ± ${error}`)
  t.true(error < 0.1)
  t.true(Math.abs(mean - 4.5) < 4 * error, `${mean} ± ${error}`)
})

// Each truncation sees the effect of its own five steps alone: (5 − 1)/2.
test('truncated ES is biased in the known way', async (t) => {
  const estimator = createTruncatedEs(toyConfig('truncatedEs', 200), 'unperturbed')
  const { mean, error } = meanAndError(await runToy(estimator, 'one', 100))
  t.true(error < 0.05)
  t.true(Math.abs(mean - 2) < 4 * error, `${mean} ± ${error}`)
})

// Spec learned_optimizers §3.3, one particle by hand.
test('a gradient is the weighted sum of the perturbations', async (t) => {
  const plan = { truncationLength: 1, std: 0.1, particles: [{ particle: 4, perturbation: 2 }] }
  const result = { pos: Float64Array.of(1.5), neg: Float64Array.of(1), diverged: Uint8Array.of(2) }
  const { grad, meanLoss, info } = await combine(plan, result, () => 1, summer)
  const want = (0.5 / (2 * 0.1 ** 2)) * (noise(plan, 4, 1) + noise(plan, 4, 2))
  t.true(Math.abs(grad[0]! - want) < 1e-6 * Math.abs(want))
  t.is(meanLoss, 1.25)
  t.deepEqual(info, { numDiverged: 1, numNonFinitePairs: 0 })
})

test('swapping the halves negates the gradient exactly', async (t) => {
  const plan = {
    truncationLength: 1,
    std: 0.1,
    particles: [0, 1, 2].map((particle) => ({ particle, perturbation: 0 })),
  }
  const [a, b] = [Float64Array.of(1, 2, 3), Float64Array.of(1.1, 1.7, 2.2)]
  const diverged = new Uint8Array(3)
  const one = await combine(plan, { pos: a, neg: b, diverged }, () => 0, summer)
  const two = await combine(plan, { pos: b, neg: a, diverged }, () => 0, summer)
  t.is(one.grad[0], -two.grad[0]!)
})

test('a pair that is not finite contributes nothing and is counted', async (t) => {
  const particles = [0, 1].map((particle) => ({ particle, perturbation: 0 }))
  const plan = { truncationLength: 1, std: 0.1, particles }
  const result = {
    pos: Float64Array.of(Number.NaN, 2),
    neg: Float64Array.of(1, 1),
    diverged: new Uint8Array(2),
  }
  const { grad, meanLoss, info } = await combine(plan, result, () => 0, summer)
  // The mean is over both pairs, one of them zero.
  const want = (1 / (2 * 0.1 ** 2) / 2) * noise(plan, 1, 0)
  t.true(Math.abs(grad[0]! - want) < 1e-6 * Math.abs(want))
  t.is(meanLoss, 1.5)
  t.is(info.numNonFinitePairs, 1)
})

test('a particle restarts when its problem is over, and its sum with it', (t) => {
  const estimator = createPes(toyConfig('pes', 2))
  let state = estimator.init()
  const restarts: boolean[] = []
  const firsts: number[] = []
  for (let step = 0; step < 5; step++) {
    const { plan, next } = estimator.plan(state, step)
    restarts.push(plan.particles[0]!.restart !== undefined)
    firsts.push(next.particles[0]!.firstPerturbation)
    state = next
  }
  t.deepEqual(restarts, [true, false, true, false, true])
  t.deepEqual(firsts, [0, 0, 2, 2, 4])
})
