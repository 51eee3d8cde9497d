/** An optimizer at work on a caller's parameters. */
import { OuterloopError } from '../errors.js'
import { NativeAppliedHandle } from '../native.js'
import { encodeState, type StateNumbers, type StateOwner } from './stateFile.js'
import { type Grads, type OrderedParams, orderedGrads } from './tensors.js'
import {
  type FlushOptions,
  parseFlushOptions,
  parseUpdateOptions,
  type UpdateOptions,
} from './updateOptions.js'

/** What an update did. */
export interface UpdateReport {
  /**
   * Whether parameters and state have changed. False under `nonFinite: 'skip'`, for an update without any gradient, and for a
   * {@link OptimizerState.flush} of nothing.
   */
  isApplied: boolean
  /** Gradient elements that counted as zero, under `nonFinite: 'zero'`. */
  numZeroed: number
  /** Tensors whose gradient was scaled down, because its squares would have left the optimizer's 32-bit state. */
  numHeld: number
}

/** State of an optimizer, in native memory; freed with the object or by {@link OptimizerState.close}. */
export class OptimizerState implements Disposable {
  readonly #optimizer: StateOwner
  readonly #native: NativeAppliedHandle
  readonly #params: OrderedParams
  readonly #missingGrads: 'throw' | 'skip'

  /** @internal Use `Optimizer.init`. */
  constructor(
    optimizer: StateOwner,
    native: NativeAppliedHandle,
    params: OrderedParams,
    missingGrads: 'throw' | 'skip',
  ) {
    if (!NativeAppliedHandle.isHandle(native)) {
      const message =
        'expected `OptimizerState` to be made by `init` or `restore`, got a call of its constructor'
      throw new OuterloopError('INVALID_OPTION', message)
    }
    this.#optimizer = optimizer
    this.#native = native
    this.#params = params
    this.#missingGrads = missingGrads
  }

  /** Updates done; for the library's hierarchical optimizer also validation losses seen. */
  get iteration(): number {
    return this.#native.iteration()
  }

  /**
   * One update of the parameters, in place. It returns when it is done; threads share the work on large tensors. The arrays
   * are those that the tensors given to `init` have now: another array of the same length may have taken one's place.
   *
   * @param grads - Gradients at the parameters as they are now, one for every parameter. They are only read. With
   *  `missingGrads: 'skip'` some may be `null` or absent.
   * @param options - Losses, and `scale` for another step size in this update.
   * @throws {OuterloopError} `INVALID_OPTION` if a gradient or a loss that the optimizer reads is missing, an option is
   *  wrong, a tensor has another shape than at the start, or arrays share memory; `SHAPE_MISMATCH` or `DTYPE_MISMATCH` for a
   *  wrong array; `DATA_INVALID` if a gradient or a loss that is read is not finite (unless `nonFinite` says otherwise);
   *  `CLOSED` after {@link OptimizerState.close}. After an error nothing has changed.
   */
  update(grads: Grads, options?: UpdateOptions): UpdateReport {
    const { loss, validLoss, scale = 1 } = parseUpdateOptions(options)
    const arrays = orderedGrads(grads, this.#params.leaves, this.#missingGrads)
    return this.#native.step(this.#params.arrays(), arrays, [loss, validLoss], scale)
  }

  /**
   * The update that `accumulate` owes for gradients of a window that is not full: with their mean, as if the last call had
   * been the last of the window, which then counts as full ({@link OptimizerState.iteration} goes on from its end). Where
   * nothing has been gathered, as by every optimizer without `accumulate`, nothing changes and `isApplied` is false.
   *
   * @param options - `scale`, as of {@link OptimizerState.update}.
   * @throws {OuterloopError} As {@link OptimizerState.update}.
   */
  flush(options?: FlushOptions): UpdateReport {
    const { scale = 1 } = parseFlushOptions(options)
    return this.#native.flush(this.#params.arrays(), scale, this.#missingGrads === 'skip')
  }

  /** Everything that `Optimizer.restore` needs besides the parameters: bytes of a safetensors file. */
  save(): Uint8Array {
    return encodeState(this.numbers(), this.#optimizer, this.#params.leaves)
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
