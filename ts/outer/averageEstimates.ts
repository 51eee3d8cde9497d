/** The mean of several gradients. */
import type { GradientEstimate } from '../es/estimator.js'

/** The mean of at least one estimate, in order; counts are added. A single one is returned as it is. */
export function averageEstimates(estimates: readonly GradientEstimate[]): GradientEstimate {
  const [first, ...others] = estimates
  if (first === undefined) throw new RangeError('averageEstimates: expected at least one estimate')
  if (others.length === 0) return first
  const grad = new Float32Array(first.grad.length)
  for (let i = 0; i < grad.length; i++) {
    let sum = 0
    for (const estimate of estimates) sum += estimate.grad[i]!
    grad[i] = sum / estimates.length
  }
  const sumOf = (value: (estimate: GradientEstimate) => number) =>
    estimates.reduce((sum, estimate) => sum + value(estimate), 0)
  return {
    meanLoss: finiteMean(estimates.map(({ meanLoss }) => meanLoss)),
    familyLosses: first.familyLosses.map((_, family) =>
      finiteMean(estimates.map(({ familyLosses }) => familyLosses[family]!)),
    ),
    grad,
    info: {
      numDiverged: sumOf(({ info }) => info.numDiverged),
      numNonFinitePairs: sumOf(({ info }) => info.numNonFinitePairs),
      numPairs: sumOf(({ info }) => info.numPairs),
      signalToNoise: sumOf(({ info }) => info.signalToNoise) / estimates.length,
    },
  }
}

function finiteMean(values: readonly number[]): number {
  const finite = values.filter(Number.isFinite)
  return finite.reduce((sum, value) => sum + value, 0) / finite.length
}
