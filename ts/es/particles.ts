/** The life of pairs: when an inner problem starts and ends, and which perturbation it runs under. */
import type { TrainConfig } from '../config/trainConfig.js'
import type { Carry, Restart } from '../native.js'
import { type TaskFamily, taskFamilies } from '../tasks/families.js'
import { Key, purposes } from '../tasks/key.js'
import { taskStreams } from '../tasks/streams.js'
import { sampleTask } from '../tasks/taskSampler.js'
import type {
  EstimatorState,
  ParticleState,
  PlannedParticle,
  PlannedSegment,
  PlannedTruncation,
} from './estimator.js'
import { lengthAt, truncationLengthAt } from './schedules.js'

/** What the life of pairs depends on. */
export type PopulationConfig = Pick<
  TrainConfig,
  'seed' | 'tasks' | 'estimator' | 'unrollLength' | 'truncationSchedule' | 'resets' | 'initialOffset'
>

/** In what the estimators' plans differ. */
export interface LifeRules {
  carry: Carry
  /** A new perturbation for every truncation, for every problem, or after so many inner steps of a problem. */
  draw: 'truncation' | 'problem' | number
  /** Whether the last inner step of a problem is measured apart. */
  isolatesEnds?: boolean
}

/** The state of pairs that have not started. */
export function freshParticles(numPairs: number, firstParticle: number): EstimatorState {
  const fresh: ParticleState = {
    episode: -1,
    isStarted: false,
    innerStep: 0,
    unrollLength: 0,
    perturbation: -1,
    firstPerturbation: 0,
  }
  return {
    truncation: 0,
    firstParticle,
    particles: Array.from({ length: numPairs }, () => ({ ...fresh })),
  }
}

/** One truncation of every pair. */
export function planTruncation(
  config: PopulationConfig,
  rules: LifeRules,
  state: EstimatorState,
  outerStep: number,
): PlannedTruncation {
  const population = new Population(config, rules, state, outerStep)
  const truncationLength = truncationLengthAt(
    config.truncationSchedule,
    config.estimator.truncationLength,
    outerStep,
    population.key.fold(taskStreams.truncations).fold(state.truncation),
  )
  return population.plan((before, i) => new PairPlanner(population, before, i).plan(truncationLength))
}

/** All pairs at one truncation. */
export class Population {
  readonly config: PopulationConfig
  readonly rules: LifeRules
  readonly state: EstimatorState
  readonly outerStep: number
  readonly key: Key
  readonly families: TaskFamily[]

  constructor(config: PopulationConfig, rules: LifeRules, state: EstimatorState, outerStep: number) {
    this.config = config
    this.rules = rules
    this.state = state
    this.outerStep = outerStep
    this.key = new Key(config.seed, purposes.taskSample)
    this.families = taskFamilies(config.tasks)
  }

  /** Plans every pair by `one`, which gives its segments and the state after them. */
  plan(
    one: (before: ParticleState, index: number) => { segments: PlannedSegment[]; after: ParticleState },
  ): PlannedTruncation {
    const { state, rules } = this
    const particles: PlannedParticle[] = []
    const next: ParticleState[] = []
    for (const [i, before] of state.particles.entries()) {
      const { segments, after } = one(before, i)
      particles.push({ particle: state.firstParticle + i, family: this.#familyIndex(i), segments })
      next.push(after)
    }
    const lanes = rules.carry === 'unperturbed' ? 3 : 2
    const innerSteps = lanes * particles.reduce((sum, { segments }) => sum + totalSteps(segments), 0)
    return {
      std: this.config.estimator.std,
      particles,
      innerSteps,
      next: { ...state, truncation: state.truncation + 1, particles: next },
    }
  }

  /** What names the problem of pair `index`: pairs of one problem share it. */
  instance(index: number): number {
    const { pairsPerParticle } = this.config.estimator
    return this.state.firstParticle + index - (index % pairsPerParticle)
  }

  /** Problem number `episode` of pair `index`, of `numSteps` inner steps. */
  restart(index: number, episode: number, numSteps: number): Restart {
    const instance = this.instance(index)
    const key = this.key.fold(taskStreams.tasks).fold(instance).fold(episode)
    const task = sampleTask(this.families[this.#familyIndex(index)]!.tasks, key)
    const isShared = instance !== this.state.firstParticle + index
    return { task, episode, numSteps, ...(isShared && { instance }) }
  }

  #familyIndex(index: number): number {
    return Math.floor(index / this.config.estimator.pairsPerParticle) % this.families.length
  }
}

/** Plans one truncation of one pair, segment by segment. */
class PairPlanner {
  readonly #population: Population
  readonly #index: number
  readonly #segments: PlannedSegment[] = []
  #now: ParticleState

  constructor(population: Population, before: ParticleState, index: number) {
    this.#population = population
    this.#index = index
    this.#now = { ...before }
  }

  plan(truncationLength: number): { segments: PlannedSegment[]; after: ParticleState } {
    const { resets } = this.#population.config
    const { draw, isolatesEnds } = this.#population.rules
    if (draw === 'truncation') this.#now.perturbation += 1
    let left = truncationLength
    while (left > 0) {
      const isAtBoundary = left === truncationLength
      if (this.#isOver() && (isAtBoundary || resets !== 'boundary')) {
        this.#startProblem(isAtBoundary)
        if (resets === 'slots' && this.#now.episode > 0) {
          left -= 1
          continue
        }
      }
      const untilEnd = Math.max(1, this.#now.unrollLength - this.#now.innerStep)
      let innerSteps = resets === 'boundary' ? left : Math.min(left, untilEnd)
      if (typeof draw === 'number') innerSteps = Math.min(innerSteps, draw - (this.#now.innerStep % draw))
      const reachesEnd = this.#now.innerStep + innerSteps >= this.#now.unrollLength
      if (isolatesEnds && reachesEnd && innerSteps > 1) innerSteps -= 1
      this.#run(innerSteps)
      left -= innerSteps
    }
    return { segments: this.#segments, after: this.#now }
  }

  #isOver(): boolean {
    const { episode, isStarted, innerStep, unrollLength } = this.#now
    return episode < 0 || (isStarted && innerStep >= unrollLength)
  }

  #startProblem(isAtBoundary: boolean): void {
    const { config, rules, outerStep, key } = this.#population
    const { episode, perturbation } = this.#now
    const draw = key
      .fold(taskStreams.lengths)
      .fold(this.#population.instance(this.#index))
      .fold(episode + 1)
    const unrollLength = lengthAt(config.unrollLength, outerStep, draw)
    if (rules.draw !== 'truncation') this.#now.perturbation += 1
    // Published: a problem that starts with a truncation still counts the perturbation of the one before.
    const keepsOld = rules.isolatesEnds === true && isAtBoundary && episode >= 0
    this.#now = {
      episode: episode + 1,
      isStarted: false,
      innerStep: episode < 0 ? this.#countedOffset() : 0,
      unrollLength,
      perturbation: this.#now.perturbation,
      firstPerturbation: keepsOld ? perturbation - 1 : this.#now.perturbation,
    }
    if (episode < 0 && config.initialOffset.kind === 'burnIn') this.#burnIn()
  }

  #countedOffset(): number {
    const { initialOffset } = this.#population.config
    return initialOffset.kind === 'counter' ? this.#offsetKey().integer(initialOffset.max) : 0
  }

  /** Runs the problem, unperturbed and unmeasured, to a random boundary of a truncation. */
  #burnIn(): void {
    const { truncationLength } = this.#population.config.estimator
    const numBoundaries = Math.ceil(this.#now.unrollLength / truncationLength)
    const innerSteps = truncationLength * this.#offsetKey().integer(numBoundaries)
    if (innerSteps > 0) this.#run(innerSteps, { isPerturbed: false })
  }

  #offsetKey(): Key {
    return this.#population.key.fold(taskStreams.offsets).fold(this.#population.instance(this.#index))
  }

  #run(innerSteps: number, { isPerturbed = true } = {}): void {
    const now = this.#now
    const { draw } = this.#population.rules
    const isDue = typeof draw === 'number' && now.innerStep > 0 && now.innerStep % draw === 0
    if (isDue && now.isStarted) now.perturbation += 1
    const segment: PlannedSegment = {
      innerSteps,
      first: now.firstPerturbation,
      isEnd: now.innerStep + innerSteps >= now.unrollLength,
    }
    if (isPerturbed) segment.perturbation = now.perturbation
    if (!now.isStarted) {
      segment.restart = this.#population.restart(this.#index, now.episode, now.unrollLength)
    }
    this.#segments.push(segment)
    this.#now = { ...now, isStarted: true, innerStep: now.innerStep + innerSteps }
  }
}

function totalSteps(segments: readonly PlannedSegment[]): number {
  return segments.reduce((sum, { innerSteps }) => sum + innerSteps, 0)
}
