/** The apply API: any optimizer on a caller's own arrays. Numbers: closed forms, and Adam's first step (±lr). */
import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import {
  createOptimizer,
  initTheta,
  loadOptimizer,
  type OptimizerConfigInput,
  OuterloopError,
  type Params,
  type ParamTensor,
  parseTrainConfig,
  saveTheta,
} from '../../ts/index.js'

function model(): Record<'w' | 'b', ParamTensor> {
  return {
    w: { data: Float32Array.from({ length: 12 }, (_, i) => Math.sin(i + 1)), shape: [4, 3] },
    b: { data: Float32Array.of(0.5, -0.5, 0.25), shape: [3] },
  }
}

/** Gradient of half the sum of squares. */
function gradients(params: Params): Record<string, Float32Array> {
  return Object.fromEntries(Object.entries(params).map(([name, { data }]) => [name, data.slice()]))
}

const hierarchical = { name: 'hierarchical', variant: 'library', lstmHidden: 8 } as const

test("SGD moves the caller's arrays by the closed form", (t) => {
  const params = model()
  const before = gradients(params)
  const state = createOptimizer({ name: 'sgd', lr: 0.25 }).init(params)
  t.deepEqual(state.update(gradients(params)), { isApplied: true, numZeroed: 0, numHeld: 0 })
  for (const [name, { data }] of Object.entries(params)) {
    t.deepEqual(
      data,
      before[name]!.map((x) => 0.75 * x),
      name,
    )
  }
  t.is(state.iteration, 1)
})

test('the first step of Adam is the learning rate in every direction', (t) => {
  const params = model()
  const before = gradients(params)
  createOptimizer({ name: 'adam', lr: 0.01 }).init(params).update(gradients(params))
  for (const [name, { data }] of Object.entries(params)) {
    // m̂/(√v̂ + 1e-8) is 1 up to 1e-8/|g| and rounding.
    for (const [i, x] of data.entries()) {
      t.true(Math.abs(before[name]![i]! - x - 0.01 * Math.sign(before[name]![i]!)) < 1e-6)
    }
  }
})

test('the order in which parameters are given does not matter, nor do threads', (t) => {
  const theta = initTheta(createOptimizer(hierarchical, initZero()).config, 3, 0)
  const run = (order: 'wb' | 'bw', threads: number) => {
    const { w, b } = model()
    const params: Params = order === 'wb' ? { w: w!, b: b! } : { b: b!, w: w! }
    const state = createOptimizer(hierarchical, theta).init(params, { threads })
    for (let i = 0; i < 5; i++) {
      state.update(gradients(params), { loss: 1 / (i + 1), ...(i === 0 && { validLoss: 1.5 }) })
    }
    return [w!.data, b!.data]
  }
  t.deepEqual(run('bw', 1), run('wb', 1))
  t.deepEqual(run('wb', 3), run('wb', 1))
})

function initZero(): Float32Array {
  const message = t.throws(() => createOptimizer(hierarchical)).message
  return new Float32Array(Number(/the (\d+) weights/.exec(message)![1]))
}

const t = {
  throws(call: () => unknown): OuterloopError {
    try {
      call()
    } catch (error) {
      if (error instanceof OuterloopError) return error
    }
    throw new Error('expected an error')
  },
}

for (const config of [{ name: 'adam', lr: 0.01 }, hierarchical] as OptimizerConfigInput[]) {
  test(`${config.name}: a saved state continues bit for bit, and belongs to its optimizer`, (t) => {
    const optimizer =
      config.name === 'adam'
        ? createOptimizer(config)
        : createOptimizer(config, initTheta(createOptimizer(config, initZero()).config, 1, 0))
    const params = model()
    const state = optimizer.init(params, { numSteps: 10 })
    const losses = { loss: 0.5, validLoss: 0.75 }
    for (let i = 0; i < 3; i++) state.update(gradients(params), losses)
    const saved = state.save()
    t.deepEqual(state.save(), saved)
    const copy: Params = Object.fromEntries(
      Object.entries(params).map(([name, p]) => [name, { ...p, data: p.data.slice() }]),
    )
    const other = optimizer.restore(copy, saved)
    t.is(other.iteration, state.iteration)
    for (let i = 0; i < 3; i++) {
      state.update(gradients(params), losses)
      other.update(gradients(copy), losses)
    }
    t.deepEqual(copy, params)
    t.deepEqual(other.save(), state.save())

    const damaged = saved.slice()
    damaged[damaged.length - 1]! ^= 1
    t.throws(() => optimizer.restore(copy, damaged), { code: 'CHECKPOINT_INVALID' })
    t.throws(() => optimizer.restore(copy, saved.subarray(0, 100)), { code: 'CHECKPOINT_INVALID' })
    t.throws(() => optimizer.restore({ w: copy.w! }, saved), {
      code: 'CHECKPOINT_INVALID',
      message: /expected params/,
    })
    t.throws(() => createOptimizer({ name: 'sgd', lr: 1 }).restore(copy, saved), {
      code: 'CHECKPOINT_INVALID',
      message: /expected optimizer/,
    })
  })
}

test('gradients that are not finite follow the policy, and are not written', (t) => {
  for (const nonFinite of ['throw', 'skip', 'zero', 'propagate'] as const) {
    const params = model()
    const before = gradients(params)
    const state = createOptimizer({ name: 'sgd', lr: 0.5 }).init(params, { nonFinite })
    const grads = gradients(params)
    grads.w![4] = Number.NaN
    if (nonFinite === 'throw') {
      const message = 'update: expected finite gradients, got NaN at element 4 of `w`'
      t.throws(() => state.update(grads), { code: 'DATA_INVALID', message })
    } else {
      const report = state.update(grads)
      t.deepEqual(report, {
        isApplied: nonFinite !== 'skip',
        numZeroed: nonFinite === 'zero' ? 1 : 0,
        numHeld: 0,
      })
    }
    const isUnchanged = nonFinite === 'throw' || nonFinite === 'skip'
    t.is(params.b.data[0], isUnchanged ? 0.5 : 0.25)
    t.is(params.w.data[4], nonFinite === 'propagate' ? Number.NaN : before.w![4])
    t.is(grads.w![4], Number.NaN)
  }
})

test('mistakes are named', (t) => {
  const params = model()
  const state = createOptimizer({ name: 'sgd', lr: 1 }).init(params)
  const { w, b } = gradients(params) as { w: Float32Array; b: Float32Array }
  const refused = (grads: unknown, code: string, message: RegExp | string) => {
    t.throws(() => state.update(grads as Record<string, Float32Array>), { code, message })
  }
  refused({ w }, 'INVALID_OPTION', 'expected `grads.b`, got none')
  refused({ w, b, c: b }, 'INVALID_OPTION', 'expected gradients of parameters only, got c')
  refused({ w, b: [1, 2, 3] }, 'DTYPE_MISMATCH', /expected `grads.b` to be a Float32Array/)
  refused({ w, b: w }, 'SHAPE_MISMATCH', 'expected `grads.b` to have 3 numbers (shape [3]), got 12')
  refused({ w: params.w.data, b }, 'INVALID_OPTION', /share no memory/)
  const shared = new Float32Array(12)
  const optimizer = createOptimizer({ name: 'sgd', lr: 1 })
  t.throws(() => optimizer.init({}), { code: 'INVALID_OPTION' })
  t.throws(() => optimizer.init({ a: { data: shared, shape: [3, 5] } }), {
    code: 'SHAPE_MISMATCH',
    message: 'expected `params.a.data` to have 15 numbers (shape [3, 5]), got 12',
  })
  t.throws(() => optimizer.init({ a: { data: shared, shape: [0] } }), { code: 'INVALID_OPTION' })
  t.throws(() => optimizer.init({ a: { data: new Float64Array(2), shape: [2] } } as unknown as Params), {
    code: 'DTYPE_MISMATCH',
  })
  t.throws(() => optimizer.init(params, { numSteps: 0 }), { code: 'INVALID_OPTION', message: /`numSteps`/ })
  t.throws(() => createOptimizer({ name: 'adam' } as OptimizerConfigInput), {
    code: 'INVALID_OPTION',
    message: /expected `lr`/,
  })
  t.throws(() => createOptimizer(hierarchical), {
    code: 'SHAPE_MISMATCH',
    message: /expected `theta` with the/,
  })
  t.throws(() => createOptimizer(hierarchical, new Float32Array(3)), { code: 'SHAPE_MISMATCH' })
  const learned = createOptimizer(hierarchical, initZero()).init(params)
  t.throws(() => learned.update({ w, b }), { code: 'INVALID_OPTION', message: /expected `loss`/ })
  state.close()
  state.close()
  t.throws(() => state.update({ w, b }), { code: 'CLOSED' })
})

test('a trained optimizer comes from its file, with a step multiplier at use', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'outerloop-apply-'))
  try {
    const config = parseTrainConfig({ preset: 'quick' })
    const theta = initTheta(config.optimizer, 4, 0)
    const path = join(dir, 'theta.safetensors')
    await saveTheta(path, { theta, config, outerSteps: 1 })
    const [one, tenth] = [
      await loadOptimizer(path),
      await loadOptimizer(path, { optimizer: { stepMult: 0.0001 } }),
    ]
    t.deepEqual(one.theta, theta)
    const moved = (optimizer: typeof one) => {
      const params = model()
      const before = params.w.data.slice()
      optimizer.init(params).update(gradients(params))
      return params.w.data.map((x, i) => x - before[i]!)
    }
    const [far, near] = [moved(one), moved(tenth)]
    // Ten times the step, up to a rounding of parameters below 1 (6e-8).
    for (const [i, x] of far.entries()) t.true(Math.abs(x - 10 * near[i]!) < 1e-6)
    await t.throwsAsync(loadOptimizer(path, { optimizer: { stepMult: -1 } }), { code: 'INVALID_OPTION' })
    writeFileSync(join(dir, 'none.safetensors'), 'x')
    await t.throwsAsync(loadOptimizer(join(dir, 'none.safetensors')), { code: 'CHECKPOINT_INVALID' })
  } finally {
    await rm(dir, { recursive: true })
  }
})
