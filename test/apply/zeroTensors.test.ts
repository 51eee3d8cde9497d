/** The warning for tensors of zeros. Alone in its file: it comes once a process. */
import test from 'ava'
import { createOptimizer, initTheta, type OptimizerConfigInput, OuterloopError } from '../../ts/index.js'

function learned(options: OptimizerConfigInput) {
  let length = 0
  try {
    return createOptimizer(options)
  } catch (error) {
    if (!(error instanceof OuterloopError)) throw error
    length = Number(/the (\d+) weights/.exec(error.message)![1])
  }
  const { config } = createOptimizer(options, new Float32Array(length))
  return createOptimizer(options, initTheta(config, 1, 0))
}

test('Celo is said to hardly move tensors that start at zero, once, and does; the others move them', async (t) => {
  const warnings: NodeJS.ErrnoException[] = []
  process.on('warning', (warning) => warnings.push(warning))
  const moved = (options: OptimizerConfigInput) => {
    const params = {
      b: { data: new Float32Array(4), shape: [2, 2] },
      w: { data: Float32Array.of(1, -1, 1, -1), shape: [2, 2] },
    }
    const state = learned(options).init(params, { numSteps: 100 })
    for (let i = 0; i < 100; i++) {
      state.update({ b: params.b.data.map((x) => x - 1), w: new Float32Array(4) }, { loss: 1 })
    }
    return Math.abs(params.b.data[0]!)
  }
  for (const options of [
    { name: 'celo2' },
    { name: 'celo_adam' },
    { name: 'lamb', lr: 0.01 },
    { name: 'lars', lr: 0.1 },
    { name: 'fromage', lr: 0.01, minNorm: 0 },
    { name: 'adafactor', lr: 0.01, multiplyByParameterScale: true },
  ] as const) {
    t.true(moved(options) > 5e-4, options.name)
  }
  await new Promise(setImmediate)
  t.deepEqual(warnings, [])
  const celo = { name: 'celo', phase: 1 } as const
  t.true(moved(celo) < 1e-4)
  t.true(moved({ name: 'clip_gradients', by: 'element', max: 1, inner: celo }) < 1e-4)
  await new Promise(setImmediate)
  t.is(warnings.length, 1)
  t.is(warnings[0]!.code, 'OUTERLOOP_ZERO_TENSOR')
  t.regex(warnings[0]!.message, /`b`, all zeros, will hardly move/)
})
