/** What is told of every outer step. */

/** What one outer step did. */
export interface StepRecord {
  /** Number of the step, from 1. */
  outerStep: number
  /** Mean normalised loss over all lanes of the truncation. NaN (null in JSON) if no pair was finite. */
  metaLoss: number
  /** The same of every task family, if the config has several. */
  familyLosses?: Record<string, number>
  /** Norm of the estimated gradient before clipping. */
  gradientNorm: number
  /** Cosine between this gradient and the last one; 0 at the first step. */
  gradientCosine: number
  /**
   * Power of the signal in the gradient over that of its noise: ‖g‖²/Σ‖gᵢ‖² − 1 with the pairs' contributions gᵢ. About
   * 0 when they are as good as independent noise, at most pairs − 1 when all agree.
   */
  signalToNoise: number
  /** Norm of theta after the step. */
  thetaNorm: number
  /** Norm of the change of theta. */
  updateNorm: number
  /** Learning rate of the outer optimizer. */
  lr: number
  /** Lanes that have diverged. */
  numDiverged: number
  /** Pairs that contributed nothing because a meta-loss was not finite. */
  numNonFinitePairs: number
  /** The same as a share of all pairs. */
  nonFiniteFraction: number
  /** Of an asynchronous run: gradients that were dropped as too old, and outer steps by which the others were older. */
  numStale?: number
  /** See {@link StepRecord.numStale}; mean. */
  staleness?: number
  /** Loss on the tasks of `evaluation`, at steps where it is measured: see `heldOutLoss`. Lower is better. */
  heldOutLoss?: number
  /** Inner steps of the run so far, over all lanes. */
  innerSteps: number
  /** Of this outer step. */
  innerStepsPerSecond: number
  /** Wall time of this outer step, without any evaluation. */
  seconds: number
  /** The same by phase: planning, inner steps, estimating the gradient, the outer optimizer. */
  phases: { plan: number; inner: number; estimate: number; outer: number }
}
