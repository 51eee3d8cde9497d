/** How many inner steps a run takes, told in advance. */
import type { TruncationScheduleConfig, UnrollLengthConfig } from '../config/scheduleConfig.js'
import type { TrainConfig } from '../config/trainConfig.js'

/** Lengths of truncations, or of whole problems. */
export type Lengths = UnrollLengthConfig | TruncationScheduleConfig

/**
 * Inner steps of the outer loop, over all lanes: those of measurements and of the choice of a start come on top. An
 * estimate where lengths are drawn.
 */
export function expectedInnerSteps(config: TrainConfig): number {
  const { estimator, outerSteps, asynchronous } = config
  const isRerun = estimator.name === 'truncatedEs' && estimator.carry === 'unperturbed'
  const lanes = (isRerun ? 3 : 2) * estimator.numParticles * estimator.pairsPerParticle
  const gradients = asynchronous?.gradientsPerStep ?? 1
  return lanes * gradients * meanLength(lengthsOf(config), outerSteps) * outerSteps
}

/** Inner steps of an outer step: whole problems for full ES, else truncations. */
export function lengthsOf({
  truncationSchedule,
  unrollLength,
  estimator,
}: Pick<TrainConfig, 'truncationSchedule' | 'unrollLength' | 'estimator'>): Lengths {
  if (estimator.name === 'fullEs') return unrollLength
  return truncationSchedule ?? { kind: 'constant', innerSteps: estimator.truncationLength }
}

/** Where lengths start and end, or their least and greatest. */
export function endsOf(lengths: Lengths): [number, number] {
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
