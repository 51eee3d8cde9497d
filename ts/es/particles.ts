/** The life of particles: which ones start a new inner problem, and which. Common to all estimators. */
import type { TrainConfig } from '../config/trainConfig.js'
import type { ParticlePlan } from '../native.js'
import { Key, purposes } from '../tasks/key.js'
import { taskStreams } from '../tasks/streams.js'
import { sampleTask } from '../tasks/taskSampler.js'
import type { EstimatorState, ParticleState, PlannedTruncation } from './estimator.js'
import { truncationLengthAt, unrollLengthAt } from './schedules.js'

/** What the life of particles depends on. */
export type PopulationConfig = Pick<
  TrainConfig,
  'seed' | 'tasks' | 'estimator' | 'unrollLength' | 'truncationSchedule'
>

/** The state of `numParticles` particles that have not started. */
export function freshParticles(numParticles: number): EstimatorState {
  const fresh: ParticleState = { episode: -1, innerStep: 0, unrollLength: 0, firstPerturbation: 0 }
  return { particles: Array.from({ length: numParticles }, () => ({ ...fresh })) }
}

/**
 * One truncation of every particle. A particle whose problem has reached its length starts a new one, so problems
 * only ever start at the boundary of a truncation, and last whole truncations.
 */
export function planTruncation(
  config: PopulationConfig,
  state: EstimatorState,
  outerStep: number,
): PlannedTruncation {
  const { estimator, seed } = config
  const key = new Key(seed, purposes.taskSample)
  const truncationLength = truncationLengthAt(
    config.truncationSchedule,
    estimator.truncationLength,
    outerStep,
    key.fold(taskStreams.truncations).fold(outerStep),
  )
  const particles: ParticlePlan[] = []
  const next: ParticleState[] = []
  for (const [particle, before] of state.particles.entries()) {
    const isOver = before.innerStep >= before.unrollLength
    const now = isOver ? restarted(config, before, particle, outerStep, key) : before
    const plan: ParticlePlan = { particle, perturbation: outerStep }
    if (isOver) {
      const task = sampleTask(config.tasks, key.fold(taskStreams.tasks).fold(particle).fold(now.episode))
      plan.restart = { task, episode: now.episode, numSteps: now.unrollLength }
    }
    particles.push(plan)
    next.push({ ...now, innerStep: now.innerStep + truncationLength })
  }
  return { plan: { truncationLength, std: estimator.std, particles }, next: { particles: next } }
}

function restarted(
  { unrollLength }: PopulationConfig,
  { episode }: ParticleState,
  particle: number,
  outerStep: number,
  key: Key,
): ParticleState {
  const draw = key
    .fold(taskStreams.lengths)
    .fold(particle)
    .fold(episode + 1)
  return {
    episode: episode + 1,
    innerStep: 0,
    unrollLength: unrollLengthAt(unrollLength, outerStep, draw),
    firstPerturbation: outerStep,
  }
}
