/**
 * NRES has the least variance, then GPES with longer windows, then PES, as Li et al. 2023 (arXiv:2304.12180) prove for losses
 * that are smooth in theta. Here x' = x/2 + theta, loss x, problems of six truncations.
 *
 * A truncation's mean loss has slope a_j to the theta of window j, of m so far: with unit normal z the estimate is
 * (Σ a_j·z_j)(Σ z_j), so its square has mean m·Σ a_j² + 2(Σ a_j)². For a given Σ a_j that is least at m = 1, and the more the
 * slopes differ, as they do where a state forgets, the more it costs to have several windows.
 */
import test from 'ava'
import { isMean, meanAndError } from './statistics.js'
import { type EstimatorInput, manyPairs, runToy, type Toy, toyConfig } from './toy.js'

const TRUNCATION = 2
const LENGTH = 12
const leaking: Toy = { start: 0, step: (x, theta) => x / 2 + theta, loss: (x) => x }

/** Slopes a_j of the truncation from step `start` on. */
function slopes(start: number, redrawEvery: number): number[] {
  const numWindows = Math.ceil((start + TRUNCATION) / redrawEvery)
  const of = new Array<number>(numWindows).fill(0)
  for (let s = start; s < start + TRUNCATION; s++) {
    for (let u = 0; u < s; u++) of[Math.floor(u / redrawEvery)]! += 0.5 ** (s - 1 - u) / TRUNCATION
  }
  return of
}

const sum = (values: number[]) => values.reduce((a, b) => a + b, 0)
const starts = Array.from({ length: LENGTH / TRUNCATION }, (_, i) => i * TRUNCATION)
const overTruncations = (f: (a: number[]) => number, redrawEvery: number) =>
  sum(starts.map((start) => f(slopes(start, redrawEvery)))) / starts.length

/** Mean square of a pair's estimate over the truncations of a problem. */
const meanSquare = (redrawEvery: number) =>
  overTruncations((a) => a.length * sum(a.map((x) => x * x)) + 2 * sum(a) ** 2, redrawEvery)

const cases: [EstimatorInput, number][] = [
  [{ name: 'nres' }, LENGTH],
  [{ name: 'gpes', perturbEvery: 6 }, 6],
  [{ name: 'pes' }, TRUNCATION],
]

test('the variance is the one that follows, and NRES has the least', async (t) => {
  const seen: number[] = []
  for (const [seed, [estimator, redrawEvery]] of cases.entries()) {
    const shared = { ...manyPairs, truncationLength: TRUNCATION }
    const unrollLength = { kind: 'constant', innerSteps: LENGTH } as const
    const config = toyConfig({ ...shared, ...estimator }, { seed, unrollLength })
    const rows = await runToy(config, { toy: leaking, outerSteps: 102 })
    const mean = overTruncations(sum, redrawEvery)
    isMean(t, rows, mean, 0.015 * mean)
    const square = meanSquare(redrawEvery)
    const squares = rows.map((row) => row.map((gradient) => gradient ** 2))
    isMean(t, squares, square, 0.06 * square)
    seen.push(meanAndError(squares).mean - mean ** 2)
  }
  t.log(seen)
  // By far more than the errors above.
  t.true(seen[1]! > 1.15 * seen[0]! && seen[2]! > 1.15 * seen[1]!, `${seen}`)
})
