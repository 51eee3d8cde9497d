/**
 * Estimators on x' = x + theta, loss x. Step s of a problem has gradient s, whatever theta is, and a linear loss looks the
 * same through any noise: the mean over a problem of 10 inner steps is (0 + … + 9)/10 = 4.5. 10^5 truncations of a pair each.
 */
import test from 'ava'
import type { PopulationConfig } from '../../ts/es/population.js'
import { isMean } from './statistics.js'
import { type EstimatorInput, manyPairs, runToy, toyConfig, unitNoise } from './toy.js'

test('the noise of these tests is standard normal and white', (t) => {
  const n = 100_000
  const z = Array.from({ length: n }, (_, i) => unitNoise(1, i % 1000, Math.floor(i / 1000)))
  const means = (f: (i: number) => number) => z.reduce((sum, _, i) => sum + f(i), 0) / n
  // Four standard errors: z, z², z⁴ have variances 1, 2, 96, and a product of two has 1.
  const isWithin = (expected: number, variance: number, f: (i: number) => number) =>
    t.true(Math.abs(means(f) - expected) < 4 * Math.sqrt(variance / n), `${means(f)} ${expected}`)
  isWithin(0, 1, (i) => z[i]!)
  isWithin(1, 2, (i) => z[i]! ** 2)
  isWithin(3, 96, (i) => z[i]! ** 4)
  // Neighbouring pairs, and neighbouring perturbations of one.
  for (const lag of [1, 2, 1000, 2000]) isWithin(0, 1, (i) => z[i]! * z[(i + lag) % n]!)
})

let numTests = 0

/** `cycle`: outer steps after which pairs that started together are where they were; the mean is over whole cycles. */
function unbiased(
  title: string,
  estimator: EstimatorInput,
  over: Partial<PopulationConfig>,
  { expected = 4.5, cycle, skip = 0 }: { expected?: number; cycle: number; skip?: number },
): void {
  const seed = numTests++
  test(title, async (t) => {
    const config = toyConfig({ ...manyPairs, ...estimator }, { seed, ...over })
    const rows = await runToy(config, { outerSteps: skip + cycle * Math.ceil(100 / cycle) })
    isMean(t, rows.slice(skip), expected, 0.02 * expected)
  })
}

unbiased('PES: problems end with truncations', { name: 'pes' }, {}, { cycle: 2 })

// 12 inner steps are rounded up to three truncations: (15 − 1)/2.
const twelve = { unrollLength: { kind: 'constant', innerSteps: 12 } } as const
unbiased('PES: lengths are rounded up', { name: 'pes' }, twelve, { cycle: 3, expected: 7 })

// Eleven slots to a problem: after eleven truncations of five slots every place of a truncation has met every slot. A
// truncation with an empty slot weighs its steps 1/4 each, but as many before the middle of a problem as after it.
unbiased('PES: an empty slot between problems', { name: 'pes' }, { resets: 'slots' }, { cycle: 11 })

// Truncations of four: the same after five of them, which are two problems.
const inline = { resets: 'inline' } as const
const four = { truncationLength: 4 }
unbiased('PES: problems end inside', { name: 'pes', ...four }, inline, { cycle: 5 })

unbiased('NRES: all pairs in step', { name: 'nres' }, {}, { cycle: 2 })
// The first problem of a pair has too little of its effect, so that it is left out.
const counter = { ...inline, initialOffset: { kind: 'counter', max: 10 } } as const
unbiased('NRES: staggered by a counter', { name: 'nres', ...four }, counter, { cycle: 5, skip: 3 })
const burnIn = { ...inline, initialOffset: { kind: 'burnIn' } } as const
unbiased('NRES: staggered by a burn-in', { name: 'nres', ...four }, burnIn, { cycle: 5, skip: 3 })

for (const perturbEvery of [3, 5]) {
  unbiased(`GPES-${perturbEvery}`, { name: 'gpes', perturbEvery, ...four }, inline, { cycle: 5 })
}

// 13 is rounded down to 10.
const thirteen = { unrollLength: { kind: 'constant', innerSteps: 13 } } as const
unbiased('full ES: lengths are rounded down', { name: 'fullEs' }, thirteen, { cycle: 1 })
