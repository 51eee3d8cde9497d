/** `outerloop weights` as a user meets it: each test starts the program as a process of its own, one at a time. */
import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { optimizerConfigSchema } from '../ts/config/optimizerConfig.js'
import { parseTrainConfig } from '../ts/config/trainConfig.js'
import { initTheta } from '../ts/native.js'
import { loadWeights, saveWeights } from '../ts/weights/weightFile.js'
import { tinyRun } from './engine/tiny.js'
import { outerloop, releasedCelo, temporaryDirectory } from './program.js'

test.serial('--help names both commands; theirs name every flag', async (t) => {
  const help = await outerloop('weights', '--help')
  t.is(help.code, 0)
  for (const word of ['inspect', 'convert']) t.true(help.stdout.includes(word), word)
  const { code, stdout, stderr } = await outerloop('weights', 'convert', '--help')
  t.is(code, 0)
  t.is(stderr, '')
  for (const flag of ['--to', '--optimizer', '--decay-offsets', '--json', 'pylo'])
    t.true(stdout.includes(flag), flag)
})

test.serial('inspect tells released weights of Celo as text and as JSON', async (t) => {
  const { code, stdout } = await outerloop('weights', 'inspect', releasedCelo)
  t.is(code, 0)
  t.regex(stdout, /^format {5}flax\noptimizer {2}\{"name":"celo","lstmHidden":64\}, told by the leaves\n/)
  t.regex(stdout, /phase is not told: 1 or 2/)
  t.regex(stdout, /37089 in 33 leaves/)
  t.regex(stdout, /^rnn_params\/linear\/w +\[18, 64\] .*dead$/m)
  const sha256 = createHash('sha256')
    .update(await readFile(releasedCelo))
    .digest('hex')
  t.true(stdout.includes(sha256))
  const json = JSON.parse((await outerloop('weights', 'inspect', releasedCelo, '--json')).stdout)
  t.like(json, { format: 'flax', numWeights: 37_089, sha256: [{ path: releasedCelo, sha256 }] })
})

test.serial('convert goes round through every format without changing a weight', async (t) => {
  const directory = await temporaryDirectory(t)
  const at = (name: string) => join(directory, name)
  const optimizer = optimizerConfigSchema.parse({ name: 'celo2', weightDecay: 0.1 })
  await saveWeights(at('a.safetensors'), { theta: initTheta(optimizer, 1, 0), optimizer })
  await writeFile(at('optimizer.json'), JSON.stringify({ weightDecay: 0.1 }))
  for (const args of [
    ['a.safetensors', 'theta.state'],
    ['theta.state', 'pylo', '--to', 'pylo', '--optimizer', at('optimizer.json')],
    ['pylo', 'b.safetensors', '--optimizer', '{"weightDecay": 0.1}'],
  ]) {
    const [from = '', to = '', ...rest] = args
    const { code, stdout, stderr } = await outerloop('weights', 'convert', at(from), at(to), ...rest)
    t.is(code, 0, stderr)
    t.regex(stdout, /^Wrote .*: 347 weights of \{"name":"celo2"/)
    if (to === 'pylo') t.regex(stdout, /In PyLO: CELO2_naive\(params, .*weight_decay=0\.1, .*hf_key=/)
  }
  t.deepEqual(await readFile(at('b.safetensors')), await readFile(at('a.safetensors')))
  const again = ['weights', 'convert', at('a.safetensors'), at('pylo'), '--to', 'pylo']
  const refused = await outerloop(...again)
  t.is(refused.code, 2)
  t.regex(refused.stderr, /an empty directory, or `force` to be given/)
  t.is((await outerloop(...again, '--force')).code, 0)
})

test.serial('offsets of decays are asked for and taken', async (t) => {
  const directory = await temporaryDirectory(t)
  const optimizer = optimizerConfigSchema.parse({ name: 'adafac_mlp' })
  await saveWeights(
    join(directory, 'in'),
    { theta: initTheta(optimizer, 1, 0), optimizer },
    { format: 'pylo' },
  )
  const convert = (...rest: string[]) =>
    outerloop('weights', 'convert', join(directory, 'in'), join(directory, 'theta.state'), ...rest)
  const refused = await convert()
  t.is(refused.code, 2)
  t.regex(refused.stderr, /decayOffsets/)
  const json = '{"momentum":[0,0,0],"rms":[0],"adafactor":[0.5,0,0]}'
  for (const value of ['zero', 'mulo', json]) {
    const { code, stderr } = await convert('--decay-offsets', value, '--json')
    t.is(code, 0, stderr)
  }
})

test.serial('eval measures released weights of Celo, as it does what they are converted to', async (t) => {
  const directory = await temporaryDirectory(t)
  const converted = join(directory, 'celo.safetensors')
  const phase = ['--optimizer', '{"phase": 2}']
  t.is((await outerloop('weights', 'convert', releasedCelo, converted, ...phase)).code, 0)
  const size = ['--tasks', '1', '--seeds', '1', '--inner-steps', '25', '--json']
  const cache = ['--cache', join(directory, 'cache')]
  const released = await outerloop('eval', releasedCelo, ...phase, ...size, ...cache)
  t.is(released.code, 0, released.stderr)
  const { optimizer, horizons } = JSON.parse(released.stdout)
  t.like(optimizer, { name: 'celo', phase: 2 })
  t.is(horizons[0].rows[0].id, 'learned')
  const own = await outerloop('eval', converted, ...size, ...cache)
  t.is(own.stdout, released.stdout)
})

test.serial('eval measures a hand-designed optimizer without weights, under its name', async (t) => {
  const directory = await temporaryDirectory(t)
  const size = ['--tasks', '1', '--seeds', '1', '--inner-steps', '25', '--cache', join(directory, 'cache')]
  const adam = ['eval', '--optimizer', '{"name": "adam", "lr": 0.001}', ...size]
  const { code, stdout, stderr } = await outerloop(...adam, '--json')
  t.is(code, 0, stderr)
  const { optimizer, horizons } = JSON.parse(stdout)
  t.like(optimizer, { name: 'adam', lr: 0.001 })
  const [ours, ...pool] = horizons[0].rows
  t.is(ours.label, 'adam')
  // The pool has Adam at this rate too.
  t.deepEqual(ours.normalized, pool.find(({ id }: { id: string }) => id === 'adam-default').normalized)
  const out = join(directory, 'out')
  const table = await outerloop(...adam, '--step-mult', '0.3,1', '--out', out)
  t.is(table.code, 0, table.stderr)
  for (const text of [
    'adam, step × 0.3',
    'adam better',
    'adam − Adam best single',
    'Row "adam" has factor 1',
  ])
    t.true(table.stdout.includes(text), text)
  t.false(table.stdout.includes('learned'))
  t.regex(await readFile(join(out, 'report.html'), 'utf8'), /<title>Evaluation of adam<\/title>/)
})

test.serial('train --start reads a PyLO directory of adafac_mlp with its offsets of decays', async (t) => {
  const directory = await temporaryDirectory(t)
  const at = (name: string) => join(directory, name)
  const optimizer = optimizerConfigSchema.parse({ name: 'adafac_mlp' })
  const trained = { theta: initTheta(optimizer, 5, 0), optimizer }
  const { notes } = await saveWeights(at('pylo'), trained, { format: 'pylo' })
  t.regex(notes.join(), /AdafacLO_naive/)
  await writeFile(at('config.json'), JSON.stringify({ ...tinyRun({ outerSteps: 1 }), optimizer }))
  const train = (out: string, ...rest: string[]) =>
    outerloop('train', '--config', at('config.json'), '--out', at(out), ...rest)
  const refused = await train('a', '--start', at('pylo'))
  t.is(refused.code, 2)
  t.regex(refused.stderr, /expected `decayOffsets` to be "zero", "mulo" or the numbers, got nothing/)
  const alone = await train('b', '--decay-offsets', 'mulo')
  t.is(alone.code, 2)
  t.regex(
    alone.stderr,
    /expected `start\.decayOffsets` to be left out where `start\.theta` is not given, got "mulo"/,
  )
  const { code, stderr } = await train('c', '--start', at('pylo'), '--decay-offsets', 'mulo')
  t.is(code, 0, stderr)
  // A step of the outer optimizer away from what the files and the offsets say.
  const start = (await loadWeights(at('pylo'), { decayOffsets: 'mulo' })).theta
  const theta = (await loadWeights(at('c/theta.safetensors'))).theta
  const distance = Math.max(...theta.map((x, i) => Math.abs(x - start[i]!)))
  t.true(distance > 0 && distance < 0.1, `${distance}`)
})

test.serial('train --start reads theta.state as it does safetensors', async (t) => {
  const directory = await temporaryDirectory(t)
  const at = (name: string) => join(directory, name)
  const config = tinyRun({ outerSteps: 1 })
  const { optimizer } = parseTrainConfig(config)
  const trained = { theta: initTheta(optimizer, 5, 0), optimizer }
  await saveWeights(at('start.safetensors'), trained)
  await saveWeights(at('start.state'), trained, { format: 'flax' })
  await writeFile(at('config.json'), JSON.stringify(config))
  const thetas = []
  for (const start of ['start.safetensors', 'start.state']) {
    const out = at(`run-${start}`)
    const { code, stderr } = await outerloop(
      ...['train', '--config', at('config.json'), '--start', at(start), '--out', out],
    )
    t.is(code, 0, stderr)
    thetas.push((await loadWeights(join(out, 'theta.safetensors'))).theta)
  }
  t.deepEqual(thetas[0], thetas[1])
  t.notDeepEqual(thetas[0], trained.theta)

  const other = await outerloop(
    'train',
    '--config',
    at('config.json'),
    '--start',
    releasedCelo,
    '--out',
    at('other'),
  )
  t.is(other.code, 2, other.stderr)
  t.regex(other.stderr, /celo\.theta\.state: /)
})

const wrong: [what: string, args: string[], stderr: RegExp][] = [
  ['no subcommand', [], /Usage: outerloop weights/],
  [
    'a file that is not there',
    ['inspect', 'no.state'],
    /^outerloop: expected no\.state to be a readable file, got no such file or directory \(ENOENT\)\n$/,
  ],
  [
    'a file that holds no weights',
    ['inspect', fileURLToPath(import.meta.url)],
    /expected safetensors, flax's msgpack or a PyLO directory/,
  ],
  ['a target without a format', ['convert', releasedCelo, 'out'], /expected --to to be given/],
  [
    'an unknown format',
    ['convert', releasedCelo, 'out', '--to', 'npz'],
    /expected `to` to be one of "safetensors", "flax", "pylo", got "npz"/,
  ],
  [
    'an optimizer that is no JSON',
    ['convert', releasedCelo, 'x.state', '--optimizer', '{"name"'],
    /expected `optimizer` to be JSON/,
  ],
  [
    'an optimizer that does not fit',
    ['convert', releasedCelo, 'x.state', '--optimizer', '{"name":"celo2"}'],
    /unexpected: .*of another shape: /,
  ],
]

for (const [what, args, stderr] of wrong) {
  test.serial(`${what}: exit code 2, nothing on stdout`, async (t) => {
    const outcome = await outerloop('weights', ...args)
    t.is(outcome.code, 2, outcome.stderr)
    t.regex(outcome.stderr, stderr)
    t.is(outcome.stdout, '')
  })
}
