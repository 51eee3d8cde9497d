import type { EstimatorConfig } from '../config/estimatorConfig.js'
import type { LearnedOptimizerConfig } from '../config/optimizerConfig.js'
import type { TaskMixture } from '../config/taskMixture.js'
import type { TrainConfig } from '../config/trainConfig.js'
import { printableName } from '../printable.js'
import { endsOf, expectedInnerSteps, type Lengths, lengthsOf } from './innerSteps.js'
import { formatCount } from './quantities.js'

/** Two lines: what is trained on what, and for how long. */
export function describeRun(config: TrainConfig): string {
  const { estimator, outerSteps, seed, asynchronous } = config
  const numPairs = estimator.numParticles * estimator.pairsPerParticle * (asynchronous?.gradientsPerStep ?? 1)
  const workers = asynchronous ? `, ${asynchronous.workers} asynchronous workers` : ''
  return (
    `Training ${describeOptimizer(config.optimizer)} on ${printableName(describeTasks(config.tasks))}, seed ${seed}\n` +
    `${outerSteps} outer steps × ${numPairs} antithetic pairs × ${describeLengths(lengthsOf(config))} inner steps ` +
    `(${estimatorTitles[estimator.name]}${workers}), about ${formatCount(expectedInnerSteps(config))} inner steps in all`
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

function describeLengths(lengths: Lengths): string {
  const [from, to] = endsOf(lengths)
  return from === to ? String(from) : `${from}–${to}`
}
