/** Another step size without losing state: for one update, and at restore. */
import test from 'ava'
import { createOptimizer, type OptimizerConfigInput, type Params } from '../../ts/index.js'

const model = (): Params => ({ w: { data: Float32Array.of(1, -2, 3), shape: [3] } })
const grads = (t: number) => ({ w: Float32Array.of(1 + t, -0.5, 2 - t) })

test('`scale` is a rate for one update, weight decay included, and leaves the state as it is', (t) => {
  const params = model()
  const state = createOptimizer({ name: 'sgd', lr: 0.5 }).init(params)
  state.update({ w: Float32Array.of(1, 1, 1) }, { scale: 0.25 })
  t.deepEqual(params.w!.data, Float32Array.of(0.875, -2.125, 2.875))
  state.update({ w: Float32Array.of(1, 1, 1) }, { scale: 0 })
  t.deepEqual(params.w!.data, Float32Array.of(0.875, -2.125, 2.875))
  t.is(state.iteration, 2)
  // Where all of a step is proportional to lr, decay too, a factor of 2 is twice the lr, to the bit.
  for (const inner of [
    { name: 'adamw', weightDecay: 0.1 },
    { name: 'lion' },
    { name: 'momentum' },
  ] as const) {
    const run = (lr: number, scale: number) => {
      const params = model()
      const state = createOptimizer({ ...inner, lr } as OptimizerConfigInput).init(params)
      for (let i = 0; i < 5; i++) state.update(grads(i), { scale })
      return [params.w!.data, state.numbers().data]
    }
    t.deepEqual(run(0.25, 2), run(0.5, 1), inner.name)
  }
})

test('a restored state goes on under other hyperparameters where that is allowed', (t) => {
  const [slow, fast] = [0.01, 0.02].map((lr) => createOptimizer({ name: 'adam', lr }))
  const params = model()
  const state = slow!.init(params)
  for (let i = 0; i < 3; i++) state.update(grads(i))
  const saved = state.save()
  const message =
    "optimizer state: expected optimizer.lr 0.02, got 0.01 (`allow: 'hyperparameters'` continues with the optimizer's own)"
  t.throws(() => fast!.restore(params, saved), { code: 'CHECKPOINT_INVALID', message })
  const other = { w: { data: params.w!.data.slice(), shape: [3] } }
  const continued = fast!.restore(other, saved, { allow: 'hyperparameters' })
  t.is(continued.iteration, 3)
  t.deepEqual(continued.numbers().data, state.numbers().data)
  // The same state under twice the rate: twice the step.
  state.update(grads(3), { scale: 2 })
  continued.update(grads(3))
  t.deepEqual(other, params)
})

test('what a state means cannot be changed', (t) => {
  const params: Params = { w: { data: new Float32Array(256 * 256), shape: [256, 256] } }
  const cases: [OptimizerConfigInput, OptimizerConfigInput, RegExp | undefined][] = [
    [{ name: 'adam', lr: 1 }, { name: 'radam', lr: 1 }, /expected optimizer.name "radam", got "adam"/],
    [
      { name: 'accumulate', steps: 2, inner: { name: 'sgd', lr: 1 } },
      { name: 'accumulate', steps: 3, inner: { name: 'sgd', lr: 1 } },
      /expected optimizer.steps 3, got 2/,
    ],
    [
      { name: 'muon', dialect: 'celo2', lr: 1 },
      { name: 'muon', dialect: 'optax', lr: 1 },
      /optimizer.dialect/,
    ],
    // An array more.
    [
      { name: 'adafactor', lr: 1 },
      { name: 'adafactor', lr: 1, momentum: 0.9 },
      /optimizer.momentum 0.9, got null/,
    ],
    [
      { name: 'schedule', factor: { kind: 'constant', value: 1 }, inner: { name: 'adam', lr: 1 } },
      {
        name: 'schedule',
        factor: { kind: 'cosine', totalSteps: 9 },
        inner: { name: 'adam', lr: 2, beta2: 0.9 },
      },
      undefined,
    ],
    [
      { name: 'weight_decay', weightDecay: 0.1, inner: { name: 'sgd', lr: 1 } },
      { name: 'weight_decay', weightDecay: 0.2, pattern: 'w', kind: 'l2', inner: { name: 'sgd', lr: 1 } },
      undefined,
    ],
  ]
  for (const [before, after, refusal] of cases) {
    const saved = createOptimizer(before).init(params).save()
    const restore = () => createOptimizer(after).restore(params, saved, { allow: 'hyperparameters' })
    if (refusal === undefined) t.notThrows(restore)
    else t.throws(restore, { code: 'CHECKPOINT_INVALID', message: refusal })
  }
  const [a, b] = [0, 1].map((x) => createOptimizer({ name: 'learnable_sgd' }, Float32Array.of(x)))
  const saved = a!.init(params).save()
  t.throws(() => b!.restore(params, saved, { allow: 'hyperparameters' }), { message: /expected theta/ })
})
