/** The contract of gradient estimators, and the values they exchange with the trainer. */
import type { AdvancePlan, AdvanceResult, Carry, ParticlePlan, PerturbationTerm } from '../native.js'

/** Where one particle stands between two truncations. */
export interface ParticleState {
  /** Number of its inner problem; -1 before the first. */
  episode: number
  /** Inner steps done of it. */
  innerStep: number
  /** Inner steps after which it ends. */
  unrollLength: number
  /** Outer step at which it started: its first perturbation. */
  firstPerturbation: number
}

/** All that an estimator remembers: plain JSON. */
export interface EstimatorState {
  particles: ParticleState[]
}

/** A truncation as planned, and the state after it. */
export interface PlannedTruncation {
  plan: AdvancePlan
  next: EstimatorState
}

/** An estimate of d(meta-loss)/d(theta). */
export interface GradientEstimate {
  /** Mean over the pairs of both halves' meta-losses. NaN if no pair was finite. */
  meanLoss: number
  /** `f32[thetaLength]`. */
  grad: Float32Array
  info: {
    /** Lanes that diverged. */
    numDiverged: number
    /** Pairs with a non-finite meta-loss: they contribute zero. */
    numNonFinitePairs: number
  }
}

/** Sums named perturbations: the unroller's, or a stand-in in tests. */
export interface PerturbationSummer {
  sumPerturbations(std: number, terms: PerturbationTerm[]): Promise<Float32Array>
}

/** How the gradient is estimated. A value without state of its own. */
export interface Estimator {
  /** What particles keep between truncations. */
  readonly carry: Carry
  /** Lanes that a particle runs: 2, or 3 with an unperturbed one. */
  readonly lanesPerParticle: number
  /** The state before the first truncation. */
  init(): EstimatorState
  /** The truncation of outer step `outerStep`. */
  plan(state: EstimatorState, outerStep: number): PlannedTruncation
  /** The gradient that its outcome gives. */
  estimate(
    planned: PlannedTruncation,
    result: AdvanceResult,
    sums: PerturbationSummer,
  ): Promise<GradientEstimate>
}

/**
 * mean_i( (L⁺ − L⁻)/(2·std²) · Σ of particle i's perturbations from `first(i)` on ).
 *
 * The sum itself is made natively, where the noise is.
 */
export async function combine(
  { particles, std }: AdvancePlan,
  { pos, neg, diverged }: AdvanceResult,
  first: (part: ParticlePlan) => number,
  sums: PerturbationSummer,
): Promise<GradientEstimate> {
  const terms: PerturbationTerm[] = []
  let lossSum = 0
  for (const [i, part] of particles.entries()) {
    const [up, down] = [pos[i]!, neg[i]!]
    if (!Number.isFinite(up) || !Number.isFinite(down)) continue
    lossSum += (up + down) / 2
    const weight = (up - down) / (2 * std * std) / particles.length
    terms.push({ particle: part.particle, first: first(part), last: part.perturbation, weight })
  }
  const numDiverged = diverged.reduce((sum, bits) => sum + (bits & 1) + (bits >> 1), 0)
  return {
    meanLoss: terms.length > 0 ? lossSum / terms.length : Number.NaN,
    grad: await sums.sumPerturbations(std, terms),
    info: { numDiverged, numNonFinitePairs: particles.length - terms.length },
  }
}
