/** The halves of a pair are each other's mirror image. */
import test from 'ava'
import { advancePlan, type PerturbationSummer } from '../../ts/es/estimator.js'
import type { PopulationConfig } from '../../ts/es/population.js'
import { createEstimator } from '../../ts/es/registry.js'
import { adding, type EstimatorInput, ToyEngine, toyConfig } from './toy.js'

const estimators: EstimatorInput[] = [
  { name: 'pes' },
  { name: 'pes', compatBoundary: true },
  { name: 'pes', signDelta: 2 },
  { name: 'truncatedEs' },
  { name: 'truncatedEs', carry: 'pos', signDelta: 2 },
  { name: 'fullEs', clipDelta: 0.1 },
  { name: 'fullEs', clipDelta: 0.1, signDelta: 2 },
  { name: 'nres' },
  { name: 'nres', normalizeLosses: true },
  { name: 'gpes', perturbEvery: 3 },
]
const rules: Partial<PopulationConfig> = {
  resets: 'inline',
  unrollLength: { kind: 'uniform', min: 3, max: 9 },
}

for (const estimatorInput of estimators) {
  test(`swapped halves: ${JSON.stringify(estimatorInput)}`, async (t) => {
    const config = toyConfig({ ...estimatorInput, std: 0.3 }, rules)
    const estimator = createEstimator(config)
    const engine = new ToyEngine(1, { ...adding, loss: Math.cos }, 0.4, estimator.carry)
    const mirrored: PerturbationSummer = {
      sumPerturbations: (std, terms) =>
        engine.sumPerturbations(
          std,
          terms.map((term) => ({ ...term, weight: -term.weight })),
        ),
    }
    let state = estimator.init()
    for (let outerStep = 0; outerStep < 10; outerStep++) {
      const planned = estimator.plan(state, outerStep)
      const result = engine.advance(advancePlan(planned))
      const swapped = { ...result, pos: result.neg, neg: result.pos }
      const as = await estimator.estimate(planned, result, engine)
      const losses = await estimator.estimate(planned, swapped, engine)
      const lossesAndNoise = await estimator.estimate(planned, swapped, mirrored)
      t.not(as.grad[0], 0)
      // To the bit: negation is exact, and so is every rounding of a negated number.
      t.is(losses.grad[0], -as.grad[0]!)
      t.deepEqual(lossesAndNoise, as)
      state = planned.next
    }
  })
}
