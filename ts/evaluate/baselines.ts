/**
 * The baseline pool: SGD, momentum and Adam, each at 14 half-decade learning rates from 1e-6 to 3.16
 * (Metz et al. 2020, arXiv:2009.11243, appendix E). Adam at 1e-3 is one of them.
 */
import type { OptimizerConfig } from '../config/optimizerConfig.js'

/** Names the pool's contents. Raise it when a setting changes: cached results of another version are not used. */
export const POOL_VERSION = 1

/** An optimizer whose learning rate is tuned. */
export type BaselineName = 'sgd' | 'momentum' | 'adam'

/** The pool's families, in the order of tables. */
export const baselineNames: readonly BaselineName[] = ['adam', 'momentum', 'sgd']

/** One optimizer setting of the pool. */
export interface BaselineSetting {
  name: BaselineName
  lr: number
  optimizer: OptimizerConfig
}

/** 1e-6, 3.16e-6, 1e-5, …, 1, 3.16. Decimal literals, so that 1e-3 is 1e-3 to the last bit on every machine. */
export const learningRates: readonly number[] = Array.from({ length: 14 }, (_, k) =>
  Number(`${k % 2 === 0 ? '1' : '3.1622776601683795'}e${-6 + Math.floor(k / 2)}`),
)

/** The rate of Adam where nothing is tuned: its authors' default. */
export const DEFAULT_ADAM_RATE = 1e-3

/** All 42 settings, family by family, rates ascending. */
export function baselinePool(): BaselineSetting[] {
  return baselineNames.flatMap((name) =>
    learningRates.map((lr) => ({ name, lr, optimizer: baselineOptimizer(name, lr) })),
  )
}

function baselineOptimizer(name: BaselineName, lr: number): OptimizerConfig {
  switch (name) {
    case 'sgd':
      return { name, lr }
    case 'momentum':
      return { name, lr, momentum: 0.9, nesterov: false }
    case 'adam':
      return { name, lr, beta1: 0.9, beta2: 0.999, eps: 1e-8, epsRoot: 0 }
  }
}
