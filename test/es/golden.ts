/** Truncations of the published estimators (test/fixtures/golden). */
import { readFileSync } from 'node:fs'

/** One truncation: losses `[slot][particle]`, perturbations `[particle]`, and what came of them. */
export interface GoldenCall {
  std: number
  pos: number[][]
  neg: number[][]
  /** Whether the slot trained. */
  mask: boolean[][]
  /** Whether a problem ended with the slot. */
  isDone: boolean[][]
  eps: number[][]
  /**
   * Whether means of the halves' losses were taken in f32 and then subtracted: both are off by up to 1.2e-7, two roundings of
   * about 1. PES takes means of differences, where nothing cancels, and signs have no rounding.
   */
  isCancelling: boolean
  /** Null where the published mean is not finite. */
  meanLoss: number | null
  grad: number[]
  /** Of PES, after the truncation. */
  accumulators?: number[][]
}

/** An array of the files. */
export interface GoldenArray<Item = number> {
  shape: number[]
  data: Item[]
}

/** Leaves of theta, or of every particle's. */
type Leaves = GoldenArray[]

/** A file of test/fixtures/golden. */
export function readGolden<File>(name: string): File {
  return JSON.parse(readFileSync(new URL(`../fixtures/golden/${name}`, import.meta.url), 'utf8')) as File
}

/** Rows of an array, and numbers as the f32 that were written in shortest decimal form. */
export function rows<Item>({ shape, data }: GoldenArray<Item>): Item[][] {
  const width = data.length / shape[0]!
  const numbers = data.map((x) => (typeof x === 'number' ? (Math.fround(x) as Item) : x))
  return Array.from({ length: shape[0]! }, (_, i) => numbers.slice(i * width, (i + 1) * width))
}

interface Losses {
  loss_pos: GoldenArray
  loss_neg: GoldenArray
  mask: GoldenArray<boolean>
  is_done: GoldenArray<boolean>
}

/** Of a gradient function. */
export interface Output {
  mean_loss: number | null
  grad: number[]
  acc_out?: GoldenArray
}

/** A truncation of the gradient functions; outputs by name. */
export type Formula = Losses & {
  sigma: number
  eps: GoldenArray
  full_loss_pos: (number | null)[][]
  full_loss_neg: (number | 'inf' | null)[][]
} & Record<`${'pes' | 'tes' | 'full'}_${string}`, Output>

/** A run of an estimator on a task. */
export interface Run {
  estimator: 'pes' | 'tes' | 'full_es'
  sigma: number
  slots: number
  episode_length: number
  initial_inner_step: number[]
  calls: (Losses & { eps: Leaves; mean_loss: number; grad: Leaves; acc_out?: Leaves })[]
}

/** A whole unroll of full ES on a task. */
export interface FullRun {
  loss_type: 'avg' | 'last'
  sigma: number
  drawn_length: number
  steps_per_jit: number
  used_length: number
  eps: Leaves
  loss_pos: GoldenArray
  loss_neg: GoldenArray
  mean_loss: number
  grad: Leaves
}

/** estimators.json. */
export const estimatorsFile = readGolden<{ formulas: Formula[]; end_to_end: (Run | FullRun)[] }>(
  'estimators.json',
)

/** The call of spec_cases.json, which was made by hand. */
export const specFile = readGolden<{
  estimators: {
    inputs: Record<'loss_pos' | 'loss_neg' | 'eps' | 'acc', number[][]> & {
      is_done: boolean[][]
      mask: boolean[][]
      sigma: number
    }
    full_inputs: Record<'loss_pos' | 'loss_neg', (number | null)[][]>
  } & Record<
    `${'pes' | 'tes'}_${string}`,
    { grad: number[]; mean_loss?: number | null; new_acc?: number[][] }
  >
}>('spec_cases.json')

/** Every particle's leaves one after the other. */
export function joined(leaves: Leaves): number[][] {
  const all = leaves.map(rows)
  return all[0]!.map((_, particle) => all.flatMap((leaf) => leaf[particle]!))
}

/** The three consecutive calls of a gradient function. */
export function formulaCalls(name: `${'pes' | 'tes'}_sign_${string}`): GoldenCall[] {
  return estimatorsFile.formulas.map((formula) => {
    const { mean_loss: meanLoss, grad, acc_out } = formula[name]!
    const accumulators = acc_out && { accumulators: rows(acc_out) }
    return {
      ...lossesOf(formula),
      std: formula.sigma,
      eps: rows(formula.eps),
      isCancelling: name === 'tes_sign_None',
      meanLoss,
      grad,
      ...accumulators,
    }
  })
}

/** The calls of a run. */
export function runCalls({ estimator, calls, sigma }: Run): GoldenCall[] {
  return calls.map((call) => ({
    ...lossesOf(call),
    std: sigma,
    eps: joined(call.eps),
    isCancelling: estimator === 'tes',
    meanLoss: call.mean_loss,
    grad: call.grad.flatMap(({ data }) => data),
    ...(call.acc_out && { accumulators: joined(call.acc_out) }),
  }))
}

function lossesOf({ loss_pos, loss_neg, mask, is_done }: Losses) {
  return { pos: rows(loss_pos), neg: rows(loss_neg), mask: rows(mask), isDone: rows(is_done) }
}
