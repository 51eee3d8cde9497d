import type { LearnedOptimizerConfig } from '../config/optimizerConfig.js'
import type { TaskMixture } from '../config/taskMixture.js'
import type { TrainConfig } from '../config/trainConfig.js'
import { formatCount } from './quantities.js'

/** Two lines: what is trained on what, and for how long. */
export function describeRun(config: TrainConfig): string {
  const { estimator, outerSteps, seed } = config
  const innerSteps = 2 * estimator.numParticles * meanTruncation(config) * outerSteps
  return (
    `Training ${describeOptimizer(config.optimizer)} on ${describeTasks(config.tasks)}, seed ${seed}\n` +
    `${outerSteps} outer steps × ${estimator.numParticles} antithetic pairs × ${describeTruncation(config)} inner steps ` +
    `(${estimatorTitles[estimator.name]}), ${formatCount(innerSteps)} inner steps in all`
  )
}

const estimatorTitles = { pes: 'PES', truncatedEs: 'truncated ES' }

function describeOptimizer(optimizer: LearnedOptimizerConfig): string {
  if (optimizer.name === 'celo2') return `celo2${optimizer.orthogonalize ? '' : ' without orthogonalisation'}`
  if (optimizer.name === 'celo_adam') return `celo_adam (LSTM ${optimizer.lstmHidden})`
  if (optimizer.name === 'velo' || optimizer.name === 'celo') {
    const phase = optimizer.name === 'celo' ? `, phase ${optimizer.phase}` : ''
    return `${optimizer.name} (LSTM ${optimizer.lstmHidden}, bank of ${optimizer.paramInits}${phase})`
  }
  const variant = optimizer.name === 'hierarchical' ? `, ${optimizer.variant} variant` : ''
  if (optimizer.name === 'nn_adam') return `nn_adam (LSTM ${optimizer.lstmHidden})`
  return 'hidden' in optimizer ? `${optimizer.name} (hidden ${optimizer.hidden}${variant})` : optimizer.name
}

function describeTasks(tasks: TaskMixture): string {
  if (!('tasks' in tasks)) {
    if (tasks.family === 'quadratic') return 'sampled quadratics'
    return `sampled MLPs (${tasks.datasets.map(({ name }) => name).join(', ')})`
  }
  const configs = tasks.tasks.map(({ config }) => config)
  const datasets = configs.map((config) => (config.family === 'mlp' ? config.dataset : config.family))
  const noise = tasks.labelNoise === undefined ? '' : ', some with random labels'
  return `${configs.length} task${configs.length === 1 ? '' : 's'} (${[...new Set(datasets)].join(', ')})${noise}`
}

function describeTruncation({ truncationSchedule, estimator }: TrainConfig): string {
  if (truncationSchedule === undefined) return String(estimator.truncationLength)
  const [from, to] = ends(truncationSchedule)
  return `${from}–${to}`
}

function meanTruncation({ truncationSchedule, estimator, outerSteps }: TrainConfig): number {
  if (truncationSchedule === undefined) return estimator.truncationLength
  const [from, to] = ends(truncationSchedule)
  if (truncationSchedule.kind === 'uniform') return (from + to) / 2
  const share = Math.min(1, outerSteps / truncationSchedule.overOuterSteps)
  const reached = from + (to - from) * share
  // While it grows the mean is half way; the outer steps after that, if any, run at the end of the ramp.
  const growing = Math.min(1, truncationSchedule.overOuterSteps / outerSteps)
  return growing * ((from + reached) / 2) + (1 - growing) * to
}

function ends(schedule: NonNullable<TrainConfig['truncationSchedule']>): [number, number] {
  return schedule.kind === 'uniform' ? [schedule.min, schedule.max] : [schedule.from, schedule.to]
}
