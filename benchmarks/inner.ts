/**
 * Inner steps a second of whole truncations, called as the trainer calls them, against a loop of multiply-adds on the
 * same threads in turns.
 */
import { parseArgs } from 'node:util'
import { fmaPeak } from '../index.js'
import type { CpuName } from '../ts/config/fields.js'
import { type OptimizerConfig, optimizerConfigSchema } from '../ts/config/optimizerConfig.js'
import { type Dataset, datasetFromArrays, doctor, initTheta, Unroller } from '../ts/native.js'
import { optimizerOperations, taskOperations, type Widths } from './operations.js'

/** Optimizers by the name that the command takes. */
export const optimizers = {
  sgd: { name: 'sgd', lr: 0.1 },
  momentum: { name: 'momentum', lr: 0.03 },
  adam: { name: 'adam', lr: 0.001 },
  mlp_lopt: { name: 'mlp_lopt' },
  adafac_mlp: { name: 'adafac_mlp' },
  adafac_mlp_32: { name: 'adafac_mlp', hidden: 32 },
  /** The learned rule on every tensor, without orthogonalisation: what is called Celo2-base. */
  celo2: { name: 'celo2', orthogonalize: false, adamPattern: null },
  /** Celo2 as published: matrices orthogonalised, biases stepped by Adam. */
  celo2_orthogonal: { name: 'celo2' },
  hierarchical: { name: 'hierarchical', variant: 'library' },
} as const

/** Inner steps of one lane in the truncations that check; fewer for a task that takes seconds otherwise. */
const CHECK_LENGTH = 100
const CHECK_LENGTH_LARGE = 20
const LARGE = 50_000
/** A truncation that is timed takes about so long: the call itself, some 0.3 ms, shall not count. */
const TRUNCATION_MS = 60
/** Pairs a thread, and those of a large task; `--pairs` says how many in all. Meta-training has dozens. */
const PAIRS_PER_THREAD = 8
const PAIRS_PER_THREAD_LARGE = 2
/** How long each look at the roofline takes. */
const ROOFLINE_MS = 20

/** Name of a measured optimizer. */
export type OptimizerName = keyof typeof optimizers

/** Result of the benchmark: what --json prints and records keep. */
export interface InnerResult {
  benchmark: 'inner'
  task: string
  batch: number
  optimizer: string
  /** Its config, every default filled in. */
  optimizerConfig: OptimizerConfig
  threads: number
  /** Antithetic pairs in all. */
  pairs: number
  /** Inner steps of one lane in one timed truncation. */
  truncationLength: number
  /** Median over truncations, all lanes and threads together. */
  stepsPerSecond: number
  /** Operations of a step over what the loop of multiply-adds does in the same time; median. */
  rooflineFraction: number
  operationsPerStep: number
  /** Rate of the loop, median, operations a second over all threads. */
  peakOperationsPerSecond: number
  truncations: number
  backend: string
  cpuModel: string
  profile: string
  version: string
}

/** The command `npm run bench -- inner`. */
export async function benchmarkInner(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      task: { type: 'string', default: 'mlp-64-32-10' },
      batch: { type: 'string', default: '64' },
      optimizer: { type: 'string', default: 'adam' },
      threads: { type: 'string', default: '2' },
      pairs: { type: 'string' },
      seconds: { type: 'string', default: '2' },
      cpu: { type: 'string', default: 'auto' },
      json: { type: 'boolean', default: false },
    },
  })
  const [batch, threads, seconds] = [values.batch, values.threads, values.seconds].map(Number)
  const pairs = values.pairs === undefined ? undefined : Number(values.pairs)
  const isCount = pairs === undefined || (Number.isInteger(pairs) && pairs > 0)
  const optimizer = Object.keys(optimizers).find((name) => name === values.optimizer) as
    | OptimizerName
    | undefined
  const isRun = batch! > 0 && threads! > 0 && seconds! > 0 && isCount
  if (!optimizer || widthsOf(values.task).length < 2 || !isRun) {
    const names = Object.keys(optimizers).join('|')
    console.error(
      `usage: npm run bench -- inner [--task mlp-64-32-10] [--batch 64] [--optimizer ${names}] [--threads 2] [--pairs N] [--seconds 2] [--cpu auto] [--json]`,
    )
    process.exit(2)
  }
  const result = await measureInner({
    task: values.task,
    batch: batch!,
    optimizer,
    threads: threads!,
    ...(pairs !== undefined && { pairs }),
    seconds: seconds!,
    cpu: values.cpu as CpuName,
  })
  console.log(describe(result))
  if (values.json) console.log(JSON.stringify(result))
}

/** Two lines for a person. */
export function describe(result: InnerResult): string {
  const { stepsPerSecond, rooflineFraction, peakOperationsPerSecond, operationsPerStep } = result
  return (
    `${result.task}, batch ${result.batch}, ${result.optimizer}, ${result.threads} thread${result.threads === 1 ? '' : 's'}, ${result.backend}: ` +
    `${Math.round(stepsPerSecond).toLocaleString('en')} inner steps/s\n` +
    `${(operationsPerStep / 1e6).toFixed(3)} Mflop a step in matrix products, ` +
    `${(100 * rooflineFraction).toFixed(1)} % of the ${(peakOperationsPerSecond / 1e9).toFixed(0)} Gflop/s of multiply-adds`
  )
}

/** What is measured, and for how long. */
export interface InnerOptions {
  /** `mlp-` and the widths, inputs first. */
  task: string
  batch: number
  optimizer: OptimizerName
  threads: number
  /** Default: some a thread. */
  pairs?: number
  seconds: number
  /** Instruction set of the engine and of the loop it is compared with. Default `auto`. */
  cpu?: CpuName
}

/** Widths of `mlp-64-32-10`; empty for another text. */
function widthsOf(task: string): Widths {
  return /^mlp(-\d+){2,}$/.test(task) ? task.split('-').slice(1).map(Number) : []
}

/** Measures one optimizer on one task. */
export async function measureInner({
  task,
  batch,
  optimizer: name,
  threads,
  pairs,
  seconds,
  cpu = 'auto',
}: InnerOptions): Promise<InnerResult> {
  // First, as it refuses a `cpu` that is not there.
  const { backend, cpuModel, profile, version } = doctor({ cpu })
  const widths = widthsOf(task)
  const optimizer = optimizerConfigSchema.parse(optimizers[name])
  const dataset = randomDataset(widths[0]!, widths.at(-1)!)
  await assertThreadsDoNotMatter(widths, batch, optimizer, dataset, cpu)
  using lanes = new Lanes(widths, batch, optimizer, dataset, { threads, cpu }, pairs)
  await lanes.assertLearns()
  await lanes.lengthen()
  const operationsPerStep = taskOperations(widths, batch) + optimizerOperations(optimizer, widths)
  const [rates, fractions, peaks]: [number[], number[], number[]] = [[], [], []]
  const end = performance.now() + 1000 * seconds
  while (performance.now() < end || rates.length < 5) {
    const start = performance.now()
    await lanes.advance()
    const rate = (1000 * lanes.stepsPerTruncation) / (performance.now() - start)
    const peak = await fmaPeak(threads, ROOFLINE_MS, cpu)
    rates.push(rate)
    peaks.push(peak)
    fractions.push((rate * operationsPerStep) / peak)
  }
  return {
    benchmark: 'inner',
    task,
    batch,
    optimizer: name,
    optimizerConfig: optimizer,
    threads,
    pairs: lanes.numPairs,
    truncationLength: lanes.truncationLength,
    stepsPerSecond: median(rates),
    rooflineFraction: median(fractions),
    operationsPerStep,
    peakOperationsPerSecond: median(peaks),
    truncations: rates.length,
    backend,
    cpuModel,
    profile,
    version,
  }
}

/** Pairs of one task that go on truncation after truncation. */
class Lanes implements Disposable {
  /** Inner steps of one lane in a truncation. */
  truncationLength: number
  readonly #unroller: Unroller
  readonly #theta: Float32Array
  readonly numPairs: number
  readonly #task
  #truncation = 0

  constructor(
    widths: Widths,
    batch: number,
    optimizer: OptimizerConfig,
    dataset: Dataset,
    { threads, cpu }: { threads: number; cpu: CpuName },
    numPairs?: number,
  ) {
    const isLarge = widths.slice(1).reduce((sum, width, i) => sum + (widths[i]! + 1) * width, 0) > LARGE
    this.numPairs = numPairs ?? threads * (isLarge ? PAIRS_PER_THREAD_LARGE : PAIRS_PER_THREAD)
    this.truncationLength = isLarge ? CHECK_LENGTH_LARGE : CHECK_LENGTH
    this.#theta = initTheta(optimizer, 0, 0)
    this.#task = {
      family: 'mlp',
      dataset: dataset.info.name,
      hidden: widths.slice(1, -1),
      activation: 'relu',
      init: { name: 'he_normal' },
      batchSize: batch,
      pixels: 'unit',
      labelNoise: 0,
    } as const
    this.#unroller = new Unroller(
      {
        optimizer,
        seed: 0,
        numParticles: this.numPairs,
        threads,
        cpu,
        carry: 'both',
        metaLoss: { source: 'train', reduce: 'mean' },
      },
      [dataset],
    )
  }

  /** One truncation of all pairs; returns the mean meta-loss of both halves. */
  async advance(): Promise<number[]> {
    const restart = { task: { ...this.#task, hidden: [...this.#task.hidden] }, episode: 0, numSteps: 1000 }
    const particles = Array.from({ length: this.numPairs }, (_, particle) => ({
      particle,
      segments: [
        {
          innerSteps: this.truncationLength,
          perturbation: this.#truncation,
          ...(this.#truncation === 0 && { restart }),
        },
      ],
    }))
    this.#truncation += 1
    const { pos, neg } = await this.#unroller.advance(this.#theta, {
      std: 0.01,
      particles,
    })
    return [...pos, ...neg]
  }

  /** Inner steps of all lanes in a truncation. */
  get stepsPerTruncation(): number {
    return 2 * this.numPairs * this.truncationLength
  }

  /** Chooses a length by the time that one truncation takes. */
  async lengthen(): Promise<void> {
    const start = performance.now()
    await this.advance()
    const length = (this.truncationLength * TRUNCATION_MS) / (performance.now() - start)
    this.truncationLength = Math.max(1, Math.min(10_000, Math.round(length)))
  }

  /** What is timed must compute: losses are finite, and a hand-designed optimizer lowers them. */
  async assertLearns(): Promise<void> {
    const mean = (losses: number[]) => losses.reduce((sum, x) => sum + x, 0) / losses.length
    const first = mean(await this.advance())
    const second = mean(await this.advance())
    if (!Number.isFinite(first + second)) throw new Error(`meta-losses ${first} and ${second}`)
    if (this.#theta.length === 0 && !(second < first))
      throw new Error(`meta-loss rose from ${first} to ${second}`)
  }

  [Symbol.dispose](): void {
    this.#unroller.close()
  }
}

/** The same bits with one thread and with two. */
async function assertThreadsDoNotMatter(
  widths: Widths,
  batch: number,
  optimizer: OptimizerConfig,
  dataset: Dataset,
  cpu: CpuName,
): Promise<void> {
  const losses: number[][] = []
  for (const threads of [1, 2]) {
    using lanes = new Lanes(widths, batch, optimizer, dataset, { threads, cpu }, 2)
    losses.push(await lanes.advance())
  }
  if (JSON.stringify(losses[0]) !== JSON.stringify(losses[1])) {
    throw new Error(`one thread gave ${losses[0]}, two gave ${losses[1]}`)
  }
}

/** Patterns that can be told apart: every class has an image of its own, with noise. */
function randomDataset(numFeatures: number, numClasses: number): Dataset {
  const numExamples = 2000
  let state = 1
  const random = () => {
    // Park and Miller's generator: the same images everywhere.
    state = (state * 48271) % 2147483647
    return state / 2147483647
  }
  const patterns = Array.from({ length: numClasses * numFeatures }, () => random())
  const labels = Uint16Array.from({ length: numExamples }, (_, i) => i % numClasses)
  const images = new Uint8Array(numExamples * numFeatures)
  for (let i = 0; i < images.length; i++) {
    const pattern = patterns[labels[Math.floor(i / numFeatures)]! * numFeatures + (i % numFeatures)]!
    images[i] = Math.floor(256 * (0.5 * pattern + 0.5 * random()))
  }
  return datasetFromArrays({
    name: 'patterns',
    images,
    labels,
    height: 1,
    width: numFeatures,
    channels: 1,
    numClasses,
  })
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]!
}
