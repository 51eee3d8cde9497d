/** What an outer step costs besides its inner steps, and how long the event loop is kept waiting meanwhile. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { parseTrainConfig } from '../ts/config/trainConfig.js'
import { doctor } from '../ts/native.js'
import type { StepRecord } from '../ts/outer/stepRecord.js'
import { Trainer } from '../ts/outer/trainer.js'

/** Steps that are not counted: the first ones compile the TypeScript. */
const WARM_UP = 5

/** The command `npm run bench -- outer [--particles 32] [--threads 2] [--steps 40] [--optimizer NAME] [--json]`. */
export async function benchmarkOuter(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      particles: { type: 'string', default: '32' },
      threads: { type: 'string', default: '2' },
      steps: { type: 'string', default: '40' },
      optimizer: { type: 'string', default: 'adafac_mlp' },
      json: { type: 'boolean', default: false },
    },
  })
  const [numParticles, threads, steps] = [values.particles, values.threads, values.steps].map(Number)
  const config = parseTrainConfig({
    preset: 'quick',
    threads,
    // Without another option of the preset's own optimizer.
    optimizer: values.optimizer === 'adafac_mlp' ? undefined : { name: values.optimizer },
    estimator: { numParticles },
    outerSteps: WARM_UP + steps!,
    start: { candidates: 1 },
  })
  using trainer = await Trainer.create(config)
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const records: StepRecord[] = []
  for await (const record of trainer.run()) {
    if (!Number.isFinite(record.metaLoss)) throw new Error(`meta-loss ${record.metaLoss}`)
    records.push(record)
    if (records.length === WARM_UP) delay.enable()
  }
  delay.disable()
  const share = (phase: (record: StepRecord) => number) =>
    median(records.slice(WARM_UP).map((record) => phase(record) / record.seconds))
  const result = {
    benchmark: 'outer',
    optimizer: values.optimizer,
    lanes: 2 * numParticles!,
    thetaLength: trainer.theta.length,
    threads,
    /** Parts of an outer step; medians. Estimating includes the native sum of perturbations. */
    shares: {
      plan: share(({ phases }) => phases.plan),
      inner: share(({ phases }) => phases.inner),
      estimate: share(({ phases }) => phases.estimate),
      outer: share(({ phases }) => phases.outer),
    },
    /** How late timers of 1 ms came. */
    eventLoopDelayMs: {
      p50: delay.percentile(50) / 1e6,
      p99: delay.percentile(99) / 1e6,
      max: delay.max / 1e6,
    },
    ...machine(),
  }
  const { plan, estimate, outer } = result.shares
  const { p50, p99, max } = result.eventLoopDelayMs
  console.log(
    `preset quick, ${values.optimizer} (${result.thetaLength} weights), ${result.lanes} lanes, ${threads} threads:\n` +
      `planning ${percent(plan)}, estimating ${percent(estimate)}, outer optimizer ${percent(outer)} of an outer step\n` +
      `event loop: ticks of 1 ms took ${p50.toFixed(2)} ms (median), ${p99.toFixed(2)} ms (p99), ${max.toFixed(1)} ms at most`,
  )
  if (values.json) console.log(JSON.stringify(result))
}

function machine(): { backend: string; cpuModel: string } {
  const { backend, cpuModel } = doctor()
  return { backend, cpuModel }
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]!
}
