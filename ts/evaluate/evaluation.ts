/** The result of an evaluation: plain JSON, enough to print the tables and draw the figures without running anything. */
import type { OptimizerConfig } from '../config/optimizerConfig.js'
import type { TaskConfig } from '../config/taskConfig.js'
import type { Metric } from './normalize.js'
import type { Estimate, Summary } from './statistics.js'

/** A task with the name under which tables and figures show it. */
export interface EvaluationTask {
  name: string
  config: TaskConfig
}

/** Row of the evaluated optimizer with nothing tuned, also where that is a hand-designed one. */
export const LEARNED = 'learned'
/** Row of Adam at the one rate that is best over all tasks. */
export const ADAM_SINGLE = 'adam-single'
/** Row of Adam with the rate chosen for each task. */
export const ADAM_TUNED = 'adam-tuned'

/** One optimizer's scores at one horizon, on the test split. */
export interface ScoreRow {
  /** `learned`, `learned-x0.3`, `learned-tuned`, or `adam-default`, `adam-single`, `adam-tuned`, `momentum-single`, … */
  id: string
  /** How tables and figures call it: the evaluated optimizer is `learned` or, if it is hand-designed, its name. */
  label: string
  /** Settings tried on each task; 0 where nothing was chosen by looking at the task. */
  trials: number
  /** Learning rate of a row that uses one for all tasks; chosen for each metric apart. */
  lr?: Record<Metric, number>
  /** Normalised loss: 0 is the best of the baseline pool, 1 the initial loss. Statistics over tasks. */
  normalized: Record<Metric, Summary>
  /** (loss − tuned Adam) / (initial − tuned Adam), mean over tasks; negative beats tuned Adam. */
  vsTunedAdam: Record<Metric, Estimate>
  /** Tasks on which the evaluated optimizer's loss is lower than this row's. */
  numLearnedBetter: Record<Metric, number>
  /** Runs (task × seed) with a loss that is not finite, at the settings chosen for the curve metric. */
  numDiverged: number
  /** Normalised loss of each task, mean over seeds. */
  perTask: Record<Metric, number[]>
}

/** All rows at one horizon. */
export interface HorizonScores {
  innerSteps: number
  rows: ScoreRow[]
  /** Normalised loss of `learned` minus that of `adam-single` on the same task and seed; negative is better. */
  learnedMinusAdamSingle: Record<Metric, Estimate>
}

/** Test loss of one optimizer on one task over training, thinned for a figure. `null` stands for not finite. */
export interface TaskCurve {
  /** Id of a {@link ScoreRow}. */
  id: string
  label: string
  /** Learning rate used on this task, for the hand-designed ones. */
  lr?: number
  median: (number | null)[]
  /** Least and greatest over seeds. */
  low: (number | null)[]
  high: (number | null)[]
}

/** One task's learning curves. */
export interface TaskDetail {
  name: string
  /** Test loss before training, mean over seeds. */
  initialLoss: number
  /** Least test loss of any run of the pool. */
  bestLoss: number
  /** Inner steps of the points of every curve. */
  steps: number[]
  curves: TaskCurve[]
}

/** What {@link evaluate} returns. */
export interface Evaluation {
  format: 'outerloop-evaluation-1'
  /** The optimizer that was evaluated. */
  optimizer: OptimizerConfig
  tasks: EvaluationTask[]
  /** How it was run. */
  settings: {
    seed: number
    seeds: number
    innerSteps: number[]
    evalEvery: number
    evalBatches: number
    stepMultipliers: number[]
    poolVersion: number
  }
  /** One for each horizon, shortest first. */
  horizons: HorizonScores[]
  /** Learning curves at the longest horizon, in the order of `tasks`. */
  details: TaskDetail[]
}
