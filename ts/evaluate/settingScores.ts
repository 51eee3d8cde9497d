/** Scores of every optimizer setting on every task and seed, before anything is selected. */
import { cutCurve, type EvaluationSplit, isDiverged, type RunCurve } from './curves.js'
import { cappedLoss, type LossScale, lossScale, type Metric, normalizedMetric } from './normalize.js'
import { mean } from './statistics.js'

/** All runs of one optimizer setting: `runs[task][seed]`. */
export interface SettingRuns {
  /** `adam`, `momentum`, `sgd`, or how tables call the evaluated optimizer. */
  name: string
  /** Learning rate of a baseline, step multiplier of the learned optimizer. */
  value: number
  runs: RunCurve[][]
}

/** One setting's scores, each `[task][seed]`. */
export interface SettingScore {
  name: string
  value: number
  /** The runs scored, cut at the horizon: `[task][seed]`. */
  runs: RunCurve[][]
  /** Losses, capped at the task's initial loss. */
  loss: Record<EvaluationSplit, Record<Metric, number[][]>>
  /** Normalised losses. */
  normalized: Record<EvaluationSplit, Record<Metric, number[][]>>
  /** Number of diverged runs of each task. */
  numDiverged: number[]
}

/** The scores of all settings at one horizon, and the scales they were measured on. */
export interface ScoredSettings {
  pool: SettingScore[]
  learned: SettingScore[]
  /** `[task]`, by split. */
  scales: Record<EvaluationSplit, LossScale[]>
}

/** Scores the pool and the learned optimizer at `innerSteps`; only the pool sets the scales. */
export function scoreSettings(
  pool: readonly SettingRuns[],
  learned: readonly SettingRuns[],
  innerSteps: number,
): ScoredSettings {
  const cut = (setting: SettingRuns): SettingRuns => ({
    ...setting,
    runs: setting.runs.map((seeds) => seeds.map((run) => cutCurve(run, innerSteps))),
  })
  const cutPool = pool.map(cut)
  const numTasks = cutPool[0]?.runs.length ?? 0
  const scalesOf = (split: EvaluationSplit) =>
    Array.from({ length: numTasks }, (_, task) =>
      lossScale(
        cutPool.flatMap((setting) => setting.runs[task]!),
        split,
      ),
    )
  const scales = { outerValid: scalesOf('outerValid'), test: scalesOf('test') }
  return {
    pool: cutPool.map((setting) => scoreSetting(setting, scales)),
    learned: learned.map((setting) => scoreSetting(cut(setting), scales)),
    scales,
  }
}

/** Index of the setting with the least mean over tasks and seeds of the normalised outer-validation loss. */
export function bestSingle(settings: readonly SettingScore[], metric: Metric): number {
  return leastIndex(settings.map((setting) => mean(setting.normalized.outerValid[metric].map(mean))))
}

/** For each task, the index of the setting with the least outer-validation loss, mean over seeds. */
export function bestPerTask(settings: readonly SettingScore[], metric: Metric): number[] {
  const numTasks = settings[0]?.numDiverged.length ?? 0
  return Array.from({ length: numTasks }, (_, task) =>
    leastIndex(settings.map((setting) => mean(setting.loss.outerValid[metric][task]!))),
  )
}

function scoreSetting(setting: SettingRuns, scales: Record<EvaluationSplit, LossScale[]>): SettingScore {
  const each = (score: (run: RunCurve, task: number) => number) =>
    setting.runs.map((seeds, task) => seeds.map((run) => score(run, task)))
  const loss = (split: EvaluationSplit, metric: Metric) =>
    each((run, task) => cappedLoss(run, split, metric, scales[split][task]!.initial))
  const normalized = (split: EvaluationSplit, metric: Metric) =>
    each((run, task) => normalizedMetric(run, split, metric, scales[split][task]!))
  const both = (table: typeof loss, split: EvaluationSplit) => ({
    final: table(split, 'final'),
    curve: table(split, 'curve'),
  })
  const bySplit = (table: typeof loss) => ({
    outerValid: both(table, 'outerValid'),
    test: both(table, 'test'),
  })
  return {
    name: setting.name,
    value: setting.value,
    runs: setting.runs,
    loss: bySplit(loss),
    normalized: bySplit(normalized),
    numDiverged: setting.runs.map((seeds) => seeds.filter(isDiverged).length),
  }
}

/** The first of the least values: of equal rates, which are in ascending order, the smallest. */
function leastIndex(values: readonly number[]): number {
  return values.reduce((least, value, i) => (value < values[least]! ? i : least), 0)
}
