/** What the apply API refuses, and that nothing has changed then. */
import test from 'ava'
import { createOptimizer, Optimizer, OptimizerState, OuterloopError, type Params } from '../../ts/index.js'

const sgd = createOptimizer({ name: 'sgd', lr: 1 })
const tensor = (...numbers: number[]) => ({ data: Float32Array.from(numbers), shape: [numbers.length] })
const throwing = (key: string) =>
  Object.defineProperty({}, key, {
    enumerable: true,
    get() {
      throw new TypeError('a getter of the caller')
    },
  })

const codes = new Set([
  'INVALID_OPTION',
  'DTYPE_MISMATCH',
  'SHAPE_MISMATCH',
  'DATA_INVALID',
  'CHECKPOINT_INVALID',
])

function error(call: () => unknown): OuterloopError {
  try {
    call()
  } catch (thrown) {
    if (thrown instanceof OuterloopError && codes.has(thrown.code)) return thrown
    throw thrown
  }
  throw new Error('expected an error')
}

test('a gradient that is null, absent or no array is told by the name of its parameter', (t) => {
  const w = tensor(1)
  const state = sgd.init({ 'layer/w': w })
  const told = (grad: unknown) => error(() => state.update({ 'layer/w': grad } as never)).message
  t.is(told(null), 'expected `grads.layer/w`, got null')
  t.is(told(undefined), 'expected `grads.layer/w`, got none')
  t.regex(told([1]), /`grads.layer\/w` to be a Float32Array, got (an )?array/i)
  for (const grad of [
    1,
    'x',
    1n,
    Symbol('s'),
    () => 1,
    {},
    { data: null },
    new Float64Array(1),
    new DataView(new ArrayBuffer(4)),
    new Proxy(new Float32Array(1), {}),
  ]) {
    t.regex(told(grad), /`grads.layer\/w` to be a Float32Array/)
  }
  t.regex(told(throwing('data')), /`grads` to be readable/)
  for (const grads of [null, undefined, 3, 'x', [], new Float32Array(1), throwing('layer/w')]) {
    t.regex(error(() => state.update(grads as never)).message, /grads/)
  }
  t.deepEqual(w.data, Float32Array.of(1))
  t.is(state.iteration, 0)
})

test('a parameter that is null or no tensor is told by its name', (t) => {
  const told = (w: unknown) => error(() => sgd.init({ w } as never)).message
  t.is(told(null), 'expected `params.w` to be a tensor with `data` and `shape`, got null')
  const data = new Float32Array(1)
  const wrong: unknown[] = [
    undefined,
    1,
    'x',
    1n,
    {},
    [],
    { data },
    { data: [1], shape: [1] },
    throwing('data'),
    throwing('shape'),
  ]
  for (const shape of [
    null,
    1,
    '1',
    ['1'],
    [1.5],
    [-1],
    [0],
    [Number.NaN],
    [2 ** 32],
    [1n],
    [[1]],
    { length: 1 },
    Array(1e6).fill(1),
  ]) {
    wrong.push({ data, shape })
  }
  for (const w of wrong) {
    const { message } = error(() => sgd.init({ w } as never))
    t.regex(message, /`params.w/)
    t.true(message.length < 500)
  }
  for (const params of [null, undefined, 1, 'x', [], {}, throwing('w')]) {
    t.regex(error(() => sgd.init(params as never)).message, /params/)
  }
})

test('memory that is shared with a thread, has been transferred or is in two places is refused', (t) => {
  const shared = new Float32Array(new SharedArrayBuffer(8))
  t.is(error(() => sgd.init({ w: { data: shared, shape: [2] } })).code, 'DTYPE_MISMATCH')
  const w = tensor(1, 2)
  const state = sgd.init({ w })
  t.is(error(() => state.update({ w: shared })).code, 'DTYPE_MISMATCH')
  const gone = Float32Array.of(1, 2)
  structuredClone(gone.buffer, { transfer: [gone.buffer] })
  t.regex(error(() => state.update({ w: gone })).message, /transferred/)
  t.regex(error(() => sgd.init({ w: { data: gone, shape: [2] } })).message, /transferred/)
  structuredClone(w.data.buffer, { transfer: [w.data.buffer] })
  t.regex(error(() => state.update({ w: new Float32Array(2) })).message, /`params.w.data` .* transferred/)
  const data = new Float32Array(12)
  const twice = { a: { data, shape: [12] }, b: { data, shape: [3, 4] } }
  t.regex(error(() => sgd.init(twice)).message, /share no memory, got `params.a` and `params.b` in one/)
  const views = { a: { data: data.subarray(0, 8), shape: [8] }, b: { data: data.subarray(7), shape: [5] } }
  t.regex(error(() => sgd.init(views)).message, /`params.a` and `params.b` in one/)
  // Neighbours in one buffer are no overlap.
  const halves = { a: { data: data.subarray(0, 6), shape: [6] }, b: { data: data.subarray(6), shape: [6] } }
  const apart = sgd.init(halves)
  t.regex(error(() => apart.update({ a: new Float32Array(6), b: halves.b.data })).message, /`params.b`/)
})

test('an array put in the place of another is the one that is updated', (t) => {
  const w = tensor(1, 2)
  const params = { w }
  const state = sgd.init(params)
  const first = w.data
  w.data = Float32Array.of(5, 6)
  state.update({ w: Float32Array.of(1, 1) })
  t.deepEqual(w.data, Float32Array.of(4, 5))
  t.deepEqual(first, Float32Array.of(1, 2))
  params.w = tensor(9, 9)
  state.update({ w: Float32Array.of(1, 1) })
  t.deepEqual(params.w.data, Float32Array.of(8, 8))
  const grads = { w: Float32Array.of(1, 1) }
  params.w.data = new Float32Array(3)
  t.is(error(() => state.update(grads)).code, 'SHAPE_MISMATCH')
  params.w = { data: new Float32Array(2), shape: [1, 2] }
  t.regex(error(() => state.update(grads)).message, /`params.w.shape` to stay \[2\]/)
  params.w = null as never
  t.regex(error(() => state.update(grads)).message, /`params.w`/)
  t.is(state.iteration, 2)
})

test('options are checked', (t) => {
  const params: Params = { w: tensor(1) }
  const wrong: unknown[] = [null, 1, 'x', [1], { unknown: 1 }, throwing('threads')]
  for (const [key, values] of Object.entries({
    numSteps: [0, -1, 1.5, Number.NaN, '5', null, 2 ** 53],
    threads: [0, 1025, 1.5, '1', null],
    nonFinite: ['no', 1, null],
    missingGrads: ['no', true, null],
    cpu: ['z80', 1, null],
  })) {
    for (const value of values) wrong.push({ [key]: value })
  }
  for (const options of wrong) t.is(error(() => sgd.init(params, options as never)).code, 'INVALID_OPTION')
  const saved = sgd.init(params).save()
  for (const options of [...wrong, { allow: 'all' }]) {
    t.is(error(() => sgd.restore(params, saved, options as never)).code, 'INVALID_OPTION')
  }
  for (const bytes of [null, undefined, 'x', {}, [], new Float32Array(4), new ArrayBuffer(8)]) {
    t.is(error(() => sgd.restore(params, bytes as never)).code, 'DTYPE_MISMATCH')
  }
  const state = sgd.init(params)
  const grads = { w: Float32Array.of(1) }
  const scales = [-1, Number.NaN, Number.POSITIVE_INFINITY, 1e300, '1', null].map((scale) => ({ scale }))
  const losses = [{ loss: '1' }, { loss: null }, { validLoss: 1n }]
  for (const options of [null, 1, 'x', { lr: 1 }, throwing('scale'), ...scales, ...losses]) {
    t.is(error(() => state.update(grads, options as never)).code, 'INVALID_OPTION')
  }
  for (const options of [null, { loss: 1 }, ...scales]) {
    t.is(error(() => state.flush(options as never)).code, 'INVALID_OPTION')
  }
  t.deepEqual(params.w!.data, Float32Array.of(1))
})

test('what callers do not construct says so', (t) => {
  t.is(error(() => new OptimizerState(sgd, {} as never, {} as never, 'throw')).code, 'INVALID_OPTION')
  for (const config of [null, 1, {}, { name: 'sgd' }]) {
    t.is(error(() => new Optimizer(config as never, new Float32Array(0))).code, 'INVALID_OPTION')
  }
})

test('an optimizer does not change with what it was made of', (t) => {
  const options = { name: 'clip_gradients', by: 'element', max: 1, inner: { name: 'sgd', lr: 0.5 } } as const
  const given = structuredClone(options) as {
    name: 'clip_gradients'
    by: 'element'
    max: number
    inner: { name: 'sgd'; lr: number }
  }
  const optimizer = createOptimizer(given)
  given.inner.lr = 7
  t.deepEqual(optimizer.config, options)
  t.throws(() => Object.assign(optimizer.config, { max: 2 }), { instanceOf: TypeError })
  t.throws(() => Object.assign((optimizer.config as typeof given).inner, { lr: 2 }), {
    instanceOf: TypeError,
  })
  t.throws(() => Object.assign(optimizer, { config: given }), { instanceOf: TypeError })
  t.throws(() => Object.assign(optimizer.needs, { loss: true }), { instanceOf: TypeError })
  const theta = Float32Array.of(-1)
  const learned = createOptimizer({ name: 'learnable_sgd' }, theta)
  theta[0] = 5
  learned.theta[0] = 6
  t.deepEqual(learned.theta, Float32Array.of(-1))
})

test('a loss that is read must be finite, unless the policy skips or passes it on', (t) => {
  const length = Number(
    /the (\d+) weights/.exec(error(() => createOptimizer({ name: 'celo_adam' })).message)![1],
  )
  const optimizer = createOptimizer({ name: 'celo_adam' }, new Float32Array(length))
  for (const loss of [Number.NaN, Number.POSITIVE_INFINITY, 1e300]) {
    const run = (nonFinite: 'throw' | 'skip' | 'zero') => {
      const state = optimizer.init({ w: tensor(1, 2) }, { numSteps: 10, nonFinite })
      return state.update({ w: Float32Array.of(1, 1) }, { loss })
    }
    for (const policy of ['throw', 'zero'] as const) {
      const { code, message } = error(() => run(policy))
      t.is(code, 'DATA_INVALID')
      t.is(message, `update: expected \`loss\` to be finite, got ${Number.isNaN(loss) ? 'NaN' : 'inf'}`)
    }
    t.false(run('skip').isApplied)
  }
})
