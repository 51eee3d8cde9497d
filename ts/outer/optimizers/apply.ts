/**
 * Any optimizer of the package on theta: its parameters are the leaves of theta, its loss the meta-loss.
 *
 * The meta-loss is fed as train loss at every update and as validation loss as often as the optimizer looks at one. Where
 * it is not finite the last finite one stands for it; before there was one, an optimizer that reads the loss does nothing.
 * Frozen leaves are not among the parameters: the optimizer does not know of them.
 *
 * With weights `self`, the optimizer takes theta as it is before every update as its own weights, and keeps its state.
 * @see Metz, Maheswaranathan, Freeman, Poole, Sohl-Dickstein 2020, arXiv:2009.11243, figure 8.
 */
import type { Optimizer } from '../../apply/optimizer.js'
import type { Params } from '../../apply/tensors.js'
import type { CpuName } from '../../config/fields.js'
import { OuterloopError } from '../../errors.js'
import { numElements, type ThetaLeaf } from '../../native.js'
import type { WeightRange } from '../frozenLeaves.js'
import type { AppliedOptimizer } from './appliedOptimizer.js'
import type { OuterOptimizer, OuterOptimizerState, OuterStep, OuterUpdate } from './outerOptimizer.js'

/** What an {@link OuterApply} works on. */
export interface OuterApplyOptions {
  /** Leaves of theta, in flat order. */
  leaves: readonly ThetaLeaf[]
  /** Leaves that must stay. */
  frozen: readonly WeightRange[]
  /** Updates that there will be. */
  numUpdates: number
  /** Factor on the steps, which the optimizer has already; it is told as the learning rate. */
  factor: number
  threads: number | 'auto'
  cpu: CpuName
}

/** Numbers of an optimizer's state. */
interface Progress {
  data: Float32Array
  iteration: number
}

/** The state: the optimizer's own, updates done and the last finite meta-loss. */
export class OuterApply implements OuterOptimizer {
  readonly #applied: AppliedOptimizer
  readonly #options: OuterApplyOptions
  /** Undefined before the first update. */
  #progress: Progress | undefined
  #updates: number
  #loss: number | undefined

  /**
   * @param saved - What {@link OuterApply.state} gave. Default: the state before the first update.
   * @throws {OuterloopError} `CHECKPOINT_INVALID` if it is of another optimizer.
   */
  constructor(applied: AppliedOptimizer, options: OuterApplyOptions, saved?: OuterOptimizerState) {
    this.#applied = applied
    this.#options = options
    const { identity = applied.identity, iteration, updates = 0, loss } = saved?.facts ?? {}
    if (identity !== applied.identity) {
      const message =
        'outer optimizer: expected a state of the optimizer in `outerOptimizer.weights`, got one of another'
      throw new OuterloopError('CHECKPOINT_INVALID', message)
    }
    if (iteration !== undefined) {
      // An optimizer without memory has no array.
      this.#progress = { data: saved?.arrays.data?.slice() ?? new Float32Array(0), iteration }
    }
    this.#updates = updates
    this.#loss = loss
  }

  update(theta: Float32Array, grad: Float32Array, { metaLoss }: OuterStep): OuterUpdate {
    const { factor } = this.#options
    if (Number.isFinite(metaLoss)) this.#loss = metaLoss
    const optimizer = this.#applied.at(theta)
    if (optimizer.needs.loss && this.#loss === undefined) return { lr: factor, updateNorm: 0 }
    const before = theta.slice()
    this.#step(optimizer, theta, grad)
    this.#updates += 1
    const squared = theta.reduce((sum, weight, i) => sum + (weight - before[i]!) ** 2, 0)
    return { lr: factor, updateNorm: Math.sqrt(squared) }
  }

  /** Every step starts anew from the saved numbers: the weights may be others than in the last one. */
  #step(optimizer: Optimizer, theta: Float32Array, grad: Float32Array): void {
    const { numUpdates: numSteps, threads, cpu } = this.#options
    const options = { numSteps, nonFinite: 'zero', cpu, ...(threads !== 'auto' && { threads }) } as const
    using state = optimizer.init(this.#tensors(theta), options)
    if (this.#progress !== undefined) state.load(this.#progress.data, this.#progress.iteration)
    const { validEvery } = optimizer.needs
    const isMeasured = validEvery !== undefined && this.#updates % validEvery === 0
    const loss = this.#loss
    state.update(this.#tensors(grad), {
      ...(loss !== undefined && { loss, ...(isMeasured && { validLoss: loss }) }),
    })
    this.#progress = state.numbers()
  }

  /** The leaves that are not frozen, as views on a flat array. */
  #tensors(flat: Float32Array): Params {
    const { leaves, frozen } = this.#options
    const tensors: [string, Params[string]][] = []
    let end = 0
    for (const leaf of leaves) {
      const start = end
      end += numElements(leaf)
      const isFrozen = frozen.some((range) => range.start <= start && end <= range.end)
      if (!isFrozen) tensors.push([leaf.name, { data: flat.subarray(start, end), shape: leaf.shape }])
    }
    return Object.fromEntries(tensors)
  }

  state(): OuterOptimizerState {
    const { data, iteration } = this.#progress ?? {}
    return {
      arrays: data !== undefined && data.length > 0 ? { data: data.slice() } : {},
      facts: {
        identity: this.#applied.identity,
        updates: this.#updates,
        ...(iteration !== undefined && { iteration }),
        ...(this.#loss !== undefined && { loss: this.#loss }),
      },
    }
  }
}
