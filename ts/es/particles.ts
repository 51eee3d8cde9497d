/** The life of pairs: when an inner problem starts and ends, and which perturbation it runs under. */
import type { Carry } from '../native.js'
import type {
  Estimator,
  EstimatorState,
  ParticleState,
  PlannedSegment,
  PlannedTruncation,
} from './estimator.js'
import { Population, type PopulationConfig } from './population.js'
import { lengthAt, truncationLengthAt } from './schedules.js'

/** In what the estimators' plans differ. */
export interface LifeRules {
  carry: Carry
  /** A new perturbation for every truncation, for every problem, or after so many inner steps of a problem. */
  draw: 'truncation' | 'problem' | number
  /**
   * The boundary as published: the last inner step of a problem is measured apart, and the next problem also counts the
   * perturbation of the truncation in which that one ended.
   */
  hasPublishedBoundary?: boolean
}

/** Plans truncations by `rules`. */
export function truncationPlanner(config: PopulationConfig, rules: LifeRules): Estimator['plan'] {
  return (state, outerStep) => planTruncation(config, rules, state, outerStep)
}

/** One truncation of every pair. */
function planTruncation(
  config: PopulationConfig,
  rules: LifeRules,
  state: EstimatorState,
  outerStep: number,
): PlannedTruncation {
  const population = new Population(config, rules.carry, state, outerStep)
  const { truncationSchedule, estimator } = config
  const truncationLength = truncationLengthAt(
    truncationSchedule,
    estimator.truncationLength,
    outerStep,
    population.truncationKey(),
  )
  return population.plan((before, i) =>
    new PairPlanner(population, rules, truncationLength, before, i).plan(),
  )
}

/** Plans one truncation of one pair, segment by segment. */
class PairPlanner {
  readonly #population: Population
  readonly #rules: LifeRules
  readonly #truncationLength: number
  readonly #index: number
  readonly #segments: PlannedSegment[] = []
  #now: ParticleState

  constructor(
    population: Population,
    rules: LifeRules,
    truncationLength: number,
    before: ParticleState,
    index: number,
  ) {
    this.#population = population
    this.#rules = rules
    this.#truncationLength = truncationLength
    this.#index = index
    this.#now = { ...before }
  }

  plan(): { segments: PlannedSegment[]; after: ParticleState } {
    const { resets } = this.#population.config
    if (this.#rules.draw === 'truncation') this.#now.perturbation += 1
    let left = this.#truncationLength
    while (left > 0) {
      const isAtBoundary = left === this.#truncationLength
      if (this.#isOver() && (isAtBoundary || resets !== 'boundary')) {
        this.#startProblem(isAtBoundary)
        if (resets === 'slots' && this.#now.episode > 0) {
          left -= 1
          continue
        }
      }
      left -= this.#runSome(left)
    }
    return { segments: this.#segments, after: this.#now }
  }

  #isOver(): boolean {
    const { episode, isStarted, innerStep, unrollLength } = this.#now
    return episode < 0 || (isStarted && innerStep >= unrollLength)
  }

  #startProblem(isAtBoundary: boolean): void {
    const { config, outerStep } = this.#population
    const { draw, hasPublishedBoundary } = this.#rules
    const { perturbation } = this.#now
    const isFirst = this.#now.episode < 0
    const episode = this.#now.episode + 1
    this.#now = {
      episode,
      isStarted: false,
      innerStep: isFirst ? this.#countedOffset() : 0,
      unrollLength: lengthAt(
        config.unrollLength,
        outerStep,
        this.#population.lengthKey(this.#index, episode),
      ),
      perturbation: draw === 'truncation' ? perturbation : perturbation + 1,
      firstPerturbation: hasPublishedBoundary && !isFirst ? perturbation - (isAtBoundary ? 1 : 0) : -1,
    }
    if (isFirst && config.initialOffset.kind === 'burnIn') this.#burnIn()
  }

  #countedOffset(): number {
    const { initialOffset } = this.#population.config
    if (initialOffset.kind !== 'counter') return 0
    return this.#population.offsetKey(this.#index).integer(initialOffset.max)
  }

  /** Runs the problem, unperturbed and unmeasured, to a random boundary of a truncation. */
  #burnIn(): void {
    const numBoundaries = Math.ceil(this.#now.unrollLength / this.#truncationLength)
    const innerSteps = this.#truncationLength * this.#population.offsetKey(this.#index).integer(numBoundaries)
    if (innerSteps > 0) this.#run(innerSteps, { isPerturbed: false, isEnd: false })
  }

  /** Runs up to `left` inner steps under one perturbation; returns how many. */
  #runSome(left: number): number {
    const { resets } = this.#population.config
    const { draw, hasPublishedBoundary } = this.#rules
    const { innerStep, unrollLength } = this.#now
    // An offset may lie beyond the end: such a problem has one inner step.
    let innerSteps = resets === 'boundary' ? left : Math.min(left, Math.max(1, unrollLength - innerStep))
    if (typeof draw === 'number') innerSteps = Math.min(innerSteps, draw - (innerStep % draw))
    const isEndAfter = (steps: number) =>
      innerStep + steps >= unrollLength && (resets !== 'boundary' || steps === left)
    if (hasPublishedBoundary && innerSteps > 1 && isEndAfter(innerSteps)) innerSteps -= 1
    this.#run(innerSteps, { isPerturbed: true, isEnd: isEndAfter(innerSteps) })
    return innerSteps
  }

  #run(innerSteps: number, { isPerturbed, isEnd }: { isPerturbed: boolean; isEnd: boolean }): void {
    const now = this.#now
    const { draw } = this.#rules
    const hasFelt = now.firstPerturbation >= 0
    if (typeof draw === 'number' && hasFelt && now.innerStep % draw === 0) now.perturbation += 1
    const first = hasFelt ? now.firstPerturbation : now.perturbation
    const segment: PlannedSegment = { innerSteps, first, isEnd }
    if (isPerturbed) {
      segment.perturbation = now.perturbation
      now.firstPerturbation = first
    }
    if (!now.isStarted) {
      segment.restart = this.#population.restart(this.#index, now.episode, now.unrollLength)
    }
    this.#segments.push(segment)
    now.isStarted = true
    now.innerStep += innerSteps
  }
}
