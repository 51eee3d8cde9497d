/** Means of simulations and how far they may be off. */
import type { ExecutionContext } from 'ava'

/** Mean over all, and its standard error from the spread of the pairs' means, which are independent. */
export function meanAndError(rows: readonly Float64Array[]): { mean: number; error: number } {
  const numPairs = rows[0]!.length
  const means = Array.from(
    { length: numPairs },
    (_, pair) => rows.reduce((sum, row) => sum + row[pair]!, 0) / rows.length,
  )
  const mean = means.reduce((a, b) => a + b, 0) / numPairs
  const variance = means.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (numPairs - 1)
  return { mean, error: Math.sqrt(variance / numPairs) }
}

/**
 * Asserts that the mean is `expected` within three standard errors, and that these are at most `maxError`: else the test
 * would tell nothing. A right mean fails once in 370, for one choice of the noise; the noise is the same in every run.
 */
export function isMean(
  t: ExecutionContext,
  rows: readonly Float64Array[],
  expected: number,
  maxError: number,
): void {
  const { mean, error } = meanAndError(rows)
  const said = `${mean} ± ${error}, expected ${expected}`
  t.log(said)
  t.true(Math.abs(mean - expected) <= 3 * error, said)
  t.true(error <= maxError, said)
}
