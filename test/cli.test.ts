/** The command line as a user meets it: each test starts `outerloop` as a process of its own, one at a time. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { outerloop, releasedCelo, temporaryDirectory } from './program.js'

test.serial('--help names every command and the exit codes', async (t) => {
  const { code, stdout } = await outerloop('--help')
  t.is(code, 0)
  for (const word of ['train', 'eval', 'presets', 'tasks', 'doctor', '--verbose', '130'])
    t.true(stdout.includes(word), word)
})

for (const command of ['train', 'eval', 'presets', 'tasks', 'doctor']) {
  test.serial(`${command} --help exits with 0 and writes only to stdout`, async (t) => {
    const { code, stdout, stderr } = await outerloop(command, '--help')
    t.is(code, 0)
    t.true(stdout.startsWith(`Usage: outerloop ${command}`))
    t.is(stderr, '')
  })
}

test.serial('train --help has the options that other tools rely on', async (t) => {
  const { stdout } = await outerloop('train', '--help')
  for (const flag of [
    '--preset',
    '--config',
    '--seed',
    '--threads',
    '--cpu',
    '--outer-steps',
    '--out',
    '--resume',
  ]) {
    t.true(stdout.includes(flag), flag)
  }
})

const wrong: [what: string, args: string[], stderr: RegExp][] = [
  ['no command', [], /Usage: outerloop/],
  ['an unknown command', ['trian'], /unknown command 'trian'[\s\S]*Did you mean train\?/],
  ['an unknown flag', ['train', '--sed', '3'], /unknown option '--sed'[\s\S]*Did you mean --seed\?/],
  [
    'nothing to evaluate',
    ['eval'],
    /^outerloop: expected a weight file, or `--optimizer` with a hand-designed one\n$/,
  ],
  [
    'a learned optimizer without weights',
    ['eval', '--optimizer', '{"name":"celo2"}'],
    /^outerloop: expected a weight file for `celo2`, which has weights, got `--optimizer` alone\n$/,
  ],
  [
    'an unknown optimizer to evaluate',
    ['eval', '--optimizer', '{"name":"lam"}'],
    /^outerloop: expected `name` to be one of .*got "lam"\n$/,
  ],
  [
    'decay offsets for a hand-designed optimizer',
    ['eval', '--optimizer', '{"name":"lion","lr":0.001}', '--decay-offsets', 'zero'],
    /^outerloop: expected `--decay-offsets` only with a weight file/,
  ],
  ['a wrong seed', ['train', '--seed', 'x'], /^outerloop: expected `seed` to be an integer >= 0, got "x"\n$/],
  [
    'a wrong number of steps',
    ['train', '--outer-steps', '0'],
    /^outerloop: expected `outerSteps` to be an integer from 1/,
  ],
  ['a wrong backend', ['train', '--cpu', 'mmx'], /^outerloop: expected `cpu` to be one of .*got "mmx"/],
  [
    'a backend that does not exist, for doctor',
    ['doctor', '--cpu', 'mmx'],
    /^outerloop: expected `cpu` to be auto, avx512, avx2, neon or portable, got `mmx`\n$/,
  ],
  [
    'an unknown preset',
    ['train', '--preset', 'quik'],
    /^outerloop: expected `preset` to be one of .*got "quik"/,
  ],
  [
    'a config file that is not there',
    ['train', '--config', 'no.json'],
    /^outerloop: expected no\.json to be a readable file/,
  ],
  [
    '--resume with other options',
    ['train', '--resume', 'x', '--seed', '1'],
    /expected --resume with no other option than .*got --seed too/,
  ],
  ['--resume where no run is', ['train', '--resume', 'no-such-dir'], /^outerloop: .*no-such-dir/],
  ['an unknown task', ['tasks', 'show', 'mnist'], /^outerloop: .*got "mnist"/],
  [
    'an unknown family',
    ['tasks', 'sample', '--family', 'conv'],
    /expected `family` to be one of "mlp", "quadratic", got "conv"/,
  ],
  [
    'a theta file that is not there',
    ['eval', 'no.safetensors', '--tasks', '1'],
    /^outerloop: .*no\.safetensors/,
  ],
  [
    'weights that do not tell all of their optimizer',
    ['eval', releasedCelo, '--tasks', '1'],
    /celo\.theta\.state: optimizer: expected `phase` [^\n]*\nThe file does not tell `phase`: 1 or 2/,
  ],
]

for (const [what, args, stderr] of wrong) {
  test.serial(`${what}: exit code 2, one paragraph on stderr, nothing on stdout`, async (t) => {
    const outcome = await outerloop(...args)
    t.is(outcome.code, 2, outcome.stderr)
    t.regex(outcome.stderr, stderr)
    t.false(/^\s+at /m.test(outcome.stderr), 'a stack trace')
    t.is(outcome.stdout, '')
  })
}

test.serial('--verbose adds the stack trace', async (t) => {
  const { code, stderr } = await outerloop('train', '--seed', 'x', '--verbose')
  t.is(code, 2)
  t.regex(stderr, /^outerloop: expected `seed`[\s\S]*^\s+at /m)
})

test.serial('a directory that holds a run is refused, with the two ways out', async (t) => {
  const directory = await temporaryDirectory(t)
  await writeFile(join(directory, 'metrics.jsonl'), '')
  const { code, stderr } = await outerloop('train', '--out', directory)
  t.is(code, 2)
  for (const part of [directory, `--resume ${directory}`, '--out']) t.true(stderr.includes(part), part)
})

test.serial('tasks list prints a line for every task; --json the configs', async (t) => {
  const [plain, json] = await Promise.all([outerloop('tasks', 'list'), outerloop('tasks', 'list', '--json')])
  t.is(plain.code, 0)
  const tasks = JSON.parse(json.stdout) as { name: string; role: string; config: { family: string } }[]
  t.is(plain.stdout.trim().split('\n').length, tasks.length)
  t.true(tasks.filter(({ role }) => role === 'heldOut').length >= 20)
  for (const { name } of tasks) t.true(plain.stdout.includes(name), name)
})

test.serial('tasks show tells the number of parameters: 64·32 + 32 + 32·10 + 10 = 2410', async (t) => {
  const { code, stdout } = await outerloop('tasks', 'show', 'mlp-64-32-10', '--json')
  t.is(code, 0)
  const { numParams, params } = JSON.parse(stdout) as { numParams: number; params: { shape: number[] }[] }
  t.is(numParams, 2410)
  const size = (shape: number[]) => shape.reduce((product, length) => product * length, 1)
  t.is(
    params.reduce((sum, { shape }) => sum + size(shape), 0),
    numParams,
  )
})

test.serial('tasks sample: the same seed draws the same tasks, another seed others', async (t) => {
  const sample = async (seed: string) => {
    const { code, stdout } = await outerloop('tasks', 'sample', '--seed', seed, '--count', '3', '--json')
    t.is(code, 0)
    return JSON.parse(stdout) as unknown[]
  }
  const [first, again, other] = await Promise.all([sample('1'), sample('1'), sample('2')])
  t.is(first.length, 3)
  t.deepEqual(again, first)
  t.notDeepEqual(other, first)
})

test.serial('doctor --json tells the engine’s backend and threads', async (t) => {
  const { code, stdout } = await outerloop('doctor', '--json')
  t.is(code, 0)
  const facts = JSON.parse(stdout) as {
    backend: string
    backends: string[]
    threads: number
    version: string
  }
  t.true(facts.backends.includes(facts.backend))
  const forced = await outerloop('doctor', '--json', '--cpu', 'portable')
  t.like(JSON.parse(forced.stdout), { backend: 'portable', backends: facts.backends })
  t.true(Number.isInteger(facts.threads) && facts.threads >= 1)
  t.regex(facts.version, /^\d+\.\d+\.\d+/)
})
