/**
 * The two scales on which losses of different tasks are compared.
 *
 * {@link normalizedLoss} is that of Metz et al. 2020, arXiv:2009.11243: 1 is the loss before training, 0 the best loss
 * any run of the baseline pool reached. {@link scoreVsTuned} puts 0 at Adam with its learning rate tuned on the task
 * and is not clipped below, so that being better than tuned Adam shows.
 */
import { curveMean, type EvaluationSplit, finalOf, type RunCurve } from './curves.js'
import { mean } from './statistics.js'

/** The ends of a task's scale on one split. */
export interface LossScale {
  /** Loss before the first inner step, mean over seeds. */
  initial: number
  /** Least loss at any point of any run of the baseline pool. */
  best: number
}

/** How a run is judged: by its last loss, or by its mean over training, where speed counts. */
export type Metric = 'final' | 'curve'

/** Both metrics, in the order of tables. */
export const metrics: readonly Metric[] = ['final', 'curve']

/** The scale of one task from all runs of the pool on it. Runs that diverge count until they do. */
export function lossScale(runs: readonly RunCurve[], split: EvaluationSplit): LossScale {
  let best = Number.POSITIVE_INFINITY
  for (const run of runs) for (const loss of run[split].filter(Number.isFinite)) best = Math.min(best, loss)
  return { initial: mean(runs.map((run) => run[split][0] ?? Number.NaN)), best }
}

/** A loss, or the initial loss where it is above that or not finite: failing costs the same however far it went. */
export function capLoss(loss: number, initial: number): number {
  return Number.isFinite(loss) ? Math.min(loss, initial) : initial
}

/** The final loss or the mean of the curve, each point capped at the initial loss. */
export function cappedLoss(run: RunCurve, split: EvaluationSplit, metric: Metric, initial: number): number {
  const losses = run[split]
  if (metric === 'final') return capLoss(finalOf(losses), initial)
  return curveMean(
    run.steps,
    losses.map((loss) => capLoss(loss, initial)),
  )
}

/** Initial loss → 1, best loss of the pool → 0, linear, clipped to [0, 1]; a loss that is not finite counts 1. */
export function normalizedLoss(loss: number, scale: LossScale): number {
  if (!Number.isFinite(loss) || loss >= scale.initial) return 1
  if (loss <= scale.best) return 0
  return (loss - scale.best) / (scale.initial - scale.best)
}

/** The final value or the curve mean of the normalised loss, each point clipped before the mean is taken. */
export function normalizedMetric(
  run: RunCurve,
  split: EvaluationSplit,
  metric: Metric,
  scale: LossScale,
): number {
  const losses = run[split]
  if (metric === 'final') return normalizedLoss(finalOf(losses), scale)
  return curveMean(
    run.steps,
    losses.map((loss) => normalizedLoss(loss, scale)),
  )
}

/**
 * Tuned Adam → 0, initial loss → 1, linear; negative where it is better than tuned Adam.
 * A loss above the initial one, or not finite, counts 1. Where tuned Adam learns nothing there is no scale: 0.
 *
 * @param loss - Final loss, or mean of the curve.
 * @param initial - Loss before training.
 * @param tunedAdam - The same metric of Adam at the rate chosen for this task.
 */
export function scoreVsTuned(loss: number, initial: number, tunedAdam: number): number {
  if (!(initial > tunedAdam)) return 0
  return (capLoss(loss, initial) - tunedAdam) / (initial - tunedAdam)
}
