/** What estimators miss by design, on x' = x + theta, loss x, where step s of a problem has gradient s. */
import test from 'ava'
import { isMean } from './statistics.js'
import { manyPairs, runToy, toyConfig } from './toy.js'

// Each truncation sees the effect of its own five steps alone: (0 + … + 4)/5. Where the next one starts has no effect on
// differences of a linear loss.
for (const carry of ['unperturbed', 'pos'] as const) {
  test(`truncated ES is blind to earlier truncations (${carry})`, async (t) => {
    const rows = await runToy(toyConfig({ name: 'truncatedEs', carry, ...manyPairs }), { outerSteps: 100 })
    isMean(t, rows, 2, 0.02)
  })
}

/** Slots of a truncation, T below. */
const SLOTS = 6

/**
 * The published boundary credits the last step of a problem to the newest perturbation alone: at place p of a truncation
 * of T slots that perturbation has moved p steps before it, and so p is left of its gradient ℓ − 1. Each of the ℓ + 1 places
 * that a problem with its empty slot can have in truncations is met equally often. A truncation weighs its steps by 1/T,
 * and by 1/(T − 1) if the empty slot is in it, as it is for p < T − 1. The mean lacks
 * (Σ_{p < T−1} (ℓ − 1 − p)/(T − 1) + (ℓ − T)/T)/(ℓ + 1) = (ℓ − T/2 + ℓ/T − 1)/(ℓ + 1).
 */
const withBias = (length: number) =>
  (length - 1) / 2 - (length - SLOTS / 2 + length / SLOTS - 1) / (length + 1)

for (const length of [10, 12, 30]) {
  for (const compatBoundary of [true, false]) {
    test(`PES with ${compatBoundary ? 'the published' : 'its'} boundary over ${length} inner steps`, async (t) => {
      const config = toyConfig(
        { name: 'pes', ...manyPairs, truncationLength: SLOTS, compatBoundary },
        { seed: length, unrollLength: { kind: 'constant', innerSteps: length }, resets: 'slots' },
      )
      // Whole cycles: every pair meets every place.
      const cycle = length + 1
      const rows = await runToy(config, { outerSteps: cycle * Math.ceil(100 / cycle) })
      const exact = (length - 1) / 2
      isMean(t, rows, compatBoundary ? withBias(length) : exact, 0.02 * exact)
    })
  }
}

// A simulation of the published code gave 3.76, 4.76 and 13.5 where 4.5, 5.5 and 14.5 are right. Its truncation length was
// not written down, and lengths of 5 to 7 differ by 0.1.
test('the boundary costs what it was seen to cost', (t) => {
  const seen = [
    [10, 3.76],
    [12, 4.76],
    [30, 13.5],
  ] as const
  for (const [length, mean] of seen) t.true(Math.abs(withBias(length) - mean) < 0.05, `${withBias(length)}`)
})
