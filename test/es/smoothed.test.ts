/**
 * What each estimator's mean is where noise changes it: the gradient of a blurred meta-loss, in which every window of inner
 * steps that share their noise has a theta of its own. 10^5 truncations of a pair each.
 */
import test from 'ava'
import { isMean } from './statistics.js'
import { type EstimatorInput, manyPairs, runToy, type Toy, toyConfig } from './toy.js'

const LENGTH = 12
const TRUNCATION = 4

/** Steps of the windows before step `s`, noise redrawn every `redrawEvery` steps. */
function windowsBefore(s: number, redrawEvery: number): number[] {
  return Array.from({ length: Math.ceil(s / redrawEvery) }, (_, j) =>
    Math.min(redrawEvery, s - j * redrawEvery),
  )
}

/** Mean over the steps of a problem. */
function overSteps(gradient: (s: number) => number): number {
  let sum = 0
  for (let s = 0; s < LENGTH; s++) sum += gradient(s)
  return sum / LENGTH
}

let numTests = 0

function hasMean(
  title: string,
  estimator: EstimatorInput,
  { toy, theta, std }: { toy: Toy; theta: number; std: number },
  expected: number,
): void {
  const seed = numTests++
  test(title, async (t) => {
    const shared = { ...manyPairs, truncationLength: TRUNCATION, std }
    const unrollLength = { kind: 'constant', innerSteps: LENGTH } as const
    const config = toyConfig({ ...shared, ...estimator }, { seed, unrollLength })
    // Whole problems, of three truncations each.
    const rows = await runToy(config, { toy, theta, outerSteps: 102 })
    isMean(t, rows, expected, 0.01 * Math.abs(expected))
  })
}

/**
 * Gradient flow on the quadratic x²/2, theta the logarithm of the time that a step lasts: the loss of step s is
 * exp(−2s·e^theta)/2. Over windows of n₁, n₂, … steps its mean is Π_j B(n_j)/2 with B(n) = E exp(−2n·e^(theta + std·z)), and
 * its gradient Σ_j A(n_j) Π_{i≠j} B(n_i)/2 with A(n) = E exp(…)·z/std.
 */
const flow = { theta: Math.log(0.1), std: 1 }
const flowToy: Toy = {
  start: 1,
  step: (x, theta) => x * Math.exp(-Math.exp(theta)),
  loss: (x) => (x * x) / 2,
}

/** E exp(−2n·e^(theta + std·z))·g(z) by the trapezoidal rule, whose error is far below 1e-9 for such functions. */
function integral(n: number, g: (z: number) => number): number {
  const h = 1 / 64
  let sum = 0
  for (let z = -8; z <= 8; z += h) {
    sum += Math.exp(-2 * n * Math.exp(flow.theta + flow.std * z)) * g(z) * Math.exp((-z * z) / 2)
  }
  return (sum * h) / Math.sqrt(2 * Math.PI)
}

const blurredFlow = (redrawEvery: number) =>
  overSteps((s) => {
    const windows = windowsBefore(s, redrawEvery)
    const slope = (j: number) =>
      windows.reduce((product, n, i) => product * integral(n, (z) => (i === j ? z / flow.std : 1)), 0.5)
    return windows.reduce((sum, _, j) => sum + slope(j), 0)
  })

const onFlow = { ...flow, toy: flowToy }
hasMean('full ES on a quadratic', { name: 'fullEs' }, onFlow, blurredFlow(LENGTH))
hasMean('NRES on a quadratic', { name: 'nres' }, onFlow, blurredFlow(LENGTH))
hasMean('GPES-6 on a quadratic', { name: 'gpes', perturbEvery: 6 }, onFlow, blurredFlow(6))
hasMean('PES on a quadratic', { name: 'pes' }, onFlow, blurredFlow(TRUNCATION))

/**
 * x' = x + theta, loss cos x. Noise takes Σ n_j·std·z_j into x, and E cos(a + b·z) = cos a · exp(−b²/2), so that step s has
 * gradient −s·sin(s·theta)·exp(−std²·Σ n_j²/2). Truncated ES has n steps of noise alone: −n·sin(s·theta)·exp(−std²·n²/2) after an
 * unperturbed start; a start of k truncations' positive halves blurs it by exp(−std²·k·T²/2) more.
 */
const wave = { theta: 0.1, std: 0.1 }
const onWave = { ...wave, toy: { start: 0, step: (x: number, theta: number) => x + theta, loss: Math.cos } }

const blur = (squares: number) => Math.exp((-(wave.std ** 2) * squares) / 2)
const blurredWave = (redrawEvery: number) =>
  overSteps((s) => {
    const squares = windowsBefore(s, redrawEvery).reduce((sum, n) => sum + n * n, 0)
    return -s * Math.sin(s * wave.theta) * blur(squares)
  })
const truncatedWave = (startBlur: number) =>
  overSteps((s) => {
    const [n, k] = [s % TRUNCATION, Math.floor(s / TRUNCATION)]
    return -n * Math.sin(s * wave.theta) * blur(n * n) * startBlur ** k
  })

const means = {
  fullEs: blurredWave(LENGTH),
  gpes: blurredWave(6),
  pes: blurredWave(TRUNCATION),
  truncatedEs: truncatedWave(1),
  fromPos: truncatedWave(blur(TRUNCATION ** 2)),
}

hasMean('full ES on a wave', { name: 'fullEs' }, onWave, means.fullEs)
hasMean('GPES-6 on a wave', { name: 'gpes', perturbEvery: 6 }, onWave, means.gpes)
hasMean('PES on a wave', { name: 'pes' }, onWave, means.pes)
hasMean('truncated ES on a wave', { name: 'truncatedEs' }, onWave, means.truncatedEs)
const fromPos = { name: 'truncatedEs', carry: 'pos' } as const
hasMean('truncated ES from the positive half on a wave', fromPos, onWave, means.fromPos)

// By more than six of the largest standard errors (1 %): no test above would pass with another's mean.
test('the means on the wave are apart', (t) => {
  const sorted = Object.values(means).sort((a, b) => b - a)
  t.log(means)
  for (const [i, mean] of sorted.slice(1).entries()) t.true(mean / sorted[i]! > 1.06, `${sorted[i]} ${mean}`)
})
