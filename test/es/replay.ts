/** Replays published truncations through a planner and `combine`. */
import type { ExecutionContext } from 'ava'
import type {
  Estimator,
  EstimatorState,
  GradientEstimate,
  ParticleState,
  PerturbationSummer,
  PlannedParticle,
  PlannedTruncation,
} from '../../ts/es/estimator.js'
import type { AdvanceResult } from '../../ts/native.js'
import type { GoldenCall } from './golden.js'

/** Sums the perturbations `noise[particle][perturbation]`. */
export function goldenSummer(noise: number[][][]): PerturbationSummer {
  return {
    sumPerturbations: async (_std, terms) => {
      const sum = new Array<number>(noise[0]![0]!.length).fill(0)
      for (const { particle, first, last, weight } of terms) {
        const parts = noise[particle]!.slice(first, last + 1)
        for (const eps of parts) for (const [j, e] of eps.entries()) sum[j]! += weight * e
      }
      return { sum: Float32Array.from(sum), squares: 0 }
    },
  }
}

/**
 * Plans and estimates call after call, asserting that slots, gradients and what PES accumulates are those of `calls`.
 *
 * @param before - The pairs' state before the first call.
 * @param earlier - Perturbations before those of the calls, `[perturbation][particle]`.
 */
export async function replay(
  t: ExecutionContext,
  estimator: Estimator,
  before: EstimatorState,
  calls: readonly GoldenCall[],
  earlier: readonly number[][][] = [],
): Promise<void> {
  let state = before
  const noise = before.particles.map((_, i) =>
    [...earlier, ...calls.map(({ eps }) => eps)].map((eps) => eps[i]!),
  )
  for (const [c, call] of calls.entries()) {
    const planned = estimator.plan(state, c)
    const result = played(t, state, planned, call)
    const estimate = await estimator.estimate(planned, result, goldenSummer(noise))
    t.log(`off by ${isGradient(t, estimate, call).toExponential(1)} of the largest entry`)
    for (const [i, expected] of (call.accumulators ?? []).entries()) {
      const sums = accumulated(planned.next.particles[i]!, noise[i]!)
      // One addition of numbers below 0.1 in f32.
      for (const [j, sum] of sums.entries()) t.true(Math.abs(sum - expected[j]!) < 1e-8, `call ${c}`)
    }
    state = planned.next
  }
}

/** What the published code holds for a pair: a problem that has ended leaves its newest perturbation. */
function accumulated(
  { innerStep, unrollLength, firstPerturbation, perturbation }: ParticleState,
  noise: number[][],
) {
  const first = innerStep >= unrollLength ? perturbation : firstPerturbation
  return noise[0]!.map((_, j) => noise.slice(first, perturbation + 1).reduce((sum, eps) => sum + eps[j]!, 0))
}

/**
 * Within 1e-6 of the largest entry, a dozen roundings of the published f32; where means of losses cancelled, also 2.4e-7
 * times the largest weight that a difference has. Returns the error in units of the largest entry.
 */
export function isGradient(
  t: ExecutionContext,
  { grad, meanLoss }: Pick<GradientEstimate, 'grad' | 'meanLoss'>,
  expected: Pick<GoldenCall, 'std' | 'eps' | 'isCancelling' | 'grad' | 'meanLoss'>,
): number {
  const largest = (values: number[]) => Math.max(...values.map(Math.abs))
  const scale = largest(expected.grad)
  const cancelled = expected.isCancelling
    ? (2.4e-7 * largest(expected.eps.flat())) / (2 * expected.std ** 2)
    : 0
  const tolerance = cancelled + 1e-6 * scale
  const error = largest(expected.grad.map((g, j) => g - grad[j]!))
  t.true(error <= tolerance, `${grad} ${expected.grad}`)
  if (expected.meanLoss !== null) t.true(Math.abs(meanLoss / expected.meanLoss - 1) < 1e-6, `${meanLoss}`)
  return error / scale
}

/** The losses of a call as an engine would measure the planned segments; slots must be the published ones. */
function played(
  t: ExecutionContext,
  { particles: before }: EstimatorState,
  { particles, next }: PlannedTruncation,
  { pos, neg, mask, isDone }: GoldenCall,
): AdvanceResult {
  const segments = particles.flatMap((planned, i) => {
    const slots = slotsOf(planned, before[i]!, next.particles[i]!)
    t.deepEqual(slots.mask, column(mask, i), `slots of particle ${i}`)
    t.deepEqual(slots.isDone, column(isDone, i), `ends of particle ${i}`)
    return slots.ofSegments.map((own) => ({
      pos: mean(own.map((slot) => pos[slot]![i]!)),
      neg: mean(own.map((slot) => neg[slot]![i]!)),
    }))
  })
  return {
    pos: Float64Array.from(segments, (segment) => segment.pos),
    neg: Float64Array.from(segments, (segment) => segment.neg),
    diverged: new Uint8Array(segments.length),
  }
}

/** Slots of a planned pair: one for every inner step, and an empty one before every problem but the first. */
function slotsOf({ segments }: PlannedParticle, before: ParticleState, after: ParticleState) {
  const [mask, isDone, ofSegments] = [[] as boolean[], [] as boolean[], [] as number[][]]
  const empty = () => {
    mask.push(false)
    isDone.push(false)
  }
  let { episode } = before
  for (const { innerSteps, isEnd, restart } of segments) {
    if (restart !== undefined && restart.episode > episode) empty()
    episode = restart?.episode ?? episode
    ofSegments.push(Array.from({ length: innerSteps }, (_, s) => mask.length + s))
    for (let s = 1; s <= innerSteps; s++) {
      mask.push(true)
      isDone.push(isEnd && s === innerSteps)
    }
  }
  if (after.episode > episode) empty()
  return { mask, isDone, ofSegments }
}

function column<Item>(of: Item[][], i: number): Item[] {
  return of.map((row) => row[i]!)
}

function mean(values: number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length
}
