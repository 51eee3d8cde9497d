import test from 'ava'
import type { GradientEstimate } from '../../ts/es/estimator.js'
import { averageEstimates } from '../../ts/outer/averageEstimates.js'

function estimate(familyLosses: number[], grad: number[], signalToNoise: number): GradientEstimate {
  const info = { numDiverged: 1, numNonFinitePairs: 2, numPairs: 5, signalToNoise }
  return { meanLoss: familyLosses[0]!, familyLosses, grad: Float32Array.from(grad), info }
}

test('gradients and losses are averaged, counts are added', (t) => {
  const [one, two] = [estimate([1, 3], [1, -2], 0.5), estimate([2, Number.NaN], [3, 4], 0)]
  t.deepEqual(averageEstimates([one, two]), {
    meanLoss: 1.5,
    // A loss that is not finite is not known, and the others stand for it.
    familyLosses: [1.5, 3],
    grad: Float32Array.of(2, 1),
    info: { numDiverged: 2, numNonFinitePairs: 4, numPairs: 10, signalToNoise: 0.25 },
  })
  t.is(averageEstimates([one]), one)
  const broken = estimate([Number.NaN], [0], 0)
  t.is(averageEstimates([broken, broken]).meanLoss, Number.NaN)
  t.throws(() => averageEstimates([]), { instanceOf: RangeError })
})
