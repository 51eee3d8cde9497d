import type { EstimatorConfig } from '../config/estimatorConfig.js'
import type { LearnedOptimizerConfig } from '../config/optimizerConfig.js'
import type { TruncationScheduleConfig, UnrollLengthConfig } from '../config/scheduleConfig.js'
import type { TaskMixture } from '../config/taskMixture.js'
import type { TrainConfig } from '../config/trainConfig.js'
import { formatCount } from './quantities.js'

/** Two lines: what is trained on what, and for how long. */
export function describeRun(config: TrainConfig): string {
  const { estimator, outerSteps, seed, asynchronous } = config
  const numPairs = estimator.numParticles * estimator.pairsPerParticle
  const lengths = lengthsOf(config)
  const innerSteps = 2 * numPairs * meanLength(lengths, outerSteps) * outerSteps
  const workers = asynchronous ? `, ${asynchronous.workers} asynchronous workers` : ''
  return (
    `Training ${describeOptimizer(config.optimizer)} on ${describeTasks(config.tasks)}, seed ${seed}\n` +
    `${outerSteps} outer steps × ${numPairs} antithetic pairs × ${describeLengths(lengths)} inner steps ` +
    `(${estimatorTitles[estimator.name]}${workers}), about ${formatCount(innerSteps)} inner steps in all`
  )
}

const estimatorTitles: Record<EstimatorConfig['name'], string> = {
  pes: 'PES',
  truncatedEs: 'truncated ES',
  fullEs: 'full ES',
  nres: 'NRES',
  gpes: 'GPES',
}

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
  if ('families' in tasks) {
    return `${tasks.families.length} families (${tasks.families.map(({ name }) => name).join(', ')})`
  }
  if (!('tasks' in tasks)) {
    if (tasks.family === 'quadratic') return 'sampled quadratics'
    return `sampled MLPs (${tasks.datasets.map(({ name }) => name).join(', ')})`
  }
  const configs = tasks.tasks.map(({ config }) => config)
  const datasets = configs.map((config) => (config.family === 'mlp' ? config.dataset : config.family))
  const noise = tasks.labelNoise === undefined ? '' : ', some with random labels'
  return `${configs.length} task${configs.length === 1 ? '' : 's'} (${[...new Set(datasets)].join(', ')})${noise}`
}

type Lengths = UnrollLengthConfig | TruncationScheduleConfig

/** Inner steps of an outer step: whole problems for full ES, else truncations. */
function lengthsOf({ truncationSchedule, unrollLength, estimator }: TrainConfig): Lengths {
  if (estimator.name === 'fullEs') return unrollLength
  return truncationSchedule ?? { kind: 'constant', innerSteps: estimator.truncationLength }
}

function describeLengths(lengths: Lengths): string {
  const [from, to] = endsOf(lengths)
  return from === to ? String(from) : `${from}–${to}`
}

function endsOf(lengths: Lengths): [number, number] {
  switch (lengths.kind) {
    case 'constant':
      return [lengths.innerSteps, lengths.innerSteps]
    case 'linear':
      return [lengths.from, lengths.to]
    case 'piecewise':
      return [lengths.knots[0]!.innerSteps, lengths.knots.at(-1)!.innerSteps]
    default:
      return [lengths.min, lengths.max]
  }
}

/** Mean over the outer steps of a run. */
function meanLength(lengths: Lengths, outerSteps: number): number {
  const [from, to] = endsOf(lengths)
  if (lengths.kind === 'logUniform') return from === to ? from : (to - from) / Math.log(to / from)
  if (lengths.kind === 'uniform') return (from + to) / 2
  const knots =
    lengths.kind === 'piecewise'
      ? lengths.knots
      : [
          { outerStep: 0, innerSteps: from },
          { outerStep: lengths.kind === 'linear' ? lengths.overOuterSteps : 1, innerSteps: to },
        ]
  return meanUnder(knots, outerSteps)
}

/** Mean from 0 to `until` of the line through the knots, constant outside them. */
function meanUnder(knots: readonly { outerStep: number; innerSteps: number }[], until: number): number {
  const first = knots[0]!
  let area = first.innerSteps * Math.min(first.outerStep, until)
  for (const [i, a] of knots.entries()) {
    const b = knots[i + 1] ?? { outerStep: Math.max(until, a.outerStep), innerSteps: a.innerSteps }
    const width = Math.min(b.outerStep, until) - a.outerStep
    if (width <= 0) continue
    const end = a.innerSteps + ((b.innerSteps - a.innerSteps) * width) / (b.outerStep - a.outerStep)
    area += (width * (a.innerSteps + end)) / 2
  }
  return area / until
}
