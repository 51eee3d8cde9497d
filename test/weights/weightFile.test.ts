/** Weight files of every format through the public functions. The formats themselves are tested in the core. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { type OptimizerConfigInput, optimizerConfigSchema } from '../../ts/config/optimizerConfig.js'
import { parseWith } from '../../ts/config/parse.js'
import { encodeTensors, initTheta, type TensorBytes, thetaLayout } from '../../ts/native.js'
import { loadTheta } from '../../ts/weights/thetaFile.js'
import { loadWeights, saveWeights } from '../../ts/weights/weightFile.js'
import { inspectWeights } from '../../ts/weights/weightInspection.js'

const released = fileURLToPath(new URL('../fixtures/weights/celo/', import.meta.url))

async function temporaryDirectory(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'outerloop-weights-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return directory
}

function trained(input: OptimizerConfigInput) {
  const optimizer = parseWith(optimizerConfigSchema, input)
  // Zeros are replaced, or a transposed bias would go unnoticed.
  const theta = initTheta(optimizer, 3, 0).map((x, i) => (x === 0 ? i / 1024 : x))
  return { theta, optimizer }
}

const inputs: OptimizerConfigInput[] = [
  { name: 'mlp_lopt', hidden: 7 },
  { name: 'adafac_mlp', hidden: 5 },
  { name: 'celo2', orthogonalize: false },
  { name: 'celo2', hidden: 6 },
  { name: 'hierarchical', variant: 'library' },
  { name: 'hierarchical', variant: 'paper', hidden: 8, oldParams: 'exact' },
]

for (const input of inputs) {
  test(`${JSON.stringify(input)}: what is saved is loaded, in every format`, async (t) => {
    const directory = await temporaryDirectory(t)
    const { theta, optimizer } = trained(input)
    const [own, flax] = [join(directory, 'x.safetensors'), join(directory, 'theta.state')]
    await saveWeights(own, { theta, optimizer })
    await saveWeights(flax, { theta, optimizer }, { format: 'flax' })
    t.deepEqual(await loadWeights(own), { ...(await loadTheta(own)), theta, optimizer, notes: [] })
    // Sizes come from the leaves, the rest from the caller.
    const { hidden: _hidden, ...rest } = optimizer as Record<string, unknown>
    t.deepEqual(await loadWeights(flax, { optimizer: rest }), { theta, optimizer, metadata: {}, notes: [] })
    if (optimizer.name !== 'adafac_mlp' && optimizer.name !== 'celo2') {
      const error = await t.throwsAsync(saveWeights(directory, { theta, optimizer }, { format: 'pylo' }))
      t.like(error, { code: 'INVALID_OPTION' })
      return
    }
    const pylo = join(directory, 'pylo')
    const { notes } = await saveWeights(pylo, { theta, optimizer }, { format: 'pylo' })
    t.regex(notes.join(), /In PyLO: (AdafacLO|CELO2)_naive\(params, /)
    const decays = {
      adafactor: [theta[0]!, theta[1]!, theta[2]!],
      momentum: [theta[3]!, theta[4]!, theta[5]!],
      rms: [theta.at(-1)!],
    } satisfies Record<string, number[]>
    const options = optimizer.name === 'adafac_mlp' ? { decayOffsets: decays as never } : {}
    t.deepEqual((await loadWeights(pylo, { optimizer: rest, ...options })).theta, theta)
  })
}

test('what the caller says comes before what the file says', async (t) => {
  const path = join(await temporaryDirectory(t), 'x.safetensors')
  const { theta, optimizer } = trained({ name: 'mlp_lopt' })
  await saveWeights(path, { theta, optimizer, metadata: { config: '{}', outerSteps: '4', other: 'x' } })
  const loaded = await loadWeights(path, { optimizer: { stepMult: 0.25 } })
  t.like(loaded.optimizer, { ...optimizer, stepMult: 0.25 })
  t.like(loaded.metadata, { config: '{}', outerSteps: '4' })
  t.is(loaded.metadata.other, undefined)
  await t.throwsAsync(loadWeights(path, { optimizer: { hidden: 31 } }), { code: 'CHECKPOINT_INVALID' })
})

test('equal input gives equal bytes', async (t) => {
  const directory = await temporaryDirectory(t)
  const subject = trained({ name: 'celo2' })
  for (const format of ['safetensors', 'flax', 'pylo'] as const) {
    const read = async (name: string) => {
      await saveWeights(join(directory, name), subject, { format })
      return readFile(join(directory, name, format === 'pylo' ? 'model.safetensors' : ''))
    }
    t.deepEqual(await read(`${format}-1`), await read(`${format}-2`))
  }
})

test('released weights are inspected: sizes, checksums, dead leaves', async (t) => {
  const celo = await inspectWeights(join(released, 'celo.theta.state'))
  t.like(celo, { format: 'flax', isInferred: true, numWeights: 37_089 })
  t.like(celo.optimizer, { name: 'celo', lstmHidden: 64 })
  t.is(celo.leaves.length, 33)
  t.deepEqual(
    celo.leaves.filter(({ isDead }) => isDead).map(({ name }) => name),
    ['linear/b', 'linear/w', 'rnn_to_controls/b', 'rnn_to_controls/w'].map((name) => `rnn_params/${name}`),
  )
  // Published: the dead layer drifted to ±1.08.
  const { min, max } = celo.leaves.find(({ name }) => name === 'rnn_params/linear/w')!
  t.is(Math.max(-min, max).toFixed(2), '1.08')
  t.regex(celo.sha256[0]!.sha256, /^[0-9a-f]{64}$/)
  const celoAdam = await inspectWeights(join(released, 'celo_adam.theta.state'))
  t.like(celoAdam, { numWeights: 36_865 })
  t.like(celoAdam.optimizer, { name: 'celo_adam' })
})

test('released weights of an optimizer that is known load, and are written as they were', async (t) => {
  const directory = await temporaryDirectory(t)
  for (const [name, given] of [
    ['celo', { phase: 2 }],
    ['celo_adam', {}],
  ] as const) {
    const from = join(released, `${name}.theta.state`)
    const subject = await loadWeights(from, { optimizer: given }).catch((error: Error) => error)
    if (subject instanceof Error) {
      t.regex(subject.message, /expected `name` to be one of/)
      t.log(`${name}: skipped, there is no such optimizer`)
      continue
    }
    await saveWeights(join(directory, name), subject, { format: 'flax' })
    t.deepEqual(await readFile(join(directory, name)), await readFile(from))
  }
  t.pass()
})

test('statistics are those of the weights', async (t) => {
  const path = join(await temporaryDirectory(t), 'x.safetensors')
  const { optimizer } = trained({ name: 'adafac_mlp' })
  const theta = new Float32Array(197)
  // The first leaf, in closed form: √((9 + 16 + 0) / 3).
  theta.set([-3, 4, 0])
  await saveWeights(path, { theta, optimizer })
  const { leaves, optimizer: told, isInferred } = await inspectWeights(path)
  t.deepEqual(leaves[0], {
    name: 'adafactor_decays',
    shape: [3],
    min: -3,
    max: 4,
    rms: Math.sqrt(25 / 3),
    isDead: false,
  })
  t.deepEqual(told, { ...optimizer })
  t.false(isInferred)
})

test('what cannot be loaded is refused with a code', async (t) => {
  const directory = await temporaryDirectory(t)
  const at = (name: string) => join(directory, name)
  const { theta, optimizer } = trained({ name: 'adafac_mlp' })
  await saveWeights(at('theta.state'), { theta, optimizer }, { format: 'flax' })
  await saveWeights(at('pylo'), { theta, optimizer }, { format: 'pylo' })
  await saveWeights(at('own'), { theta, optimizer })
  const [flax, own] = [await readFile(at('theta.state')), await readFile(at('own'))]
  await writeFile(at('cut'), flax.subarray(0, -1))
  await writeFile(at('longer'), Buffer.concat([flax, flax]))
  await writeFile(at('text'), 'no weights')
  await writeFile(at('empty'), '')
  const damaged = Buffer.from(own)
  damaged[own.length - 1]! ^= 1
  await writeFile(at('damaged'), damaged)
  await mkdir(at('directory'))
  await mkdir(at('half/mlp'), { recursive: true })
  for (const name of ['cut', 'longer', 'text', 'empty', 'damaged', 'directory', 'half', 'none']) {
    const error = await t.throwsAsync(loadWeights(at(name)), { code: 'CHECKPOINT_INVALID' }, name)
    t.true(error.message.includes(at(name)), error.message)
  }
  const wrong: [string, object][] = [
    ['pylo', {}],
    ['pylo', { decayOffsets: 'none' }],
    ['theta.state', { decayOffsets: 'zero' }],
    ['theta.state', { optimizer: { stepMult: -1 } }],
    ['theta.state', { optimiser: {} }],
    ['theta.state', { optimizer: { name: 'nothing' } }],
  ]
  for (const [name, options] of wrong) {
    await t.throwsAsync(loadWeights(at(name), options), { code: 'INVALID_OPTION' }, JSON.stringify(options))
  }
  const other = loadWeights(at('theta.state'), { optimizer: { name: 'mlp_lopt' } })
  const { message } = await t.throwsAsync(other, { code: 'CHECKPOINT_INVALID' })
  t.regex(message, /missing: `mlp\/~\/linear_0\/b` \[32\].*unexpected: `adafactor_decays` \[3\]/)
  theta[5] = Number.NaN
  for (const format of ['safetensors', 'flax', 'pylo'] as const) {
    await t.throwsAsync(saveWeights(at('nan'), { theta, optimizer }, { format }), {
      code: 'CHECKPOINT_INVALID',
    })
  }
})

test('offsets of decays: zero, and those of muLO as published', async (t) => {
  const directory = await temporaryDirectory(t)
  const { theta, optimizer } = trained({ name: 'adafac_mlp', hidden: 32 })
  await saveWeights(directory, { theta, optimizer }, { format: 'pylo' })
  const load = async (decayOffsets: 'zero' | 'mulo') => (await loadWeights(directory, { decayOffsets })).theta
  const published = [0.18621896, -0.10864615, -0.06185547, 0.15216392, 0.14245212, 0.06812963]
  t.deepEqual((await load('mulo')).slice(0, 6), Float32Array.from(published))
  t.deepEqual((await load('zero')).slice(0, 6), new Float32Array(6))
  t.is(thetaLayout(optimizer)[0]!.name, 'adafactor_decays')
})

/** A safetensors file as another program writes it. */
function plainFile(
  tensors: { name: string; shape: number[]; dtype: string; data: Uint8Array }[],
  metadata?: object,
) {
  const header: Record<string, unknown> = metadata === undefined ? {} : { __metadata__: metadata }
  let at = 0
  for (const { name, shape, dtype, data } of tensors) {
    header[name] = { dtype, shape, data_offsets: [at, at + data.length] }
    at += data.length
  }
  const text = JSON.stringify(header)
  const json = Buffer.from(text.padEnd(8 * Math.ceil(text.length / 8)))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))
  return Buffer.concat([length, json, ...tensors.map(({ data }) => data)])
}

const bytesOf = (array: Float32Array | Float64Array | Uint16Array) => new Uint8Array(array.buffer)

/** The leaves of an optimizer, with the bytes that `encode` makes of their numbers. */
function leavesAs(
  dtype: string,
  { theta, optimizer }: ReturnType<typeof trained>,
  encode: (data: Float32Array) => Uint8Array,
) {
  let at = 0
  return thetaLayout(optimizer).map(({ name, shape }) => {
    const start = at
    at += shape.reduce((a, b) => a * b, 1)
    const data = theta.slice(start, at)
    return { name, shape, dtype, data: encode(data) }
  })
}

test('safetensors without a config are read when the optimizer is told, in every dtype', async (t) => {
  const path = join(await temporaryDirectory(t), 'x.safetensors')
  const subject = trained({ name: 'adafac_mlp', hidden: 5 })
  // Eighths up to 16 need 7 bits: BF16 has all of them, and so has F16.
  subject.theta.forEach((_, i) => {
    subject.theta[i] = (i % 127) / 8 - 7
  })
  const { theta, optimizer } = subject
  const told = { optimizer: { name: 'adafac_mlp' } }
  const upper = (data: Float32Array) =>
    bytesOf(Uint16Array.from(new Uint32Array(data.slice().buffer), (bits) => bits >>> 16))
  const half = (x: number) => {
    if (x === 0) return 0
    const exponent = Math.floor(Math.log2(Math.abs(x)))
    const fraction = (Math.abs(x) / 2 ** exponent - 1) * 1024
    return (x < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | fraction
  }
  for (const [dtype, encode] of [
    ['F32', (data: Float32Array) => bytesOf(data)],
    ['F64', (data: Float32Array) => bytesOf(Float64Array.from(data))],
    ['BF16', upper],
    ['F16', (data: Float32Array) => bytesOf(Uint16Array.from(data, half))],
  ] as const) {
    await writeFile(path, plainFile(leavesAs(dtype, subject, encode), { format: 'pt' }))
    const loaded = await loadWeights(path, told)
    t.deepEqual(loaded.theta, theta, dtype)
    t.deepEqual(loaded.optimizer, optimizer, dtype)
    const note = `${thetaLayout(optimizer).length} leaves were converted from ${dtype} to f32, exactly.`
    t.deepEqual(loaded.notes, dtype === 'F32' ? [] : [note])
    const inspection = await inspectWeights(path)
    t.like(inspection, { isInferred: true, notes: loaded.notes })
  }
  // Without its name nothing is taken for granted.
  for (const optimizer of [undefined, { stepMult: 0.1 }]) {
    const { message } = await t.throwsAsync(loadWeights(path, optimizer && { optimizer }), {
      code: 'INVALID_OPTION',
    })
    t.regex(message, /expected `optimizer.name` to be given: .* look like those of adafac_mlp/)
  }
  const other = loadWeights(path, { optimizer: { name: 'mlp_lopt' } })
  await t.throwsAsync(other, { code: 'CHECKPOINT_INVALID', message: /unexpected: `adafactor_decays` \[3\]/ })
})

test('numbers that f32 has not are rounded with a note, or refused', async (t) => {
  const path = join(await temporaryDirectory(t), 'x.safetensors')
  const load = async (x: number, dtype: TensorBytes['dtype'] = 'F64') => {
    const tensors: TensorBytes[] = [{ name: 'log_lr', shape: [], dtype, data: bytesOf(Float64Array.of(x)) }]
    await writeFile(path, plainFile(tensors))
    return loadWeights(path, { optimizer: { name: 'learnable_sgd' } })
  }
  const { theta, notes } = await load(0.1)
  t.deepEqual(theta, Float32Array.of(0.1))
  // f32 of 0.1 is 1.49e-9 above it.
  t.deepEqual(notes, [
    'One leaf was converted from F64 to f32, with a relative error of at most 1.5e-8, in `log_lr` at 0.',
  ])
  t.regex((await load(1e-60)).notes[0]!, /relative error of at most 1\.0e0/)
  for (const x of [1e39, Number.NaN, Number.NEGATIVE_INFINITY]) {
    await t.throwsAsync(load(x), { code: 'CHECKPOINT_INVALID', message: /leaf `log_lr`, got .* at 0/ })
  }
  await t.throwsAsync(load(0, 'I64' as 'U8'), { code: 'CHECKPOINT_INVALID', message: /got I64/ })
})

test('one flat array is theta if it has its length', async (t) => {
  const path = join(await temporaryDirectory(t), 'x.safetensors')
  const { theta, optimizer } = trained({ name: 'celo2' })
  const write = (name: string, data: Float32Array, shape = [data.length]) =>
    writeFile(path, plainFile([{ name, shape, dtype: 'F32', data: bytesOf(data.slice()) }]))
  await write('theta', theta)
  const loaded = await loadWeights(path, { optimizer })
  t.deepEqual(loaded.theta, theta)
  t.regex(loaded.notes.join(), /`theta` was taken for theta/)
  await t.throwsAsync(loadWeights(path, { optimizer: { name: 'celo2', hidden: 6 } }), {
    code: 'CHECKPOINT_INVALID',
  })
  await write('theta', theta.subarray(1))
  await t.throwsAsync(loadWeights(path, { optimizer }), { code: 'CHECKPOINT_INVALID' })
  await write('theta', theta, [1, theta.length])
  await t.throwsAsync(loadWeights(path, { optimizer }), { code: 'CHECKPOINT_INVALID' })
})

test('files of this package are read as such: a checkpoint is no theta', async (t) => {
  const path = join(await temporaryDirectory(t), 'x.safetensors')
  const tensor = { name: 'log_lr', shape: [], dtype: 'F32' as const, data: bytesOf(Float32Array.of(1)) }
  await writeFile(path, encodeTensors([tensor], { format: 'something else' }))
  const load = loadWeights(path, { optimizer: { name: 'learnable_sgd' } })
  await t.throwsAsync(load, { code: 'CHECKPOINT_INVALID', message: /expected format outerloop-theta-1/ })
})

test('a directory that holds something is written into by force alone', async (t) => {
  const directory = await temporaryDirectory(t)
  const subject = trained({ name: 'celo2' })
  const save = (options: object = {}) => saveWeights(directory, subject, { format: 'pylo', ...options })
  await writeFile(join(directory, 'config.json'), 'mine')
  await writeFile(join(directory, 'notes.txt'), 'mine too')
  await t.throwsAsync(save(), { code: 'INVALID_OPTION', message: /empty directory, or `force` .*2 entries/ })
  t.is(await readFile(join(directory, 'config.json'), 'utf8'), 'mine')
  t.deepEqual((await readdir(directory)).sort(), ['config.json', 'notes.txt'])
  await t.throwsAsync(save({ force: 'yes' }), { code: 'INVALID_OPTION' })
  await save({ force: true })
  t.deepEqual((await loadWeights(directory)).theta, subject.theta)
  t.is(await readFile(join(directory, 'notes.txt'), 'utf8'), 'mine too')
  // What could not be read back is refused, force or not; so is a file in the directory's place.
  await mkdir(join(directory, 'mlp'))
  await t.throwsAsync(save({ force: true }), { code: 'INVALID_OPTION', message: /hold no `mlp`/ })
  const file = saveWeights(join(directory, 'notes.txt'), subject, { format: 'pylo', force: true })
  await t.throwsAsync(file, { code: 'INVALID_OPTION', message: /a directory, got the file/ })
})
