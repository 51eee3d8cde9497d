/** The toy x' = x + theta, loss x: its gradients are known in closed form. Theta is one number. */
import type { Estimator, EstimatorState, PerturbationSummer } from '../../ts/es/estimator.js'
import type { PopulationConfig } from '../../ts/es/particles.js'
import { type AdvancePlan, type AdvanceResult, perturbedTheta } from '../../ts/native.js'

const quadratic = {
  family: 'quadratic',
  dims: 1,
  matrix: { kind: 'normal', mean: 0, std: 1 },
  start: { kind: 'normal', mean: 0, std: 1 },
  output: 'identity',
  lossScale: 1,
  noise: null,
  instanceSeed: 0,
} as const

/** Problems of 10 inner steps in truncations of 5. */
export function toyConfig(name: 'pes' | 'truncatedEs', numParticles: number): PopulationConfig {
  const shared = { numParticles, truncationLength: 5, std: 0.1 }
  return {
    seed: 3,
    tasks: { tasks: [{ config: quadratic, weight: 1 }] },
    estimator: name === 'pes' ? { name, ...shared } : { name, ...shared, carry: 'unperturbed' },
    unrollLength: { kind: 'constant', innerSteps: 10 },
  }
}

/** The noise that (particle, perturbation) names. */
export function noise(plan: Pick<AdvancePlan, 'std'>, particle: number, perturbation: number): number {
  return perturbedTheta(new Float32Array(1), 3, particle, perturbation, plan.std)[0]!
}

/** Sums the noise in JS, as the engine does natively. */
export const summer: PerturbationSummer = {
  sumPerturbations: async (std, terms) => {
    let sum = 0
    for (const { particle, first, last, weight } of terms) {
      for (let k = first; k <= last; k++) sum += weight * noise({ std }, particle, k)
    }
    return Float32Array.of(sum)
  },
}

/** Runs `outerSteps` truncations at theta 0 and returns every step's gradient and mean loss. */
export async function runToy(estimator: Estimator, carries: 'both' | 'one', outerSteps: number) {
  let state: EstimatorState = estimator.init()
  const xs = new Map<number, [number, number]>()
  const grads: number[] = []
  for (let outerStep = 0; outerStep < outerSteps; outerStep++) {
    const planned = estimator.plan(state, outerStep)
    const { plan } = planned
    const result: AdvanceResult = {
      pos: new Float64Array(plan.particles.length),
      neg: new Float64Array(plan.particles.length),
      diverged: new Uint8Array(plan.particles.length),
    }
    for (const [i, part] of plan.particles.entries()) {
      const start = part.restart ? ([0, 0] as const) : xs.get(part.particle)!
      const eps = noise(plan, part.particle, part.perturbation)
      const [pos, neg] = [advance(start[0], eps, plan), advance(start[1], -eps, plan)]
      result.pos[i] = pos.loss
      result.neg[i] = neg.loss
      // Unperturbed theta is 0: that state stands still.
      xs.set(part.particle, carries === 'both' ? [pos.x, neg.x] : [start[0], start[1]])
    }
    const estimate = await estimator.estimate(planned, result, summer)
    grads.push(estimate.grad[0]!)
    state = planned.next
  }
  return grads
}

function advance(x: number, theta: number, { truncationLength }: AdvancePlan) {
  let [at, sum] = [x, 0]
  for (let t = 0; t < truncationLength; t++) {
    sum += at
    at += theta
  }
  return { x: at, loss: sum / truncationLength }
}
