/** All pairs of a worker at one truncation, and what names their randomness. */

import type { EstimatorConfig } from '../config/estimatorConfig.js'
import type {
  InitialOffsetConfig,
  ResetsConfig,
  TruncationScheduleConfig,
  UnrollLengthConfig,
} from '../config/scheduleConfig.js'
import type { TaskConfig } from '../config/taskConfig.js'
import type { TaskMixture } from '../config/taskMixture.js'
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

/** What the life of pairs depends on. */
export interface PopulationConfig {
  seed: number
  tasks: TaskMixture
  estimator: EstimatorConfig
  unrollLength: UnrollLengthConfig
  truncationSchedule?: TruncationScheduleConfig | undefined
  resets: ResetsConfig
  initialOffset: InitialOffsetConfig
}

/** The state of pairs that have not started. */
export function freshParticles(numPairs: number, firstParticle: number): EstimatorState {
  const fresh: ParticleState = {
    episode: -1,
    isStarted: false,
    innerStep: 0,
    unrollLength: 0,
    perturbation: -1,
    firstPerturbation: -1,
  }
  return {
    truncation: 0,
    firstParticle,
    particles: Array.from({ length: numPairs }, () => ({ ...fresh })),
  }
}

/** All pairs at one truncation. */
export class Population {
  readonly config: PopulationConfig
  readonly outerStep: number
  readonly #carry: Carry
  readonly #state: EstimatorState
  readonly #key: Key
  readonly #families: TaskFamily[]
  /** The last task drawn: pairs of one problem come one after the other. */
  #drawn: { instance: number; episode: number; task: TaskConfig } | undefined

  constructor(config: PopulationConfig, carry: Carry, state: EstimatorState, outerStep: number) {
    this.config = config
    this.outerStep = outerStep
    this.#carry = carry
    this.#state = state
    this.#key = new Key(config.seed, purposes.taskSample)
    this.#families = taskFamilies(config.tasks)
  }

  /** Plans every pair by `one`, which gives its segments and the state after them. */
  plan(
    one: (before: ParticleState, index: number) => { segments: PlannedSegment[]; after: ParticleState },
  ): PlannedTruncation {
    const state = this.#state
    const particles: PlannedParticle[] = []
    const next: ParticleState[] = []
    for (const [i, before] of state.particles.entries()) {
      const { segments, after } = one(before, i)
      particles.push({ particle: state.firstParticle + i, family: this.#familyIndex(i), segments })
      next.push(after)
    }
    const lanes = this.#carry === 'unperturbed' ? 3 : 2
    const innerSteps = lanes * particles.reduce((sum, { segments }) => sum + totalSteps(segments), 0)
    return {
      std: this.config.estimator.std,
      particles,
      innerSteps,
      next: { ...state, truncation: state.truncation + 1, particles: next },
    }
  }

  /** Names what all pairs of this truncation draw together: its length. The first worker's is that of a run without workers. */
  truncationKey(): Key {
    const { firstParticle, truncation } = this.#state
    const key = this.#key.fold(taskStreams.truncations).fold(truncation)
    return firstParticle === 0 ? key : key.fold(firstParticle)
  }

  /** Names the length of problem number `episode` of pair `index`. */
  lengthKey(index: number, episode: number): Key {
    return this.#key.fold(taskStreams.lengths).fold(this.#instance(index)).fold(episode)
  }

  /** Names how far the first problem of pair `index` is begun. */
  offsetKey(index: number): Key {
    return this.#key.fold(taskStreams.offsets).fold(this.#instance(index))
  }

  /** Problem number `episode` of pair `index`, of `numSteps` inner steps. */
  restart(index: number, episode: number, numSteps: number): Restart {
    const instance = this.#instance(index)
    if (this.#drawn?.instance !== instance || this.#drawn.episode !== episode) {
      const key = this.#key.fold(taskStreams.tasks).fold(instance).fold(episode)
      const task = sampleTask(this.#families[this.#familyIndex(index)]!.tasks, key)
      this.#drawn = { instance, episode, task }
    }
    const isShared = instance !== this.#state.firstParticle + index
    return { task: this.#drawn.task, episode, numSteps, ...(isShared && { instance }) }
  }

  /** The pair whose problems pair `index` runs: the first of those that share theirs. */
  #instance(index: number): number {
    const { pairsPerParticle } = this.config.estimator
    return this.#state.firstParticle + index - (index % pairsPerParticle)
  }

  #familyIndex(index: number): number {
    return Math.floor(index / this.config.estimator.pairsPerParticle) % this.#families.length
  }
}

function totalSteps(segments: readonly PlannedSegment[]): number {
  return segments.reduce((sum, { innerSteps }) => sum + innerSteps, 0)
}
