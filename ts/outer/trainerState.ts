/** All that a run is between two outer steps. */

/** What of a state is plain JSON. */
export interface TrainerFacts {
  /** Outer steps done. */
  outerStep: number
  /** Inner steps done, over all lanes. */
  innerSteps: number
  /** Mean train loss of the chosen start. */
  startLoss: number
  /** Lowest loss on the tasks of `evaluation` so far; null before the first. */
  bestLoss: number | null
  /** Outer step of that loss. */
  bestOuterStep: number
  /** State of the gradients' source: estimators and truncations under way. */
  source: unknown
  /** Numbers of the outer optimizer's state. */
  outerOptimizer: Record<string, number>
  /** Gradients waiting for the next update. */
  accumulated: number
  /** Description of the inner problems. */
  unroller: string
}

/** The state of a run: JSON, and arrays by name. */
export interface TrainerState {
  facts: TrainerFacts
  arrays: Record<string, Float32Array>
}

/** The theta that did best on the tasks of `evaluation`. */
export interface BestTheta {
  theta: Float32Array
  /** Its loss there; lower is better. */
  heldOutLoss: number
  /** Outer steps that it has seen. */
  outerStep: number
}

/** The arrays whose names start with `prefix`, without it. */
export function arraysNamed(
  arrays: Record<string, Float32Array>,
  prefix: string,
): Record<string, Float32Array> {
  const own = Object.entries(arrays).filter(([name]) => name.startsWith(prefix))
  return Object.fromEntries(own.map(([name, array]) => [name.slice(prefix.length), array]))
}

/** The arrays with `prefix` before their names. */
export function prefixed(prefix: string, arrays: Record<string, Float32Array>): Record<string, Float32Array> {
  return Object.fromEntries(Object.entries(arrays).map(([name, array]) => [prefix + name, array]))
}
