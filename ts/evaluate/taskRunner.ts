/** Runs the baseline pool and the evaluated optimizer on one task after another. */
import { bundledDatasets } from '../config/datasetSpec.js'
import type { OptimizerConfig } from '../config/optimizerConfig.js'
import { type Curve, type CurveJob, type Dataset, engineVersion, runCurves, thetaLayout } from '../native.js'
import { baselinePool, POOL_VERSION } from './baselines.js'
import type { RunCurve } from './curves.js'
import type { EvaluateOwn, EvaluationSettings } from './evaluateOptions.js'
import type { EvaluationTask } from './evaluation.js'
import { contentHash, poolCachePath, readPoolCache, writePoolCache } from './poolCache.js'

/** What is run on every task besides the pool. */
export interface Workload {
  /** The evaluated optimizer, once for each step multiplier. */
  learners: OptimizerConfig[]
  /** Its theta; empty if it is hand-designed. */
  theta: Float32Array
  /** Every data set that tasks name. */
  datasets: Dataset[]
  /** How many tasks are to come, for the progress. */
  numTasks: number
}

/** Runs all settings on one task at a time and keeps count of the inner steps. */
export class TaskRunner {
  readonly #settings: EvaluationSettings
  readonly #options: EvaluateOwn
  readonly #work: Workload
  readonly #total: number
  #done = 0
  /** Whether it was told that the cache cannot be written: once is enough. */
  #isUnwritableTold = false

  constructor(settings: EvaluationSettings, options: EvaluateOwn, work: Workload) {
    this.#settings = settings
    this.#options = options
    this.#work = work
    this.#total = work.numTasks * this.#stepsOf(baselinePool().length + work.learners.length)
  }

  /** Curves `[setting][seed]` of the pool, then of the learned optimizer's step multipliers. */
  async run(task: EvaluationTask): Promise<RunCurve[][]> {
    this.#options.signal?.throwIfAborted()
    const optimizers = baselinePool().map((setting) => setting.optimizer)
    const path = this.#cachePath(task)
    const { onNote = () => {} } = this.#options
    const cached = path && (await readPoolCache(path, optimizers.length, this.#settings.seeds, onNote))
    if (cached) {
      this.#done += this.#stepsOf(optimizers.length)
      return [...cached, ...(await this.#runAll(task, this.#work.learners))]
    }
    const curves = await this.#runAll(task, [...optimizers, ...this.#work.learners])
    if (path) await this.#keep(path, curves.slice(0, optimizers.length))
    return curves
  }

  /** A cache that cannot be written must not cost what was measured. */
  async #keep(path: string, pool: RunCurve[][]): Promise<void> {
    try {
      await writePoolCache(path, pool)
    } catch (error) {
      if (!this.#isUnwritableTold) {
        this.#options.onNote?.(`The baselines are not kept: ${(error as Error).message}.`)
      }
      this.#isUnwritableTold = true
    }
  }

  async #runAll(task: EvaluationTask, optimizers: readonly OptimizerConfig[]): Promise<RunCurve[][]> {
    const { seeds, threads, cpu, maxMemoryBytes } = this.#settings
    const { signal, onProgress } = this.#options
    const jobs = optimizers.flatMap((optimizer) => this.#jobs(task, optimizer))
    const thetas = this.#work.theta.length > 0 ? [this.#work.theta] : []
    const [done, total] = [this.#done, this.#total]
    const curves = await runCurves(jobs, thetas, this.#work.datasets, {
      ...(threads === 'auto' ? {} : { threads }),
      cpu,
      maxMemoryBytes,
      ...(signal ? { signal } : {}),
      ...(onProgress ? { onProgress: (p) => onProgress({ done: done + p.done, total }) } : {}),
    })
    this.#done = done + this.#stepsOf(optimizers.length)
    await onProgress?.({ done: this.#done, total })
    return optimizers.map((_, i) => curves.slice(i * seeds, (i + 1) * seeds).map(toRunCurve))
  }

  #jobs(task: EvaluationTask, optimizer: OptimizerConfig): CurveJob[] {
    const { seed, seeds, evalEvery, evalBatches } = this.#settings
    return Array.from({ length: seeds }, (_, r) => ({
      task: task.config,
      optimizer,
      ...(isHandDesigned(optimizer) ? {} : { theta: 0 }),
      seed,
      replica: firstReplica(task) + r,
      innerSteps: this.#longest(),
      evalEvery,
      evalBatches,
      splits: ['outerValid', 'test'],
    }))
  }

  #longest(): number {
    return this.#settings.innerSteps.at(-1)!
  }

  #stepsOf(numSettings: number): number {
    return numSettings * this.#settings.seeds * this.#longest()
  }

  #cachePath({ config }: EvaluationTask): string | undefined {
    const { cacheDir, seed, seeds, evalEvery, evalBatches } = this.#settings
    if (cacheDir === undefined) return undefined
    const name = config.family === 'mlp' ? config.dataset : undefined
    // Only bundled data are known by name and version; a caller's data set may change under its name.
    if (name !== undefined && !(bundledDatasets as readonly string[]).includes(name)) return undefined
    const run = { seed, seeds, innerSteps: this.#longest(), evalEvery, evalBatches }
    return poolCachePath(cacheDir, { task: config, run, pool: POOL_VERSION, version: engineVersion() })
  }
}

/** Places every task's replicas apart, by its config and not by its place in the suite. */
function firstReplica({ config }: EvaluationTask): number {
  return (Number.parseInt(contentHash(config).slice(0, 6), 16) >>> 3) * 1000
}

function isHandDesigned(optimizer: OptimizerConfig): boolean {
  return thetaLayout(optimizer).length === 0
}

function toRunCurve({ steps, losses }: Curve): RunCurve {
  return {
    steps: Array.from(steps),
    outerValid: Array.from(losses.outerValid!),
    test: Array.from(losses.test!),
  }
}
