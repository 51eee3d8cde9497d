/** The contract of outer optimizers: what moves theta by the meta-gradient. */

/** What an outer optimizer is told besides the gradient. */
export interface OuterStep {
  /** Outer steps done before. */
  outerStep: number
  /** Mean meta-loss of the step. NaN if there was none. */
  metaLoss: number
}

/** What an update did. */
export interface OuterUpdate {
  /** Learning rate; of an optimizer without one, the factor on its steps. */
  lr: number
  /** Norm of the change of theta. */
  updateNorm: number
}

/** All that an outer optimizer remembers. */
export interface OuterOptimizerState {
  /** Arrays by name. */
  arrays: Record<string, Float32Array>
  /** Plain JSON. */
  facts: Record<string, number>
}

/** Moves theta. */
export interface OuterOptimizer {
  /** One update of `theta` in place. Frozen weights have a gradient of zero, and stay (see AdamW's `decayFrozen`). */
  update(theta: Float32Array, grad: Float32Array, step: OuterStep): OuterUpdate
  /** The state, copied. */
  state(): OuterOptimizerState
}
