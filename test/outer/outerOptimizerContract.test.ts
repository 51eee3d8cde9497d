/** What holds of every outer optimizer: it resumes to the bit, leaves frozen weights alone, and hands out copies. */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { initTheta, numElements, thetaLayout } from '../../ts/native.js'
import { frozenLeaves } from '../../ts/outer/frozenLeaves.js'
import { createOuterOptimizer } from '../../ts/outer/optimizers/registry.js'
import { writeThetaFile } from '../../ts/weights/thetaFile.js'
import { configWith, lossAt, stored, updates } from './outerOptimizers.js'

const hierarchical = {
  name: 'hierarchical',
  variant: 'library',
  ...{ hidden: 4, fromMlp: 3, fromLstm: 3, lstmToFf: 3, lstmHidden: 5 },
}
const adafac = configWith({ name: 'adam', lr: 1 }).optimizer
const directory = await mkdtemp(join(tmpdir(), 'outerloop-outer-'))
const weights = join(directory, 'theta.safetensors')
await writeThetaFile(weights, initTheta(adafac, 5, 0), adafac, {})

const cases: [what: string, outerOptimizer: object, over?: object][] = [
  ['adam', { name: 'adam', lr: 0.01 }],
  ['adamw', { name: 'adamw', lr: 0.01, weightDecay: 0.1, warmupOuterSteps: 3, warmup: 'linear' }],
  ['sgd', { name: 'sgd', lr: 0.01 }],
  ['sgd with momentum', { name: 'sgd', lr: 0.01, momentum: 0.9 }],
  ['apply with sgd', { name: 'apply', optimizer: { name: 'sgd', lr: 0.01 } }],
  ['apply with adamw', { name: 'apply', optimizer: { name: 'adamw', lr: 0.01, weightDecay: 0.1 } }],
  ['apply with weights', { name: 'apply', weights, factor: 30 }],
  ['apply with self', { name: 'apply', weights: 'self', factor: 30 }],
  ['apply with self, hierarchical', { name: 'apply', weights: 'self' }, { optimizer: hierarchical }],
  [
    'apply with self, hierarchical as in the paper',
    { name: 'apply', weights: 'self' },
    { optimizer: { ...hierarchical, variant: 'paper' } },
  ],
]

for (const [what, outerOptimizer, over] of cases) {
  const config = configWith(outerOptimizer, { outerSteps: 25, ...over })
  const leaves = thetaLayout(config.optimizer)
  const first = () => initTheta(config.optimizer, 3, 0)
  // The last leaf, and one in the middle.
  const chosen = [leaves[2]!.name, leaves.at(-1)!.name]
  const { ranges } = frozenLeaves(config.optimizer, { leaves: chosen, dead: true })

  // More than ten updates on both sides, so that a validation loss is seen before and after.
  test(`${what}: a run resumed at any step has the bits of one that was not interrupted`, async (t) => {
    const whole = first()
    const uninterrupted = await createOuterOptimizer(config, ranges, whole)
    updates(uninterrupted, whole, [0, 25], ranges)
    for (const stop of [0, 1, 12]) {
      const theta = first()
      const before = await createOuterOptimizer(config, ranges, theta)
      updates(before, theta, [0, stop], ranges)
      const resumed = theta.slice()
      const after = await createOuterOptimizer(config, ranges, resumed, stored(before.state()))
      updates(after, resumed, [stop, 25], ranges)
      t.deepEqual(resumed, whole, `stopped at ${stop}`)
      t.deepEqual(after.state(), uninterrupted.state())
    }
  })

  test(`${what}: frozen weights never move, the others do`, async (t) => {
    const theta = first()
    updates(await createOuterOptimizer(config, ranges, theta), theta, [0, 25], ranges)
    let end = 0
    for (const leaf of leaves) {
      const start = end
      end += numElements(leaf)
      const [now, then] = [theta, first()].map((all) => all.slice(start, end))
      if (chosen.includes(leaf.name)) t.deepEqual(now, then, leaf.name)
      else t.notDeepEqual(now, then, leaf.name)
    }
  })

  test(`${what}: a state is a copy, and an update tells how far it went`, async (t) => {
    const theta = first()
    const optimizer = await createOuterOptimizer(config, [], theta)
    updates(optimizer, theta, [0, 3])
    const state = optimizer.state()
    const taken = structuredClone(state)
    const before = theta.slice()
    const grad = theta.map((_, i) => Math.cos(i))
    const { updateNorm } = optimizer.update(theta, grad, { outerStep: 3, metaLoss: lossAt(3) })
    t.deepEqual(state, taken)
    const moved = Math.hypot(...theta.map((weight, i) => weight - before[i]!))
    t.true(moved > 0)
    // Theta is rounded to f32 after a step: 6e-8 of each weight.
    t.true(Math.abs(updateNorm - moved) < 1e-6 * Math.hypot(...theta), `${updateNorm} ${moved}`)
  })
}
