/** The config of a run that goes on: its own, with the few changes that leave its state usable. */
import type { CpuName } from '../config/fields.js'
import { isPlainObject, mergeOver } from '../config/merge.js'
import { parseTrainConfig, type TrainConfig } from '../config/trainConfig.js'
import { OuterloopError } from '../errors.js'
import { learningRateAt } from './optimizers/learningRate.js'

/** What may be another one when a run goes on. */
export interface ResumeChanges {
  /** More than the run has done. See `train` for what schedules do. */
  outerSteps?: number
  /** The result does not depend on it. */
  threads?: 'auto' | number
  /** The result does not depend on it. */
  cpu?: CpuName
  /** The result does not depend on it. */
  maxMemoryBytes?: number
  /** The result does not depend on it. */
  checkpoint?: Partial<TrainConfig['checkpoint']>
}

const changeable = [
  'outerSteps',
  'threads',
  'cpu',
  'maxMemoryBytes',
  'checkpoint',
] satisfies (keyof ResumeChanges)[]

/**
 * The config of the run in `directory`, with `changes` laid over it.
 *
 * @param changes - Options of a train config; those that are as they were may be there too.
 * @throws {OuterloopError} `INVALID_OPTION` naming every field that may not change, with one line for each.
 */
export function resumedConfig(directory: string, own: TrainConfig, changes: unknown): TrainConfig {
  const config = parseTrainConfig(mergeOver(own, changes))
  const isFree = (field: string) => changeable.some((name) => name === field)
  const refused = differences(own, config).filter(({ path }) => !isFree(path.split('.')[0]!))
  if (refused.length === 0) return config
  const lines = refused.map(
    ({ path, before, after }) =>
      `expected \`${path}\` to stay ${show(before)} in the run that is resumed in ${directory}, got ${show(after)}`,
  )
  const free = changeable.map((name) => `\`${name}\``).join(', ')
  throw new OuterloopError('INVALID_OPTION', `${lines.join('\n')}\nOnly ${free} may change.`)
}

/**
 * Checks a number of outer steps that is not the one that a checkpoint was written under.
 *
 * @param done - Outer steps done.
 * @param before - The number until now.
 * @throws {OuterloopError} `INVALID_OPTION` if the run has nothing left to do.
 */
export function checkLength(
  directory: string,
  { outerSteps }: Pick<TrainConfig, 'outerSteps'>,
  done: number,
  before: number,
): void {
  if (outerSteps === before || outerSteps > done) return
  const message = `expected \`outerSteps\` to be more than the ${done} that the run in ${directory} has done, got ${outerSteps}`
  throw new OuterloopError('INVALID_OPTION', message)
}

/** Says what another number of outer steps means to the rest of a run. */
export function describeLength(directory: string, config: TrainConfig, done: number, before: number): string {
  const { outerSteps, outerOptimizer } = config
  const begin = `${directory}: ${outerSteps} outer steps in all instead of ${before}. `
  if (outerOptimizer.name === 'apply') {
    return `${begin}From here on the outer optimizer is told so; a schedule inside it goes on as if it had been so from the start.`
  }
  if (outerOptimizer.schedule.kind === 'constant') {
    return `${begin}No schedule depends on that number: theta will be that of a run that had it from the start.`
  }
  const rate = (length: number) => learningRateAt(outerOptimizer, done, length).toPrecision(3)
  return (
    `${begin}The cosine of the outer learning rate spans them all: the next outer step has ${rate(outerSteps)} ` +
    `instead of ${rate(before)}, and theta will not be that of a run that had the number from the start.`
  )
}

interface Difference {
  path: string
  before: unknown
  after: unknown
}

/** Where two JSON values differ. */
function differences(before: unknown, after: unknown, path = ''): Difference[] {
  if (!isPlainObject(before) || !isPlainObject(after)) {
    return JSON.stringify(before) === JSON.stringify(after) ? [] : [{ path, before, after }]
  }
  const keys = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...keys].flatMap((key) =>
    differences(before[key], after[key], path === '' ? key : `${path}.${key}`),
  )
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'absent'
  return text.length > 80 ? `${text.slice(0, 77)}…` : text
}
