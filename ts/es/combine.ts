/** From the losses of pairs to a gradient: the part that all estimators share. */
import type { AdvanceResult, PerturbationTerm } from '../native.js'
import type {
  GradientEstimate,
  PerturbationSummer,
  PlannedParticle,
  PlannedSegment,
  PlannedTruncation,
} from './estimator.js'
import { dot } from './vectors.js'

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
  /** `pair`: every pair has the same weight; `innerStep`: every inner step has. Default `pair`. */
  per?: 'pair' | 'innerStep'
  /** Divides the gradient by (deviation of all lanes' losses)/std. */
  normalizeLosses?: boolean
}

/** Credits a perturbed segment to its own perturbation alone. */
export function ownPerturbation({ perturbation = 0 }: PlannedSegment): number {
  return perturbation
}

/** A pair's perturbed segments with their losses. */
interface Outcome {
  particle: PlannedParticle
  segments: { segment: PlannedSegment; perturbation: number; pos: number; neg: number }[]
  innerSteps: number
  /** Means over all of its inner steps. */
  pos: number
  neg: number
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
  const finite = outcomes.filter(({ pos, neg }) => Number.isFinite(pos) && Number.isFinite(neg))
  const { std } = planned
  const scale = rules.normalizeLosses ? std / deviation(finite) : 1
  const counts = rules.shares.map((_, family) => {
    const own = outcomes.filter(({ particle }) => particle.family === family)
    return rules.per === 'innerStep' ? total(own.map(({ innerSteps }) => innerSteps)) : own.length
  })
  const terms = finite.flatMap((outcome) => {
    const { family } = outcome.particle
    const weight = (delta: number) =>
      (delta / (2 * std * std) / counts[family]!) * rules.shares[family]! * scale
    return termsOf(outcome, rules, weight)
  })
  const { sum, squares } = await sums.sumPerturbations(std, terms)
  const familyLosses = rules.shares.map((_, family) =>
    meanLoss(finite.filter(({ particle }) => particle.family === family)),
  )
  return {
    meanLoss: sharedMean(familyLosses, rules.shares),
    familyLosses,
    grad: sum,
    info: {
      numDiverged: numDiverged(planned, result),
      numNonFinitePairs: outcomes.length - finite.length,
      numPairs: outcomes.length,
      signalToNoise: squares > 0 ? dot(sum, sum) / squares - 1 : 0,
    },
  }
}

function outcomesOf({ particles }: PlannedTruncation, { pos, neg }: AdvanceResult): Outcome[] {
  let at = 0
  return particles.map((particle) => {
    const outcome: Outcome = { particle, segments: [], innerSteps: 0, pos: 0, neg: 0 }
    for (const segment of particle.segments) {
      const { perturbation, innerSteps } = segment
      if (perturbation !== undefined) {
        outcome.segments.push({ segment, perturbation, pos: pos[at]!, neg: neg[at]! })
        outcome.innerSteps += innerSteps
      }
      at += 1
    }
    for (const { segment, pos, neg } of outcome.segments) {
      const part = segment.innerSteps / outcome.innerSteps
      outcome.pos += pos * part
      outcome.neg += neg * part
    }
    return outcome
  })
}

/** A pair's terms, one for each span of perturbations. */
function termsOf(
  { particle: { particle }, segments, innerSteps, pos, neg }: Outcome,
  { first, signDelta, clipDelta, per }: CreditRules,
  weight: (delta: number) => number,
): PerturbationTerm[] {
  const signed = signDelta === undefined ? undefined : signDelta * Math.sign(pos - neg)
  const terms: PerturbationTerm[] = []
  for (const { segment, perturbation, pos, neg } of segments) {
    const delta = signed ?? clipped(pos - neg, clipDelta)
    const part = per === 'innerStep' ? segment.innerSteps : segment.innerSteps / innerSteps
    const term = { particle, first: first(segment), last: perturbation, weight: weight(delta * part) }
    const before = terms.at(-1)
    if (before?.first === term.first && before.last === term.last) before.weight += term.weight
    else terms.push(term)
  }
  return terms
}

function clipped(delta: number, max: number | undefined): number {
  return max === undefined ? delta : Math.min(max, Math.max(-max, delta))
}

/** Lanes with a diverged problem, each once however many segments it has. */
function numDiverged({ particles }: PlannedTruncation, { diverged }: AdvanceResult): number {
  let [at, number] = [0, 0]
  for (const { segments } of particles) {
    const bits = diverged.subarray(at, at + segments.length).reduce((all, bit) => all | bit, 0)
    number += (bits & 1) + (bits >> 1)
    at += segments.length
  }
  return number
}

function meanLoss(outcomes: readonly Outcome[]): number {
  return total(outcomes.map(({ pos, neg }) => (pos + neg) / 2)) / outcomes.length
}

/** Mean of the families that have a finite loss, by their shares. */
function sharedMean(losses: readonly number[], shares: readonly number[]): number {
  const known = losses.flatMap((loss, i) => (Number.isFinite(loss) ? [{ loss, share: shares[i]! }] : []))
  return total(known.map(({ loss, share }) => loss * share)) / total(known.map(({ share }) => share))
}

/**
 * Square root of the biased variance of all lanes' losses; 1 where it is 0, as all differences are then. Pair by pair, so that
 * swapped halves round alike.
 */
function deviation(outcomes: readonly Outcome[]): number {
  const mean = meanLoss(outcomes)
  const squares = outcomes.map(({ pos, neg }) => (pos - mean) ** 2 + (neg - mean) ** 2)
  const variance = total(squares) / (2 * outcomes.length)
  return variance > 0 ? Math.sqrt(variance) : 1
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0)
}
