/** An optimizer at work on a caller's parameters. */
import { OuterloopError } from '../errors.js'
import type { NativeAppliedHandle, ThetaLeaf } from '../native.js'
import type { Optimizer } from './optimizer.js'
import { encodeState, type StateNumbers } from './stateFile.js'
import { type Grads, orderedGrads } from './tensors.js'

/** Losses at the parameters before an update. */
export interface UpdateLosses {
  /** Loss of the minibatch that the gradients belong to. Required by optimizers with `needs.loss`. */
  loss?: number
  /** Loss of a validation minibatch. Optimizers with `needs.validEvery` use one at every so many updates. */
  validLoss?: number
}

/** What an update did. */
export interface UpdateReport {
  /** Whether parameters and state have changed; false only under `nonFinite: 'skip'`. */
  isApplied: boolean
  /** Gradient elements that counted as zero, under `nonFinite: 'zero'`. */
  numZeroed: number
}

/** State of an optimizer, in native memory; freed with the object or by {@link OptimizerState.close}. */
export class OptimizerState implements Disposable {
  readonly #optimizer: Optimizer
  readonly #native: NativeAppliedHandle
  readonly #leaves: ThetaLeaf[]
  readonly #params: Float32Array[]

  /** @internal Use {@link Optimizer.init}. */
  constructor(
    optimizer: Optimizer,
    native: NativeAppliedHandle,
    leaves: ThetaLeaf[],
    params: Float32Array[],
  ) {
    this.#optimizer = optimizer
    this.#native = native
    this.#leaves = leaves
    this.#params = params
  }

  /** Updates done; for the library's hierarchical optimizer also validation losses seen. */
  get iteration(): number {
    return this.#native.iteration()
  }

  /**
   * One update of the parameters, in place. It returns when it is done; threads share the work on large tensors.
   *
   * @param grads - Gradients at the parameters as they are now, one for every parameter. They are only read.
   * @throws {OuterloopError} `INVALID_OPTION` if a gradient or a loss that the optimizer reads is missing, or arrays share
   *  memory; `SHAPE_MISMATCH` or `DTYPE_MISMATCH` for a wrong array; `DATA_INVALID` if a gradient is not finite (unless
   *  `nonFinite` says otherwise); `CLOSED` after {@link OptimizerState.close}. After an error nothing has changed.
   */
  update(grads: Grads, { loss, validLoss }: UpdateLosses = {}): UpdateReport {
    for (const [name, value] of Object.entries({ loss, validLoss })) {
      if (value !== undefined && typeof value !== 'number') {
        throw new OuterloopError('INVALID_OPTION', `expected \`${name}\` to be a number, got ${typeof value}`)
      }
    }
    return this.#native.step(this.#params, orderedGrads(grads, this.#leaves), loss, validLoss)
  }

  /** Everything that {@link Optimizer.restore} needs besides the parameters: bytes of a safetensors file. */
  save(): Uint8Array {
    return encodeState(this.numbers(), this.#optimizer, this.#leaves)
  }

  /** @internal What changes with every update; {@link OptimizerState.load} takes it over. */
  numbers(): StateNumbers {
    return { data: this.#native.save(), iteration: this.iteration, numSteps: this.#native.numSteps() }
  }

  /** @internal */
  load(data: Float32Array, iteration: number): void {
    this.#native.load(data, iteration, this.#native.numSteps())
  }

  /** Frees the native memory. May be called twice. */
  close(): void {
    this.#native.close()
  }

  /** {@link OptimizerState.close}, for `using`. */
  [Symbol.dispose](): void {
    this.close()
  }
}
