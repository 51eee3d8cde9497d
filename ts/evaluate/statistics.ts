/**
 * Statistics over (task, seed): mean, median, interquartile mean, and their bootstrap intervals.
 *
 * The interquartile mean and the bootstrap follow Agarwal, Schwarzer, Castro, Courville, Bellemare 2021,
 * arXiv:2108.13264, with one difference: tasks are resampled too, so that an interval covers other tasks of the
 * same suite and not only other seeds of the same tasks.
 */

/** Draws an integer from 0 to n − 1, uniformly. */
export type RandomInteger = (n: number) => number

/** A statistic of a sample, in the unit of the sample. */
export type Statistic = (values: ArrayLike<number>) => number

/** A value with its 95 % bootstrap interval. */
export interface Estimate {
  value: number
  low: number
  high: number
}

/** Three views of the same sample over tasks: the mean feels the tail, the others do not. */
export interface Summary {
  mean: Estimate
  median: Estimate
  iqm: Estimate
}

/** Bootstrap resamples, drawn once and shared by every score, so that scores of one table are compared on the same draws. */
export interface ResamplePlan {
  numTasks: number
  numSeeds: number
  numResamples: number
  /** `[numResamples, numTasks]`: which task fills each place. */
  tasks: Uint32Array
  /** `[numResamples, numTasks, numSeeds]`: which seeds of that task. */
  seeds: Uint32Array
}

/** Arithmetic mean; NaN for no values. */
export function mean(values: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]!
  return sum / values.length
}

/** Quantile with linear interpolation between order statistics (type 7 of Hyndman and Fan 1996).
 * @param p - Between 0 (smallest) and 1 (largest). */
export function quantile(values: ArrayLike<number>, p: number): number {
  const sorted = Float64Array.from(values).sort()
  const position = p * (sorted.length - 1)
  const below = Math.floor(position)
  const left = sorted[below] ?? Number.NaN
  const right = sorted[Math.min(below + 1, sorted.length - 1)] ?? Number.NaN
  return left === right ? left : left + (position - below) * (right - left)
}

/** Middle value, or the mean of the two middle ones. */
export function median(values: ArrayLike<number>): number {
  return quantile(values, 0.5)
}

/** Interquartile mean: the mean without the ⌊n/4⌋ smallest and the ⌊n/4⌋ largest values (a 25 % trimmed mean). */
export function interquartileMean(values: ArrayLike<number>): number {
  const sorted = Float64Array.from(values).sort()
  const cut = Math.floor(sorted.length / 4)
  return mean(sorted.subarray(cut, sorted.length - cut))
}

/**
 * Draws the resamples of a two-stage bootstrap: tasks with replacement, then, within each task drawn, its seeds with
 * replacement. The task is the stratum of its seeds.
 *
 * @param numTasks - Tasks in the suite, ≥ 1.
 * @param numSeeds - Runs of each task, ≥ 1.
 * @param random - Source of integers; the same source gives the same plan.
 * @param numResamples - Default 2,000. Too few: the ends of the interval are noisy.
 */
export function resamplePlan(
  numTasks: number,
  numSeeds: number,
  random: RandomInteger,
  numResamples = 2000,
): ResamplePlan {
  const tasks = new Uint32Array(numResamples * numTasks)
  const seeds = new Uint32Array(numResamples * numTasks * numSeeds)
  for (let place = 0; place < tasks.length; place++) {
    tasks[place] = random(numTasks)
    for (let s = 0; s < numSeeds; s++) seeds[place * numSeeds + s] = random(numSeeds)
  }
  return { numTasks, numSeeds, numResamples, tasks, seeds }
}

/**
 * Mean, median and interquartile mean over tasks (of each task's mean over seeds) with 95 % percentile intervals.
 *
 * @param values - `[numTasks][numSeeds]`, of the plan's size.
 * @returns Intervals from the 2.5 % to the 97.5 % quantile of the resampled statistic.
 */
export function summarize(values: readonly (readonly number[])[], plan: ResamplePlan): Summary {
  const statistics = [mean, median, interquartileMean] as const
  const drawn = statistics.map(() => new Float64Array(plan.numResamples))
  const sample = new Float64Array(plan.numTasks)
  for (let r = 0; r < plan.numResamples; r++) {
    drawTaskMeans(values, plan, r, sample)
    for (const [k, statistic] of statistics.entries()) drawn[k]![r] = statistic(sample)
  }
  const taskMeans = values.map(mean)
  const estimate = (k: 0 | 1 | 2): Estimate => interval(statistics[k](taskMeans), drawn[k]!)
  return { mean: estimate(0), median: estimate(1), iqm: estimate(2) }
}

/** The mean over tasks and seeds with its 95 % percentile interval; see {@link summarize}. */
export function estimateMean(values: readonly (readonly number[])[], plan: ResamplePlan): Estimate {
  const drawn = new Float64Array(plan.numResamples)
  const sample = new Float64Array(plan.numTasks)
  for (let r = 0; r < plan.numResamples; r++) {
    drawTaskMeans(values, plan, r, sample)
    drawn[r] = mean(sample)
  }
  return interval(mean(values.map(mean)), drawn)
}

function drawTaskMeans(
  values: readonly (readonly number[])[],
  plan: ResamplePlan,
  resample: number,
  out: Float64Array,
): void {
  for (let t = 0; t < plan.numTasks; t++) {
    const place = resample * plan.numTasks + t
    const runs = values[plan.tasks[place]!]!
    let sum = 0
    for (let s = 0; s < plan.numSeeds; s++) sum += runs[plan.seeds[place * plan.numSeeds + s]!]!
    out[t] = sum / plan.numSeeds
  }
}

function interval(value: number, drawn: Float64Array): Estimate {
  return { value, low: quantile(drawn, 0.025), high: quantile(drawn, 0.975) }
}
