/**
 * Optimizers applied to a caller's own parameters: `createOptimizer` or `loadOptimizer`, then `init`, then `update` at every
 * step. Learned and hand-designed ones are used alike.
 */
import { availableParallelism } from 'node:os'
import { z } from 'zod'
import { cpuName, integer } from '../config/fields.js'
import {
  type OptimizerConfig,
  type OptimizerConfigInput,
  optimizerConfigSchema,
} from '../config/optimizerConfig.js'
import { parseWith } from '../config/parse.js'
import { OuterloopError } from '../errors.js'
import { NativeOptimizerHandle, numElements, thetaLayout } from '../native.js'
import { type LoadWeightsOptions, loadWeights } from '../weights/weightFile.js'
import { OptimizerState } from './optimizerState.js'
import { decodeState } from './stateFile.js'
import { orderedParams, type Params } from './tensors.js'

const initOptionsSchema = z.strictObject({
  numSteps: integer(1).optional(),
  nonFinite: z.enum(['throw', 'skip', 'zero', 'propagate']).default('throw'),
  threads: integer(1, 1024).optional(),
  cpu: cpuName().optional(),
})

/** Options of {@link Optimizer.init} and {@link Optimizer.restore}. */
export interface InitOptions {
  /** Updates that there will be. Required by optimizers that read it (`needs.numSteps`), ignored by the others. */
  numSteps?: number
  /**
   * What an update does if a gradient (or a loss that the optimizer reads) is not finite. `throw`, the default: an error,
   * nothing changes. `skip`: nothing changes. `zero`: such elements count as 0. `propagate`: no check, which saves a pass
   * over the gradients.
   */
  nonFinite?: 'throw' | 'skip' | 'zero' | 'propagate'
  /** Threads that share large tensors, 1 to 1,024. Default: as many as the machine has. Results do not depend on it. */
  threads?: number
  /** Instruction set. Default `auto`. Results do not depend on it. */
  cpu?: z.infer<ReturnType<typeof cpuName>>
}

/** An optimizer without state: a rule, its options, and theta if it is a learned one. */
export class Optimizer {
  /** Its options, all defaults filled in. */
  readonly config: OptimizerConfig
  /**
   * What it wants to be told: the loss at every update, the number of updates, and after how many updates it looks at a
   * validation loss again.
   */
  readonly needs: { readonly loss: boolean; readonly numSteps: boolean; readonly validEvery?: number }
  readonly #native: NativeOptimizerHandle

  /** @internal Use {@link createOptimizer} or {@link loadOptimizer}. */
  constructor(config: OptimizerConfig, theta: Float32Array) {
    this.config = config
    this.#native = new NativeOptimizerHandle(config, theta)
    this.needs = this.#native.needs()
  }

  /** A copy of the weights of a learned optimizer; empty for a hand-designed one. */
  get theta(): Float32Array {
    return this.#native.theta()
  }

  /**
   * Starts on parameters. They stay the caller's arrays: every update writes into them.
   *
   * @param params - Named tensors; their order does not matter.
   * @throws {OuterloopError} `INVALID_OPTION`, `DTYPE_MISMATCH` or `SHAPE_MISMATCH` naming the parameter or option.
   */
  init(params: Params, options: InitOptions = {}): OptimizerState {
    const { leaves, arrays } = orderedParams(params)
    const { threads = availableParallelism(), ...rest } = parseWith(initOptionsSchema, options)
    if (this.needs.numSteps && rest.numSteps === undefined) {
      const message = `expected \`numSteps\`, which ${this.config.name} reads, got none`
      throw new OuterloopError('INVALID_OPTION', message)
    }
    return new OptimizerState(this, this.#native.init(leaves, arrays, { ...rest, threads }), leaves, arrays)
  }

  /**
   * Continues from what {@link OptimizerState.save} gave, on parameters as they were then.
   *
   * @throws {OuterloopError} `CHECKPOINT_INVALID` if the bytes are damaged, or of another optimizer, theta or shapes.
   */
  restore(params: Params, saved: Uint8Array, options: InitOptions = {}): OptimizerState {
    const { leaves } = orderedParams(params)
    const { data, iteration, numSteps } = decodeState(saved, this, leaves)
    const told = numSteps > 0 ? { numSteps } : {}
    const state = this.init(params, { ...told, ...options })
    state.load(data, iteration)
    return state
  }
}

/**
 * An optimizer of the given options.
 *
 * @param options - As in a config: `{ name: 'adamw', lr: 1e-3 }`.
 * @param theta - Weights of a learned optimizer, flat in the order of {@link thetaLayout}.
 * @throws {OuterloopError} `INVALID_OPTION` naming the option, `SHAPE_MISMATCH` if theta is missing or of another length.
 * @example
 * const params = { w: { data: Float32Array.of(1, -2), shape: [2] } }
 * const state = createOptimizer({ name: 'sgd', lr: 0.5 }).init(params)
 * state.update({ w: Float32Array.of(1, -2) })
 * console.log(params.w.data) // Float32Array [ 0.5, -1 ]
 */
export function createOptimizer(options: OptimizerConfigInput, theta?: Float32Array): Optimizer {
  const config = parseWith(optimizerConfigSchema, options, 'optimizer')
  if (theta === undefined) {
    const length = thetaLayout(config).reduce((sum, leaf) => sum + numElements(leaf), 0)
    if (length > 0) {
      const message = `expected \`theta\` with the ${length} weights of ${config.name}, got none`
      throw new OuterloopError('SHAPE_MISMATCH', message)
    }
  }
  return new Optimizer(config, theta ?? new Float32Array(0))
}

/**
 * A trained optimizer from a file.
 *
 * @param path - A file of `outerloop train` or {@link saveTheta}, or one of another program: see {@link loadWeights}.
 * @param options - `optimizer`: options to use instead of the file's, for example `{ stepMult: 0.0003 }`, or that the file
 *  does not tell; `decayOffsets`: see {@link LoadWeightsOptions}.
 * @throws {OuterloopError} `CHECKPOINT_INVALID` if the file is damaged or of another format, `INVALID_OPTION` for a wrong
 *  option.
 */
export async function loadOptimizer(path: string, options: LoadWeightsOptions = {}): Promise<Optimizer> {
  const { theta, optimizer } = await loadWeights(path, options)
  return new Optimizer(optimizer, theta)
}
