/** PES with the real engine: its sums against finite differences that the same engine gives without perturbations. */
import test from 'ava'
import { advancePlan } from '../../ts/es/estimator.js'
import { createEstimator } from '../../ts/es/registry.js'
import { type AdvancePlan, perturbedTheta } from '../../ts/native.js'
import { LocalTransport } from '../../ts/transport/local.js'
import { quadratic, toyConfig } from './toy.js'

const NUM_TRUNCATIONS = 3
const STD = 0.01
/** Of the central differences. */
const STEP = 0.01

const config = toyConfig(
  { name: 'pes', numParticles: 3, truncationLength: 4, std: STD },
  {
    tasks: { tasks: [{ config: { ...quadratic, dims: 3 }, weight: 1 }] },
    unrollLength: { kind: 'constant', innerSteps: 12 },
  },
)
/** The logarithm of gradient descent's rate. */
const theta = Math.log(0.01)

function engine(): LocalTransport {
  const optimizer = { name: 'learnable_sgd' } as const
  const metaLoss = { source: 'train', reduce: 'mean' } as const
  return new LocalTransport(
    { optimizer, seed: config.seed, numParticles: 3, threads: 1, carry: 'both', metaLoss },
    [],
  )
}

const submit = (transport: LocalTransport, at: number, plan: AdvancePlan) =>
  transport.submit({ worker: 0, thetaVersion: 0, theta: Float32Array.of(at), plan })

/** Losses `[truncation][particle]` of unperturbed truncations, each at a theta of its own. */
async function losses(plans: AdvancePlan[], thetas: number[]): Promise<Float64Array[]> {
  using transport = engine()
  const all: Float64Array[] = []
  for (const [k, { std, particles }] of plans.entries()) {
    const unperturbed = particles.map(({ particle, segments }) => ({
      particle,
      segments: segments.map(({ perturbation: _, ...segment }) => segment),
    }))
    all.push((await submit(transport, thetas[k]!, { std, particles: unperturbed })).pos)
  }
  return all
}

/** What PES makes of every truncation of a problem. */
async function estimated(): Promise<{ plans: AdvancePlan[]; grads: number[] }> {
  using transport = engine()
  const estimator = createEstimator(config)
  let state = estimator.init()
  const [plans, grads]: [AdvancePlan[], number[]] = [[], []]
  for (let k = 0; k < NUM_TRUNCATIONS; k++) {
    const planned = estimator.plan(state, k)
    const plan = advancePlan(planned)
    const { grad } = await estimator.estimate(planned, await submit(transport, theta, plan), transport)
    plans.push(plan)
    grads.push(grad[0]!)
    state = planned.next
  }
  return { plans, grads }
}

// Half a difference of losses is dL along the perturbations up to terms of the third order, 1e-4 of it, as are the errors of
// the central differences; losses are f32, whose roundings are 1e-5 of differences of 1 %. Cancellation between particles
// and truncations makes these errors larger beside the sum: 2e-4 of the truncations' largest.
test('PES over a whole problem is the finite difference along its perturbations', async (t) => {
  const { plans, grads } = await estimated()
  /** dL_t/dtheta_k, `[k][t][particle]`. */
  const slopes = await Promise.all(
    plans.map(async (_, k) => {
      const moved = (by: number) =>
        losses(
          plans,
          plans.map((_, i) => theta + (i === k ? by : 0)),
        )
      const [up, down] = [await moved(STEP), await moved(-STEP)]
      return up.map((row, at) => row.map((loss, i) => (loss - down[at]![i]!) / (2 * STEP)))
    }),
  )
  const eps = (particle: number, k: number) =>
    perturbedTheta(new Float32Array(1), config.seed, particle, k, STD)[0]!
  const expected = plans.map((_, at) => {
    let sum = 0
    for (const particle of [0, 1, 2]) {
      const known = Array.from({ length: at + 1 }, (_, k) => eps(particle, k))
      const along = known.reduce((all, e, k) => all + slopes[k]![at]![particle]! * e, 0)
      sum += (along / STD ** 2) * known.reduce((a, b) => a + b, 0)
    }
    return sum / 3
  })
  t.log({ grads, expected })
  const largest = Math.max(...expected.map(Math.abs))
  for (const [at, grad] of grads.entries()) t.true(Math.abs(grad - expected[at]!) < 2e-4 * largest)
  const total = (values: number[]) => values.reduce((a, b) => a + b, 0)
  t.true(Math.abs(total(grads) - total(expected)) < 2e-4 * largest)
  // A truncation has no effect on those before it, and one on those after it.
  t.true(slopes[2]![1]!.every((slope) => slope === 0))
  t.true(slopes[0]![2]!.every((slope) => Math.abs(slope) > 0.01))
})
