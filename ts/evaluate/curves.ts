/** Learning curves of inner problems, and what is read off them: a shorter horizon, the final loss, the mean loss. */

/** The splits an evaluation looks at: rates are chosen on `outerValid`, every figure reported is of `test`. */
export type EvaluationSplit = 'outerValid' | 'test'

/** One run of one optimizer setting on one task. A diverged run is non-finite from its divergence on. */
export interface RunCurve {
  /** Inner steps of the points, ascending from 0. */
  steps: readonly number[]
  outerValid: readonly number[]
  test: readonly number[]
}

/** The points at or before `innerSteps`. No optimizer here reads its horizon, so a prefix is the shorter run itself. */
export function cutCurve(curve: RunCurve, innerSteps: number): RunCurve {
  const end = curve.steps.findIndex((step) => step > innerSteps)
  if (end < 0) return curve
  const { steps, outerValid, test } = curve
  return { steps: steps.slice(0, end), outerValid: outerValid.slice(0, end), test: test.slice(0, end) }
}

/** Loss at the last point. */
export function finalOf(losses: readonly number[]): number {
  return losses.at(-1) ?? Number.NaN
}

/** Mean over training by the trapezoidal rule: the area under the curve divided by the last step. */
export function curveMean(steps: readonly number[], losses: readonly number[]): number {
  const span = finalOf(steps) - steps[0]!
  if (!(span > 0)) return finalOf(losses)
  let area = 0
  for (let i = 1; i < steps.length; i++)
    area += ((losses[i]! + losses[i - 1]!) / 2) * (steps[i]! - steps[i - 1]!)
  return area / span
}

/** Whether the run has a point that is not finite. */
export function isDiverged(curve: RunCurve): boolean {
  return ![...curve.test, ...curve.outerValid].every(Number.isFinite)
}
