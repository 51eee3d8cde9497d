/** What the TypeScript side of an outer step costs, and how long the event loop is kept waiting meanwhile. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { bundledDatasets } from '../ts/config/datasetSpec.js'
import { parseTrainConfig } from '../ts/config/trainConfig.js'
import { createEstimator } from '../ts/es/registry.js'
import { doctor, initTheta, loadDatasets, Unroller } from '../ts/native.js'
import { adamStep, initAdam } from '../ts/outer/adam.js'
import { clipGradient } from '../ts/outer/clip.js'
import { updateAverage } from '../ts/outer/thetaAverage.js'

/** The command `npm run bench -- outer [--particles 32] [--threads 2] [--steps 40] [--json]`. */
export async function benchmarkOuter(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      particles: { type: 'string', default: '32' },
      threads: { type: 'string', default: '2' },
      steps: { type: 'string', default: '40' },
      json: { type: 'boolean', default: false },
    },
  })
  const [numParticles, threads, steps] = [values.particles, values.threads, values.steps].map(Number)
  const config = parseTrainConfig({ preset: 'quick', threads, estimator: { numParticles } })
  const estimator = createEstimator(config)
  const { optimizer, seed, metaLoss } = config
  using unroller = new Unroller(
    { optimizer, seed, metaLoss, numParticles: numParticles!, threads: threads!, carry: estimator.carry },
    await loadDatasets(bundledDatasets, []),
  )
  const theta = initTheta(optimizer, seed, 0)
  const [average, adam] = [theta.slice(), initAdam(theta.length)]
  let state = estimator.init()
  let nativeMs = 0
  /** Times what is awaited from the engine. */
  const native = async <T>(work: Promise<T>): Promise<T> => {
    const start = performance.now()
    try {
      return await work
    } finally {
      nativeMs += performance.now() - start
    }
  }
  const shares: number[] = []
  const delay = monitorEventLoopDelay({ resolution: 1 })
  for (let outerStep = 0; outerStep < steps!; outerStep++) {
    // The first steps compile the TypeScript.
    if (outerStep === 5) delay.enable()
    const start = performance.now()
    nativeMs = 0
    const planned = estimator.plan(state, outerStep)
    const result = await native(unroller.advance(theta, planned.plan))
    const summer = {
      sumPerturbations: (...terms: Parameters<Unroller['sumPerturbations']>) =>
        native(unroller.sumPerturbations(...terms)),
    }
    const { grad, meanLoss } = await estimator.estimate(planned, result, summer)
    if (!Number.isFinite(meanLoss)) throw new Error(`meta-loss ${meanLoss}`)
    clipGradient(config.clip, grad)
    adamStep(config.outerOptimizer, adam, theta, grad, config.outerOptimizer.lr)
    updateAverage(average, theta, config.thetaAverage, outerStep + 1)
    state = planned.next
    const total = performance.now() - start
    shares.push((total - nativeMs) / total)
  }
  delay.disable()
  const steady = shares.slice(5).sort((a, b) => a - b)
  const { backend, cpuModel } = doctor()
  const result = {
    benchmark: 'outer',
    lanes: 2 * numParticles!,
    threads,
    /** Time of an outer step that is not waiting for the engine; median. */
    typescriptShare: steady[Math.floor(steady.length / 2)]!,
    /** How late timers of 1 ms came. */
    eventLoopDelayMs: {
      p50: delay.percentile(50) / 1e6,
      p99: delay.percentile(99) / 1e6,
      max: delay.max / 1e6,
    },
    backend,
    cpuModel,
  }
  const { p50, p99, max } = result.eventLoopDelayMs
  console.log(
    `preset quick, ${result.lanes} lanes, ${threads} threads: ` +
      `${(100 * result.typescriptShare).toFixed(2)} % of an outer step in TypeScript\n` +
      `event loop: ticks of 1 ms took ${p50.toFixed(2)} ms (median), ${p99.toFixed(2)} ms (p99), ${max.toFixed(1)} ms at most`,
  )
  if (values.json) console.log(JSON.stringify(result))
}
