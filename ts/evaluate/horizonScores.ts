/** The rows of the table of one horizon: which settings each row uses, and what they scored. */
import { type BaselineName, baselineNames, DEFAULT_ADAM_RATE } from './baselines.js'
import { ADAM_SINGLE, ADAM_TUNED, type HorizonScores, LEARNED, type ScoreRow } from './evaluation.js'
import { type Metric, scoreVsTuned } from './normalize.js'
import { bestPerTask, bestSingle, type ScoredSettings, type SettingScore } from './settingScores.js'
import { estimateMean, mean, type ResamplePlan, summarize } from './statistics.js'

/** Which setting a row uses on each task, for each metric. */
export interface RowChoice {
  id: string
  label: string
  trials: number
  /** Set where the row uses one learning rate on all tasks. */
  isSingleRate: boolean
  settings: Record<Metric, SettingScore[]>
}

const displayNames: Record<BaselineName, string> = { adam: 'Adam', momentum: 'momentum', sgd: 'SGD' }

/** The rows of a table, the evaluated optimizer first; what was tuned was tuned on outer-validation. */
export function chooseRows(scored: ScoredSettings): RowChoice[] {
  return [...learnedRows(scored), ...baselineNames.flatMap((name) => baselineRows(name, scored))]
}

/** Scores of all rows at one horizon. */
export function scoreHorizon(scored: ScoredSettings, innerSteps: number, plan: ResamplePlan): HorizonScores {
  const choices = chooseRows(scored)
  const find = (id: string) => choices.find((choice) => choice.id === id)!
  const [learned, single, tuned] = [find(LEARNED), find(ADAM_SINGLE), find(ADAM_TUNED)]
  const difference = (metric: Metric) =>
    estimateMean(
      zip(normalizedOf(learned, metric), normalizedOf(single, metric), (a, b) => a - b),
      plan,
    )
  return {
    innerSteps,
    rows: choices.map((choice) => scoreRow(choice, learned, tuned, scored, plan)),
    learnedMinusAdamSingle: { final: difference('final'), curve: difference('curve') },
  }
}

function learnedRows({ learned }: ScoredSettings): RowChoice[] {
  const untuned = learned.find((setting) => setting.value === 1) ?? learned[0]!
  const { name } = untuned
  const rows = [uniformRow(LEARNED, name, 0, () => untuned)]
  if (learned.length === 1) return rows
  for (const setting of learned) {
    if (setting === untuned) continue
    // A multiplier other than 1 is read after all of them were run: that is tuning, though not by task.
    const label = `${name}, step × ${setting.value}`
    rows.push(uniformRow(`${LEARNED}-x${setting.value}`, label, learned.length, () => setting))
  }
  rows.push(tunedRow(`${LEARNED}-tuned`, `${name}, step tuned`, learned))
  return rows
}

function baselineRows(name: BaselineName, { pool }: ScoredSettings): RowChoice[] {
  const settings = pool.filter((setting) => setting.name === name)
  const label = displayNames[name]
  const single = (metric: Metric) => settings[bestSingle(settings, metric)]!
  const rows = [
    withRate(uniformRow(`${name}-single`, `${label} best single`, 0, single)),
    tunedRow(`${name}-tuned`, `${label} tuned`, settings),
  ]
  const fixed = settings.find((setting) => name === 'adam' && setting.value === DEFAULT_ADAM_RATE)
  if (fixed)
    rows.push(withRate(uniformRow('adam-default', `${label} at ${DEFAULT_ADAM_RATE}`, 0, () => fixed)))
  return rows
}

function both<T>(of: (metric: Metric) => T): Record<Metric, T> {
  return { final: of('final'), curve: of('curve') }
}

function uniformRow(
  id: string,
  label: string,
  trials: number,
  of: (metric: Metric) => SettingScore,
): RowChoice {
  const settings = both((metric) => of(metric).numDiverged.map(() => of(metric)))
  return { id, label, trials, isSingleRate: false, settings }
}

function withRate(choice: RowChoice): RowChoice {
  return { ...choice, isSingleRate: true }
}

function tunedRow(id: string, label: string, settings: readonly SettingScore[]): RowChoice {
  return {
    id,
    label,
    trials: settings.length,
    isSingleRate: false,
    settings: both((metric) => bestPerTask(settings, metric).map((i) => settings[i]!)),
  }
}

function lossOf(choice: RowChoice, metric: Metric): number[][] {
  return choice.settings[metric].map((setting, task) => setting.loss.test[metric][task]!)
}

function normalizedOf(choice: RowChoice, metric: Metric): number[][] {
  return choice.settings[metric].map((setting, task) => setting.normalized.test[metric][task]!)
}

function zip(a: number[][], b: number[][], of: (x: number, y: number) => number): number[][] {
  return a.map((seeds, task) => seeds.map((x, seed) => of(x, b[task]![seed]!)))
}

function scoreRow(
  choice: RowChoice,
  learned: RowChoice,
  tunedAdam: RowChoice,
  { scales }: ScoredSettings,
  plan: ResamplePlan,
): ScoreRow {
  const vsTuned = (metric: Metric) => {
    const reference = lossOf(tunedAdam, metric).map(mean)
    const score = (loss: number, task: number) =>
      scoreVsTuned(loss, scales.test[task]!.initial, reference[task]!)
    const scores = lossOf(choice, metric).map((seeds, task) => seeds.map((loss) => score(loss, task)))
    return estimateMean(scores, plan)
  }
  const learnedBetter = (metric: Metric) => {
    const ours = lossOf(learned, metric).map(mean)
    return lossOf(choice, metric).filter((seeds, task) => ours[task]! < mean(seeds)).length
  }
  const { id, label, trials, settings } = choice
  return {
    id,
    label,
    trials,
    ...(choice.isSingleRate ? { lr: both((metric) => settings[metric][0]!.value) } : {}),
    normalized: both((metric) => summarize(normalizedOf(choice, metric), plan)),
    vsTunedAdam: both(vsTuned),
    numLearnedBetter: both(learnedBetter),
    numDiverged: settings.curve.reduce((sum, setting, task) => sum + setting.numDiverged[task]!, 0),
    perTask: both((metric) => normalizedOf(choice, metric).map(mean)),
  }
}
