/** What TensorBoard shows of an outer step. */
import type { StepRecord } from './stepRecord.js'

/** Tags of the plain numbers of a record. A field that is missing here does not compile. */
const tags = {
  metaLoss: 'loss/meta',
  heldOutLoss: 'loss/heldOut',
  gradientNorm: 'gradient/norm',
  gradientCosine: 'gradient/cosine',
  signalToNoise: 'gradient/signalToNoise',
  numStale: 'gradient/numStale',
  staleness: 'gradient/staleness',
  thetaNorm: 'theta/norm',
  updateNorm: 'theta/update',
  lr: 'theta/lr',
  numDiverged: 'lanes/numDiverged',
  numNonFinitePairs: 'lanes/numNonFinitePairs',
  nonFiniteFraction: 'lanes/nonFiniteFraction',
  innerSteps: 'speed/innerSteps',
  innerStepsPerSecond: 'speed/innerStepsPerSecond',
  seconds: 'time/outerStep',
} as const satisfies Record<Exclude<keyof StepRecord, 'outerStep' | 'familyLosses' | 'phases'>, string>

/** The numbers of a record by tag, in groups: `loss/family/<name>`, `time/<phase>` and the rest. */
export function recordScalars(record: StepRecord): Record<string, number> {
  const fields = Object.keys(tags) as (keyof typeof tags)[]
  return Object.fromEntries([
    ...fields.flatMap((field) => (record[field] === undefined ? [] : [[tags[field], record[field]]])),
    ...Object.entries(record.familyLosses ?? {}).map(([name, loss]) => [`loss/family/${name}`, loss]),
    ...Object.entries(record.phases).map(([phase, seconds]) => [`time/${phase}`, seconds]),
  ])
}
