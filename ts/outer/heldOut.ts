/** Theta measured on tasks that it is not trained on, while it is trained. */
import type { TaskConfig } from '../config/taskConfig.js'
import type { TrainConfig, TrainEvaluationConfig } from '../config/trainConfig.js'
import { type CurveJob, type Dataset, type JobOptions, runCurves } from '../native.js'
import { heldOutTasks } from '../tasks/catalogue.js'

/** Points of a curve that a loss is averaged over. */
const NUM_POINTS = 10
/** Minibatches a point. */
const EVAL_BATCHES = 4

/**
 * Mean over tasks and seeds of (mean outer-validation loss over the run)/(loss at its start), each at most 1; lower is
 * better. A run that diverges counts 1.
 */
export async function heldOutLoss(
  { optimizer, seed }: Pick<TrainConfig, 'optimizer' | 'seed'>,
  evaluation: TrainEvaluationConfig,
  theta: Float32Array,
  datasets: Dataset[],
  options: JobOptions,
): Promise<{ loss: number; innerSteps: number }> {
  const { tasks, innerSteps, seeds } = evaluation
  const configs: TaskConfig[] = Array.isArray(tasks)
    ? tasks
    : heldOutTasks.slice(0, tasks).map(({ config }) => config)
  const jobs: CurveJob[] = configs.flatMap((task, i) =>
    Array.from({ length: seeds }, (_, r) => ({
      task,
      optimizer,
      theta: 0,
      seed,
      replica: i * seeds + r,
      innerSteps,
      evalEvery: Math.max(1, Math.floor(innerSteps / NUM_POINTS)),
      evalBatches: EVAL_BATCHES,
      splits: ['outerValid'],
    })),
  )
  const curves = await runCurves(jobs, [theta], datasets, options)
  const losses = curves.map(({ losses: { outerValid = new Float64Array() } }) => {
    const [initial = Number.NaN, ...rest] = outerValid
    const ratio = rest.reduce((sum, loss) => sum + loss, 0) / rest.length / initial
    return Number.isFinite(ratio) ? Math.min(1, ratio) : 1
  })
  const loss = losses.reduce((sum, value) => sum + value, 0) / losses.length
  return { loss, innerSteps: jobs.length * innerSteps }
}
