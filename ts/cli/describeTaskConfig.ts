import type { Init, Matrix, TaskConfig } from '../config/taskConfig.js'
import { printableName } from '../printable.js'

/** One line that tells a task from its neighbours. */
export function describeTaskConfig(config: TaskConfig): string {
  if (config.family === 'quadratic') {
    const noise = config.noise === null ? 'no noise' : `noise ${describeMatrix(config.noise)}`
    return (
      `quadratic, ${config.dims} dimensions, matrix ${describeMatrix(config.matrix)}, ${noise}, ` +
      `${config.output} output × ${config.lossScale}, instance ${config.instanceSeed}`
    )
  }
  const { dataset, hidden, activation, init, batchSize, pixels, labelNoise, numTrain, paramScale } = config
  return [
    `MLP on ${printableName(dataset)}`,
    hidden.length === 0 ? 'no hidden layer' : `hidden ${hidden.join(', ')} ${activation}`,
    `minibatch ${batchSize}`,
    describeInit(init),
    `${pixels} pixels`,
    ...(numTrain === undefined ? [] : [`${numTrain} examples`]),
    ...(labelNoise === 0 ? [] : [`${(100 * labelNoise).toFixed(0)} % random labels`]),
    ...(paramScale === undefined ? [] : [`parameters × ${[paramScale].flat().join(', ')}`]),
  ].join(', ')
}

function describeInit(init: Init): string {
  return 'scale' in init ? `${init.name} ${init.scale}` : init.name
}

function describeMatrix(matrix: Matrix): string {
  const [a, b] = matrix.kind === 'normal' ? [matrix.mean, matrix.std] : [matrix.min, matrix.max]
  return `${matrix.kind}(${a}, ${b})`
}
