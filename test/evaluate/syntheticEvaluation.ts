/** A baseline pool and a learned optimizer with made-up learning curves: what the pure code is tested on. */
import { assembleEvaluation } from '../../ts/evaluate/assembleEvaluation.js'
import { type BaselineName, baselinePool } from '../../ts/evaluate/baselines.js'
import type { RunCurve } from '../../ts/evaluate/curves.js'
import type { Evaluation } from '../../ts/evaluate/evaluation.js'
import type { SettingRuns } from '../../ts/evaluate/settingScores.js'
import type { RandomInteger } from '../../ts/evaluate/statistics.js'

/** Deterministic integers (mulberry32), so that these tests do not need the native module. */
export function testRandom(seed: number): RandomInteger {
  let state = seed >>> 0
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0
    let word = Math.imul(state ^ (state >>> 15), state | 1)
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61)
    return Math.floor((((word ^ (word >>> 14)) >>> 0) / 2 ** 32) * n)
  }
}

/** Rate at which each family is fastest on task 0; a task shifts it by up to two half decades. */
const fastest: Record<BaselineName, number> = { adam: -2, momentum: -1, sgd: 0 }

interface Shape {
  floor: number
  speed: number
  isDiverging?: boolean
}

/** An exponential decay with a little noise, or one that blows up after a tenth of the run. */
function curve(shape: Shape, initial: number, seed: number, longest: number): RunCurve {
  const random = testRandom(seed)
  const steps = Array.from({ length: longest / 25 + 1 }, (_, i) => i * 25)
  const loss = (step: number) => {
    if (step === 0) return initial
    if (shape.isDiverging && step > longest / 10) return Number.POSITIVE_INFINITY
    const noise = 1 + 0.03 * (random(1000) / 1000 - 0.5)
    return noise * (shape.floor + (initial - shape.floor) * Math.exp(-step * shape.speed))
  }
  return { steps, outerValid: steps.map(loss), test: steps.map(loss) }
}

/** An evaluation over invented tasks: rates have a clear optimum, the largest diverge, the learned optimizer is good early. */
export function syntheticEvaluation(numTasks = 24, seeds = 2, stepMultipliers = [1]): Evaluation {
  const longest = 2000
  const runs = (name: string, value: number, shape: (task: number) => Shape): SettingRuns => ({
    name,
    value,
    runs: Array.from({ length: numTasks }, (_, task) =>
      Array.from({ length: seeds }, (_, seed) =>
        curve(shape(task), 2.35 + 0.02 * (task % 4), task * 1000 + seed * 7 + name.length, longest),
      ),
    ),
  })
  const floorOf = (task: number) => 0.25 + 0.06 * task
  const pool = baselinePool().map(({ name, lr }) =>
    runs(name, lr, (task) => {
      const distance = Math.log10(lr) - fastest[name] + 0.5 * ((task % 3) - 1)
      const speed = (name === 'adam' ? 0.008 : 0.005) * 10 ** -Math.abs(distance)
      return { floor: floorOf(task) + 0.1 * Math.abs(distance), speed, isDiverging: distance > 1.2 }
    }),
  )
  const learned = stepMultipliers.map((value) =>
    runs('learned', value, (task) => ({
      floor: floorOf(task) + 0.02 + 0.015 * (task % 7),
      speed: 0.014 * value,
      isDiverging: task === 7,
    })),
  )
  const tasks = Array.from({ length: numTasks }, (_, task) => ({
    name: `cifar8-mlp-${8 * (1 + task)}-relu`,
    config: {
      family: 'mlp' as const,
      dataset: 'cifar8',
      hidden: [8 * (1 + task)],
      activation: 'relu' as const,
      init: { name: 'he_normal' as const },
      batchSize: 64,
      pixels: 'unit' as const,
      labelNoise: 0,
    },
  }))
  const settings = {
    seed: 0,
    seeds,
    innerSteps: [500, 2000],
    evalEvery: 25,
    evalBatches: 8,
    stepMultipliers,
    poolVersion: 1,
  }
  const optimizer = { name: 'adafac_mlp' as const, hidden: 4, stepMult: 0.001, expMult: 0.001 }
  return assembleEvaluation({ optimizer, tasks, settings }, pool, learned, testRandom(1))
}
