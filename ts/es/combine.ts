/** From the losses of pairs to a gradient: the part that all estimators share. */
import type { AdvanceResult, PerturbationTerm } from '../native.js'
import type {
  GradientEstimate,
  PerturbationSummer,
  PlannedParticle,
  PlannedSegment,
  PlannedTruncation,
} from './estimator.js'

/** In what the estimators' sums differ. */
export interface CreditRules {
  /** First perturbation that a segment's loss difference is credited to; the last is its own. */
  first(segment: PlannedSegment): number
  /** Weights of the task families; they add up to 1. */
  shares: readonly number[]
  /** Every difference becomes this much, with its sign. */
  signDelta?: number | undefined
  /** Largest difference that counts, before the sign is taken. */
  clipDelta?: number | undefined
  /** `pair`: every pair has the same weight; `innerStep`: every inner step has. */
  per?: 'pair' | 'innerStep'
  /** Divides the gradient by (deviation of all lanes' losses)/std. */
  normalizeLosses?: boolean
}

/** A pair's segments with their losses. */
interface Outcome {
  particle: PlannedParticle
  segments: { segment: PlannedSegment; perturbation: number; pos: number; neg: number }[]
  innerSteps: number
}

/**
 * Σ over families of share · mean over pairs of Σ over segments of (L⁺ − L⁻)/(2·std²) · Σ perturbations `first..=own`.
 *
 * A segment counts by its part of the pair's inner steps. The sum itself is made natively, where the noise is.
 */
export async function combine(
  planned: PlannedTruncation,
  result: AdvanceResult,
  rules: CreditRules,
  sums: PerturbationSummer,
): Promise<GradientEstimate> {
  // A pair without inner steps, as an empty one leaves it that fills a truncation, has nothing to say.
  const outcomes = outcomesOf(planned, result).filter(({ innerSteps }) => innerSteps > 0)
  const finite = outcomes.filter(({ segments }) =>
    segments.every(({ pos, neg }) => Number.isFinite(pos) && Number.isFinite(neg)),
  )
  const scale = rules.normalizeLosses ? planned.std / deviation(finite.flatMap(laneLosses)) : 1
  const counts = rules.shares.map((_, family) => {
    const own = outcomes.filter(({ particle }) => particle.family === family)
    return rules.per === 'innerStep' ? total(own.map(({ innerSteps }) => innerSteps)) : own.length
  })
  const terms = finite.flatMap((outcome) => {
    const { family } = outcome.particle
    const weight = (delta: number) =>
      (delta / (2 * planned.std * planned.std) / counts[family]!) * rules.shares[family]! * scale
    return termsOf(outcome, rules, weight)
  })
  const { sum, squares } = await sums.sumPerturbations(planned.std, terms)
  const familyLosses = rules.shares.map((_, family) =>
    meanLoss(finite.filter(({ particle }) => particle.family === family)),
  )
  return {
    meanLoss: sharedMean(familyLosses, rules.shares),
    familyLosses,
    grad: sum,
    info: {
      numDiverged: result.diverged.reduce((n, bits) => n + (bits & 1) + (bits >> 1), 0),
      numNonFinitePairs: outcomes.length - finite.length,
      numPairs: outcomes.length,
      signalToNoise: squares > 0 ? squaredNorm(sum) / squares - 1 : 0,
    },
  }
}

/** Every pair's perturbed segments, with their losses. */
function outcomesOf({ particles }: PlannedTruncation, { pos, neg }: AdvanceResult): Outcome[] {
  const outcomes: Outcome[] = []
  let at = 0
  for (const particle of particles) {
    const segments: Outcome['segments'] = []
    for (const segment of particle.segments) {
      const { perturbation } = segment
      if (perturbation !== undefined) {
        segments.push({ segment, perturbation, pos: pos[at]!, neg: neg[at]! })
      }
      at += 1
    }
    const innerSteps = total(segments.map(({ segment }) => segment.innerSteps))
    outcomes.push({ particle, segments, innerSteps })
  }
  return outcomes
}

/** A pair's terms, one for each span of perturbations. */
function termsOf(
  { particle: { particle }, segments, innerSteps }: Outcome,
  { first, signDelta, clipDelta, per }: CreditRules,
  weight: (delta: number) => number,
): PerturbationTerm[] {
  const part = (segment: PlannedSegment) =>
    per === 'innerStep' ? segment.innerSteps : segment.innerSteps / innerSteps
  const mean = total(segments.map(({ segment, pos, neg }) => (pos - neg) * (segment.innerSteps / innerSteps)))
  const terms: PerturbationTerm[] = []
  for (const { segment, perturbation, pos, neg } of segments) {
    let delta = pos - neg
    if (clipDelta !== undefined) delta = Math.min(clipDelta, Math.max(-clipDelta, delta))
    if (signDelta !== undefined) delta = signDelta * Math.sign(mean)
    const term = {
      particle,
      first: first(segment),
      last: perturbation,
      weight: weight(delta * part(segment)),
    }
    const before = terms.at(-1)
    if (before?.first === term.first && before.last === term.last) before.weight += term.weight
    else terms.push(term)
  }
  return terms
}

function meanLoss(outcomes: readonly Outcome[]): number {
  return outcomes.length === 0
    ? Number.NaN
    : total(outcomes.map((o) => total(laneLosses(o)) / 2)) / outcomes.length
}

/** Mean loss of each half over a pair's truncation. */
function laneLosses({ segments, innerSteps }: Outcome): [number, number] {
  const mean = (half: 'pos' | 'neg') =>
    total(segments.map((s) => s[half] * (s.segment.innerSteps / innerSteps)))
  return [mean('pos'), mean('neg')]
}

/** Mean of the families that have a finite loss, by their shares. */
function sharedMean(losses: readonly number[], shares: readonly number[]): number {
  const known = losses.flatMap((loss, i) => (Number.isFinite(loss) ? [{ loss, share: shares[i]! }] : []))
  if (known.length === 0) return Number.NaN
  return total(known.map(({ loss, share }) => loss * share)) / total(known.map(({ share }) => share))
}

/** Square root of the biased variance; 1 where there is none, so that nothing is scaled. */
function deviation(values: readonly number[]): number {
  const mean = total(values) / values.length
  const variance = total(values.map((value) => (value - mean) ** 2)) / values.length
  return variance > 0 ? Math.sqrt(variance) : 1
}

function squaredNorm(values: Float32Array): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!
  return sum
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0)
}
