/** Data sets that the caller of `train` holds in memory, and how a run's config names them. */
import type { GivenDataset } from '../config/datasetSpec.js'
import type { TrainConfig } from '../config/trainConfig.js'
import { OuterloopError } from '../errors.js'
import { Dataset } from '../native.js'

/** Entries of the config for data sets in memory. */
export function describeGiven(datasets: readonly Dataset[]): GivenDataset[] {
  return datasets.map((dataset, i) => {
    if (!(dataset instanceof Dataset)) {
      const message = `expected \`datasets[${i}]\` to be what \`loadDataset\` or \`datasetFromArrays\` returns`
      throw new OuterloopError('INVALID_OPTION', message)
    }
    return { kind: 'given', name: dataset.info.name, fingerprint: dataset.fingerprint() }
  })
}

/**
 * The data sets in memory that a run's config names.
 *
 * @throws {OuterloopError} `INVALID_OPTION` if one of them is not given, or one is given that the config does not name;
 *  `DATA_INVALID` if one has another content than the run began with.
 */
export function takeGiven(
  { datasets: specs }: Pick<TrainConfig, 'datasets'>,
  given: readonly Dataset[],
): Dataset[] {
  const described = describeGiven(given)
  const wanted = specs.filter((spec) => spec.kind === 'given')
  const stray = described.find(({ name }) => !wanted.some((spec) => spec.name === name))
  if (stray !== undefined) {
    const message = `expected \`datasets\` to hold only data sets that the run began with, got "${stray.name}" too`
    throw new OuterloopError('INVALID_OPTION', message)
  }
  return wanted.map(({ name, fingerprint }) => {
    const i = described.findIndex((one) => one.name === name)
    if (i < 0) {
      const message = `expected option \`datasets\` of \`train\` to hold data set "${name}", which this config has from memory`
      throw new OuterloopError('INVALID_OPTION', message)
    }
    if (described[i]!.fingerprint !== fingerprint) {
      const message = `expected data set "${name}" to be as it was when the run began, got another content`
      throw new OuterloopError('DATA_INVALID', message)
    }
    return given[i]!
  })
}
