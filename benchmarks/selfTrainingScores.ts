/** How well outer optimizers did, from their meta-losses at every outer step. */
import { movingAverage } from '../ts/report/metaTrainingFigure.js'

/** Last outer steps whose mean is the final meta-loss. */
export const FINAL_STEPS = 50
/** Outer steps that a point of a smoothed curve is the mean of. */
export const SMOOTHED_STEPS = 25

/** An outer optimizer and its runs. */
export interface Contender {
  /** `adam`: tuned over its rates. `learned`: a file's weights. `self`: those that are being trained. */
  kind: 'adam' | 'learned' | 'self'
  /** Rate, or factor on the steps. */
  value: number
  /** Meta-loss of every outer step, one row a seed. */
  curves: number[][]
}

/** What a contender reached. */
export interface ContenderScore extends Contender {
  name: string
  /** Mean over the seeds, smoothed. */
  smoothed: number[]
  /** Mean meta-loss of the last {@link FINAL_STEPS} steps, one a seed. */
  finals: number[]
  /** Mean of `finals`. */
  final: number
  /** Outer steps after which `smoothed` is first at most the target; null: never. */
  stepsToTarget: number | null
}

/** All contenders, scored. */
export interface SelfTrainingScores {
  contenders: ContenderScore[]
  /** The rate of Adam with the lowest final meta-loss; chosen with hindsight, as a search would. */
  bestAdamRate: number
  /** Its final meta-loss: what the others have to reach. */
  target: number
}

/** Scores contenders, at least one of them Adam, that ran with the same seeds. */
export function scoreContenders(contenders: readonly Contender[]): SelfTrainingScores {
  const finals = (curves: number[][]) => curves.map((curve) => movingAverage(curve, FINAL_STEPS).at(-1)!)
  const adams = contenders
    .filter(({ kind }) => kind === 'adam')
    .map(({ value, curves }) => ({ value, final: mean(finals(curves)) }))
  const best = adams.reduce((a, b) => (b.final < a.final || Number.isNaN(a.final) ? b : a))
  const scored = contenders.map((contender): ContenderScore => {
    const { curves } = contender
    const [first = []] = curves
    const smoothed = movingAverage(
      first.map((_, step) => mean(curves.map((curve) => curve[step]!))),
      SMOOTHED_STEPS,
    )
    const reached = smoothed.findIndex((loss) => loss <= best.final)
    const own = finals(curves)
    return {
      ...contender,
      name: nameOf(contender),
      smoothed,
      finals: own,
      final: mean(own),
      stepsToTarget: reached < 0 ? null : reached + 1,
    }
  })
  return { contenders: scored, bestAdamRate: best.value, target: best.final }
}

/** The scores as a table. */
export function formatScores({ contenders, bestAdamRate, target }: SelfTrainingScores): string {
  const [first] = contenders
  const outerSteps = first?.curves[0]?.length ?? 0
  const rows = contenders.map(({ name, finals, final, stepsToTarget }) => [
    name,
    final.toFixed(4),
    `${Math.min(...finals).toFixed(4)}–${Math.max(...finals).toFixed(4)}`,
    stepsToTarget === null ? 'never' : String(stepsToTarget),
  ])
  const header = ['outer optimizer', 'meta-loss', 'over seeds', `steps to ${target.toFixed(4)}`]
  const widths = header.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)))
  const line = (row: string[]) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ')
  const rates = contenders.filter(({ kind }) => kind === 'adam').map(({ value }) => value)
  const isAtEdge = [Math.min(...rates), Math.max(...rates)].includes(bestAdamRate)
  return [
    `Mean meta-loss of the last ${Math.min(FINAL_STEPS, outerSteps)} of ${outerSteps} outer steps, ${first?.curves.length} seeds;`,
    `outer steps until the mean of ${SMOOTHED_STEPS} is at most that of the best Adam (lr ${bestAdamRate}).`,
    '',
    ...[header, ...rows].map(line),
    ...(isAtEdge
      ? ['', 'The best rate is at the edge of those that were tried: Adam may do better beyond it.']
      : []),
  ].join('\n')
}

function nameOf({ kind, value }: Contender): string {
  if (kind === 'adam') return `Adam, lr ${value}`
  if (kind === 'self') return 'itself'
  return value === 1 ? 'learned' : `learned × ${value}`
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
