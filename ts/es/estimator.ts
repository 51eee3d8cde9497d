/** The contract of gradient estimators, and the values they exchange with the trainer. */
import type {
  AdvancePlan,
  AdvanceResult,
  Carry,
  PerturbationSum,
  PerturbationTerm,
  Segment,
} from '../native.js'

/** Where one pair stands between two truncations. */
export interface ParticleState {
  /** Number of its inner problem; -1 before the first. */
  episode: number
  /** Whether an inner step of it has been planned. */
  isStarted: boolean
  /** Inner steps that count as done of it. */
  innerStep: number
  /** Inner steps after which it ends. */
  unrollLength: number
  /** Its newest perturbation; -1 before the first. */
  perturbation: number
  /** The first perturbation that its problem has felt; -1 before it has. */
  firstPerturbation: number
}

/** All that an estimator remembers: plain JSON. */
export interface EstimatorState {
  /** Truncations planned before. */
  truncation: number
  /** Number of the first pair: those of several estimators lie apart. */
  firstParticle: number
  /** Pairs, those of one inner problem side by side. */
  particles: ParticleState[]
}

/** A segment, and what its losses tell about. */
export interface PlannedSegment extends Segment {
  /** First perturbation that its problem has felt. */
  first: number
  /** Whether its problem ends with it. */
  isEnd: boolean
}

/** A pair's part of a truncation. */
export interface PlannedParticle {
  particle: number
  /** Index of its task family. */
  family: number
  segments: PlannedSegment[]
}

/** A truncation as planned, and the state after it. */
export interface PlannedTruncation {
  std: number
  particles: PlannedParticle[]
  /** Inner steps of all lanes together. */
  innerSteps: number
  next: EstimatorState
}

/** An estimate of d(meta-loss)/d(theta). */
export interface GradientEstimate {
  /** Mean over the pairs of both halves' meta-losses, families by weight. NaN if no pair was finite. */
  meanLoss: number
  /** The same of every family. */
  familyLosses: number[]
  /** `f32[thetaLength]`. */
  grad: Float32Array
  info: {
    /** Lanes that have diverged. */
    numDiverged: number
    /** Pairs with a non-finite meta-loss: they contribute zero. */
    numNonFinitePairs: number
    /** Pairs in all. */
    numPairs: number
    /**
     * Power of the signal in the gradient over that of its noise: ‖g‖²/Σ‖gᵢ‖² − 1 with the pairs' contributions gᵢ. About
     * 0 when they are as good as independent noise, at most pairs − 1 when all agree.
     */
    signalToNoise: number
  }
}

/** Sums named perturbations: the unroller's, or a stand-in in tests. */
export interface PerturbationSummer {
  sumPerturbations(std: number, terms: PerturbationTerm[]): Promise<PerturbationSum>
}

/** How the gradient is estimated. A value without state of its own. */
export interface Estimator {
  /** What pairs keep between truncations. */
  readonly carry: Carry
  /** Pairs that it plans for. */
  readonly numPairs: number
  /** The state before the first truncation. `firstParticle`: number of the first pair. */
  init(firstParticle?: number): EstimatorState
  /** The next truncation, at outer step `outerStep`. */
  plan(state: EstimatorState, outerStep: number): PlannedTruncation
  /** The gradient that its outcome gives. */
  estimate(
    planned: PlannedTruncation,
    result: AdvanceResult,
    sums: PerturbationSummer,
  ): Promise<GradientEstimate>
}

/** What the engine is told of a planned truncation. */
export function advancePlan({ std, particles }: PlannedTruncation): AdvancePlan {
  return {
    std,
    particles: particles.flatMap(({ particle, segments }) => {
      const told = segments.map(({ first: _first, isEnd: _isEnd, ...segment }) => segment)
      return told.length === 0 ? [] : [{ particle, segments: told }]
    }),
  }
}
