/**
 * One update of a large model through the apply API, every optimizer in turns with AdamW, and against the rate at which the
 * same threads read and write memory.
 */
import { parseArgs } from 'node:util'
import { NativeOptimizer, streamPeak } from '../index.js'
import { createOptimizer, Optimizer } from '../ts/apply/optimizer.js'
import type { OptimizerState } from '../ts/apply/optimizerState.js'
import type { CpuName } from '../ts/config/fields.js'
import {
  type OptimizerConfig,
  type OptimizerConfigInput,
  optimizerConfigSchema,
} from '../ts/config/optimizerConfig.js'
import { doctor, initTheta } from '../ts/native.js'

/** What is measured by default, by the name that the command takes. */
export const appliedOptimizers: Record<string, OptimizerConfigInput> = {
  adamw: { name: 'adamw', lr: 1e-3 },
  sgd: { name: 'sgd', lr: 1e-3 },
  adam: { name: 'adam', lr: 1e-3 },
  mlp_lopt: { name: 'mlp_lopt' },
  adafac_mlp: { name: 'adafac_mlp' },
  celo2_base: { name: 'celo2', orthogonalize: false, adamPattern: null },
  hierarchical: { name: 'hierarchical', variant: 'library' },
  velo: { name: 'velo', buggedLossFeatures: false, buggedNextLstmState: false },
  celo: { name: 'celo', phase: 2 },
  lion: { name: 'lion', lr: 1e-4 },
  lamb: { name: 'lamb', lr: 1e-3 },
  adafactor: { name: 'adafactor', lr: 1e-3 },
  sm3: { name: 'sm3', lr: 1e-3 },
}

/** Width of the square matrices that the model is made of; each has a bias. */
const WIDTH = { small: 512, large: 1024 }
/** Rounds before the first that counts. */
const WARM_UP = 2
/** Updates of one optimizer in a round, one after another, as training has them. */
const UPDATES = 5
/** How long each look at memory takes. */
const STREAM_MS = 300

/** Result for one optimizer: what --json prints and records keep. */
export interface ApplyResult {
  benchmark: 'apply'
  optimizer: string
  optimizerConfig: OptimizerConfig
  numParams: number
  threads: number
  /** Median time of an update. */
  updateMs: number
  /** Median of the ratios to AdamW in the same round. */
  ratioToAdamw: number
  /** Read or written for every parameter: itself and each float of state both ways, its gradient. */
  bytesPerParam: number
  /** Rate of the bytes that must move over the rate of the stream. */
  streamFraction: number
  streamBytesPerSecond: number
  updates: number
  backend: string
  cpuModel: string
}

/** The command `npm run bench -- apply`. */
export async function benchmarkApply(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      params: { type: 'string', default: '1000000' },
      optimizers: { type: 'string', default: Object.keys(appliedOptimizers).join(',') },
      threads: { type: 'string', default: '2' },
      seconds: { type: 'string', default: '2' },
      cpu: { type: 'string', default: 'auto' },
      json: { type: 'boolean', default: false },
    },
  })
  const [numParams, threads, seconds] = [values.params, values.threads, values.seconds].map(Number)
  const names = values.optimizers.split(',')
  const isKnown = names.every((name) => name in appliedOptimizers)
  if (!isKnown || !(numParams! > 0) || !(threads! > 0) || !(seconds! > 0)) {
    const all = Object.keys(appliedOptimizers).join(',')
    console.error(
      `usage: npm run bench -- apply [--params 1000000] [--optimizers ${all}] [--threads 2] [--seconds 2] [--cpu auto] [--json]`,
    )
    process.exit(2)
  }
  const options = { threads: threads!, seconds: seconds!, cpu: values.cpu as CpuName }
  for (const name of names) {
    const result = await measureApply(name, numParams!, options)
    console.log(describeApply(result))
    if (values.json) console.log(JSON.stringify(result))
  }
}

/** One line for a person. */
export function describeApply(result: ApplyResult): string {
  const { optimizer, numParams, threads, updateMs, ratioToAdamw, bytesPerParam, streamFraction } = result
  return (
    `${optimizer}, ${(numParams / 1e6).toFixed(1)}M parameters, ${threads} thread${threads === 1 ? '' : 's'}: ` +
    `${updateMs.toFixed(2)} ms, ${ratioToAdamw.toFixed(2)} times AdamW, ${bytesPerParam} bytes a parameter at ` +
    `${(100 * streamFraction).toFixed(0)} % of ${(result.streamBytesPerSecond / 1e9).toFixed(1)} GB/s`
  )
}

/** Measures one optimizer beside AdamW on models of their own. */
export async function measureApply(
  name: string,
  numParams: number,
  { threads, seconds, cpu }: { threads: number; seconds: number; cpu: CpuName },
): Promise<ApplyResult> {
  const config = optimizerConfigSchema.parse(appliedOptimizers[name])
  const [subject, adamw] = [optimizerOf(config), createOptimizer(appliedOptimizers.adamw!)]
  const width = numParams >= 1e7 ? WIDTH.large : WIDTH.small
  const model = modelOf(numParams, width)
  const states = [adamw, subject].map((optimizer) => start(optimizer, model.params, threads, cpu))
  const times: [number, number][] = []
  const rates: number[] = []
  const end = performance.now() + 1000 * seconds
  for (let round = 0; round < WARM_UP + 3 || performance.now() < end; round++) {
    if (round % 8 === 0) rates.push(await streamPeak(threads, STREAM_MS, cpu))
    const pair = states.map((state) => timeOf(state, model.grads))
    if (round >= WARM_UP) times.push(pair as [number, number])
  }
  for (const { data } of Object.values(model.params)) {
    if (!data.every(Number.isFinite)) throw new Error(`${name}: expected finite parameters`)
  }
  const updateMs = median(times.map(([, time]) => time))
  const stateFloats = new NativeOptimizer(JSON.stringify(config), subject.theta).stateFloats()
  const bytesPerParam = 4 * (3 + 2 * stateFloats)
  const streamBytesPerSecond = median(rates)
  const { backend, cpuModel } = doctor({ cpu })
  return {
    benchmark: 'apply',
    optimizer: name,
    optimizerConfig: config,
    numParams: model.numParams,
    threads,
    updateMs,
    ratioToAdamw: median(times.map(([own, time]) => time / own)),
    bytesPerParam,
    streamFraction: (bytesPerParam * model.numParams) / (updateMs / 1000) / streamBytesPerSecond,
    streamBytesPerSecond,
    updates: UPDATES * times.length,
    backend,
    cpuModel,
  }
}

function optimizerOf(config: OptimizerConfig): Optimizer {
  return new Optimizer(config, initTheta(config, 1, 0))
}

type Tensors = Record<string, { data: Float32Array; shape: number[] }>

function modelOf(atLeast: number, width: number) {
  const params: Tensors = {}
  const grads: Record<string, Float32Array> = {}
  let numParams = 0
  const add = (name: string, shape: number[]) => {
    const length = shape.reduce((n, d) => n * d, 1)
    const wave = (phase: number) =>
      Float32Array.from({ length }, (_, i) => 0.1 * Math.sin(12.9898 * i + phase))
    params[name] = { data: wave(1), shape }
    grads[name] = wave(2)
    numParams += length
  }
  for (let layer = 0; numParams < atLeast; layer++) {
    add(`layer${layer}/b`, [width])
    add(`layer${layer}/w`, [width, width])
  }
  return { params, grads, numParams }
}

/** Gradients are finite, so looking for others is left out: the rule alone is measured. */
function start(optimizer: Optimizer, params: Tensors, threads: number, cpu: CpuName): OptimizerState {
  return optimizer.init(params, { threads, cpu, numSteps: 1000, nonFinite: 'propagate' })
}

/** Median of a few updates. */
function timeOf(state: OptimizerState, grads: Record<string, Float32Array>): number {
  const times = Array.from({ length: UPDATES }, () => {
    const begin = performance.now()
    state.update(grads, { loss: 1 })
    return performance.now() - begin
  })
  return median(times)
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]!
}
