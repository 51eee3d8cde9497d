/**
 * Optimizers applied to a caller's own parameters: `createOptimizer` or `loadOptimizer`, then `init`, then `update` at every
 * step. Learned and hand-designed ones are used alike.
 */
import { availableParallelism } from 'node:os'
import { types } from 'node:util'
import { z } from 'zod'
import { cpuName, integer } from '../config/fields.js'
import { deepFreeze } from '../config/freeze.js'
import {
  type OptimizerConfig,
  type OptimizerConfigInput,
  optimizerConfigSchema,
} from '../config/optimizerConfig.js'
import { parseWith } from '../config/parse.js'
import { OuterloopError } from '../errors.js'
import { NativeOptimizerHandle, numElements, thetaLayout } from '../native.js'
import { wrongType } from '../nativeErrors.js'
import { type LoadWeightsOptions, loadWeights } from '../weights/weightFile.js'
import { OptimizerState } from './optimizerState.js'
import { decodeState } from './stateFile.js'
import { OrderedParams, type Params } from './tensors.js'
import { warnOfZeroTensors } from './zeroTensors.js'

const initOptionsSchema = z.strictObject({
  numSteps: integer(1).optional(),
  nonFinite: z.enum(['throw', 'skip', 'zero', 'propagate']).default('throw'),
  threads: integer(1, 1024).optional(),
  cpu: cpuName().optional(),
  missingGrads: z.enum(['throw', 'skip']).default('throw'),
})

const restoreOptionsSchema = initOptionsSchema.extend({ allow: z.enum(['hyperparameters']).optional() })

/** Options of {@link Optimizer.init}. */
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
  /**
   * What an update does with a parameter whose gradient is `null` or absent. `throw`, the default: an error. `skip`: such
   * parameters and their state are left alone, to the bit, and the update is that of a model without them: neither norms nor
   * a learned optimizer's statistics over tensors count them, and what is kept once for all (the count of updates, losses)
   * goes on with the others. An update without any gradient changes nothing. Under `accumulate` a missing gradient counts as
   * zero for a parameter of which something other than zeros has been gathered.
   */
  missingGrads?: 'throw' | 'skip'
}

/** Options of {@link Optimizer.restore}. */
export interface RestoreOptions extends InitOptions {
  /**
   * What may differ from the optimizer that saved the state. `hyperparameters`: all options that leave the arrays of the state
   * and their meaning as they are, such as `lr`, betas and the factor of a `schedule`; names, dialects, variants, the
   * windows of `accumulate`, theta and shapes must be the same. Default: nothing.
   */
  allow?: 'hyperparameters'
}

/** An optimizer without state: a rule, its options, and theta if it is a learned one. */
export class Optimizer {
  /**
   * What it wants to be told: the loss at every update, the number of updates, and after how many updates it looks at a
   * validation loss again.
   */
  readonly needs: { readonly loss: boolean; readonly numSteps: boolean; readonly validEvery?: number }
  readonly #config: OptimizerConfig
  readonly #native: NativeOptimizerHandle

  /** @internal Use {@link createOptimizer} or {@link loadOptimizer}. */
  constructor(config: OptimizerConfigInput, theta: Float32Array) {
    this.#config = deepFreeze(structuredClone(parseWith(optimizerConfigSchema, config, 'optimizer')))
    this.#native = new NativeOptimizerHandle(this.#config, theta)
    this.needs = Object.freeze(this.#native.needs())
  }

  /** Its options, all defaults filled in. Frozen. */
  get config(): OptimizerConfig {
    return this.#config
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
    return this.#start(new OrderedParams(params), parseWith(initOptionsSchema, options))
  }

  /**
   * Continues from what {@link OptimizerState.save} gave, on parameters as they were then.
   *
   * @param options - As of `init`; `allow: 'hyperparameters'` continues under other options, for example another `lr`.
   * @throws {OuterloopError} `CHECKPOINT_INVALID` if the bytes are damaged, or of another optimizer, theta or shapes;
   *  otherwise as {@link Optimizer.init}.
   */
  restore(params: Params, saved: Uint8Array, options: RestoreOptions = {}): OptimizerState {
    const ordered = new OrderedParams(params)
    const { allow, numSteps, ...rest } = parseWith(restoreOptionsSchema, options)
    if (types.isProxy(saved) || !types.isUint8Array(saved)) throw wrongType('saved', 'Uint8Array', saved)
    const hyperparameters = allow === 'hyperparameters'
    const state = decodeState(saved, this, ordered.leaves, { hyperparameters })
    const told = numSteps ?? (state.numSteps > 0 ? state.numSteps : undefined)
    const restored = this.#start(ordered, { ...rest, numSteps: told })
    restored.load(state.data, state.iteration)
    return restored
  }

  #start(params: OrderedParams, options: z.output<typeof initOptionsSchema>): OptimizerState {
    const { threads = availableParallelism(), missingGrads, ...rest } = options
    if (this.needs.numSteps && rest.numSteps === undefined) {
      const message = `expected \`numSteps\`, which ${this.config.name} reads, got none`
      throw new OuterloopError('INVALID_OPTION', message)
    }
    const arrays = params.arrays()
    const native = this.#native.init(params.leaves, arrays, { ...rest, threads })
    warnOfZeroTensors(this.config, params.leaves, arrays)
    return new OptimizerState(this, native, params, missingGrads)
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
