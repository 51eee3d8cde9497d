/** Limits at which a run stops before its last outer step. They are no part of its config: the results are the same. */
import { z } from 'zod'
import { integer, positive } from '../config/fields.js'
import { parseWith } from '../config/parse.js'

/** When to stop: after the outer step that reaches a limit. */
export interface RunLimits {
  /** Wall time from the call on, in seconds, > 0. Default: none. One outer step is done however short it is. */
  timeBudgetSeconds?: number | undefined
  /** Inner steps of the whole run over all lanes, as `innerSteps` of its records counts them; ≥ 1. Default: none. */
  maxInnerSteps?: number | undefined
}

/** Why a run stopped before its last outer step: a limit, or `stopSignal`. */
export type StopReason = 'signal' | 'timeBudget' | 'maxInnerSteps'

/** What limits may be. */
export const limitsSchema = z.object({
  timeBudgetSeconds: positive().optional(),
  maxInnerSteps: integer(1).optional(),
})

/** Watches the limits of a run. The time runs from here on. */
export class LimitWatch {
  readonly #limits: RunLimits
  readonly #start = performance.now()
  readonly #stop = new AbortController()
  #reached: StopReason | undefined

  /** @throws {OuterloopError} `INVALID_OPTION` if a limit is none. */
  constructor(limits: RunLimits) {
    this.#limits = parseWith(limitsSchema, limits)
  }

  /** Fires when a limit is reached. */
  get signal(): AbortSignal {
    return this.#stop.signal
  }

  /** The limit that was reached first. */
  get reached(): StopReason | undefined {
    return this.#reached
  }

  /** To be called before the first outer step: a resumed run may have done enough already. */
  checkInnerSteps(innerSteps: number): void {
    if (innerSteps >= (this.#limits.maxInnerSteps ?? Number.POSITIVE_INFINITY)) this.#end('maxInnerSteps')
  }

  /** To be called after every outer step. */
  check(innerSteps: number): void {
    const seconds = (performance.now() - this.#start) / 1000
    if (seconds >= (this.#limits.timeBudgetSeconds ?? Number.POSITIVE_INFINITY)) this.#end('timeBudget')
    this.checkInnerSteps(innerSteps)
  }

  #end(reason: StopReason): void {
    this.#reached ??= reason
    this.#stop.abort()
  }
}
