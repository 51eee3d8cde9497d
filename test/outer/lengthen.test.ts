/** Runs that get more outer steps than they had. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { TrainConfigInput } from '../../ts/config/trainConfig.js'
import { learningRateAt } from '../../ts/outer/optimizers/learningRate.js'
import { readRunConfig } from '../../ts/outer/runDirectory.js'
import { train } from '../../ts/outer/train.js'
import { tinyEvaluation, tinyRun } from '../engine/tiny.js'
import { outerloop, temporaryDirectory } from '../program.js'
import { contentsOf } from './runContents.js'

const constant = { lr: 0.003, schedule: { kind: 'constant' } }

/** Two runs of 7 outer steps: one that had as many from the start, one that had 4. */
async function lengthened(t: ExecutionContext, over: Record<string, unknown>) {
  const place = await temporaryDirectory(t)
  const [whole, out] = [join(place, 'whole'), join(place, 'out')]
  await train(tinyRun({ ...over, outerSteps: 7 }), { out: whole })
  await train(tinyRun({ ...over, outerSteps: 4 }), { out })
  const result = await train({ outerSteps: 7 }, { resume: out })
  return { whole, out, result }
}

for (const [what, over] of Object.entries({
  'Adam, lengths that grow, measured': {
    outerOptimizer: { ...constant, warmupOuterSteps: 2, warmup: 'linear' },
    unrollLength: { kind: 'linear', from: 10, to: 40, overOuterSteps: 6 },
    evaluation: tinyEvaluation,
  },
  'SGD, several workers, gradients averaged': {
    outerOptimizer: { name: 'sgd', lr: 0.01, momentum: 0.9 },
    asynchronous: { workers: 3, maxStaleness: 2 },
    accumulate: 3,
  },
})) {
  test(`without a schedule over outer steps a lengthened run is one that had them from the start: ${what}`, async (t) => {
    const { whole, out, result } = await lengthened(t, over)
    t.true(result.isComplete)
    t.is(result.config.outerSteps, 7)
    t.deepEqual(result.notes.length, 1)
    t.regex(result.notes[0]!, /7 outer steps in all instead of 4.*from the start/)
    const { names, ...contents } = await contentsOf(out)
    const { names: expectedNames, ...expected } = await contentsOf(whole)
    t.deepEqual(contents, expected)
    t.deepEqual(
      names.filter((name) => !name.startsWith('checkpoint')),
      expectedNames.filter((name) => !name.startsWith('checkpoint')),
    )
    // What the directory says of itself is all that a later resume needs.
    t.deepEqual(await readRunConfig(out), await readRunConfig(whole))
    const again = await train(undefined, { resume: out })
    t.deepEqual(again.notes, [])
    t.deepEqual(again.theta, result.theta)
  })
}

test('a cosine spans the new number of outer steps, and the note tells the rates', async (t) => {
  const schedule = { kind: 'cosine', finalFraction: 0 } as const
  const outerOptimizer = { name: 'adam', lr: 0.003, schedule, warmupOuterSteps: 0 }
  const { result } = await lengthened(t, { outerOptimizer })
  const rates = { lr: 0.003, schedule, warmupOuterSteps: 0, warmup: 'zero' } as const
  t.deepEqual(
    result.records.map(({ lr }) => lr),
    [0, 1, 2, 3, 4, 5, 6].map((step) => learningRateAt(rates, step, step < 4 ? 4 : 7)),
  )
  // Half a cosine of 0.003 at 4/7 is 0.003·(1 + cos(4π/7))/2; over four steps it had come to 0.
  t.true(
    result.notes[0]!.includes(
      `${((0.003 * (1 + Math.cos((4 * Math.PI) / 7))) / 2).toPrecision(3)} instead of 0.00`,
    ),
    result.notes[0],
  )
})

test('a run that is stopped after it was lengthened goes on to the same bytes', async (t) => {
  const over = { outerOptimizer: { ...constant, schedule: { kind: 'cosine', finalFraction: 0.1 } } }
  const { out: whole } = await lengthened(t, over)
  const out = join(await temporaryDirectory(t), 'out')
  await train(tinyRun({ ...over, outerSteps: 4 }), { out })
  // Aborted, so that the newest checkpoint is one of before: the config alone tells the number.
  const abort = new AbortController()
  const options = { resume: out, signal: abort.signal, onStep: () => abort.abort() }
  await t.throwsAsync(train({ outerSteps: 7 }, options), { any: true, name: 'AbortError' })
  const { notes } = await train(undefined, { resume: out })
  t.is(notes.length, 1)
  const theta = (directory: string) => readFile(join(directory, 'theta.safetensors'))
  t.deepEqual(await theta(out), await theta(whole))
})

test('a learned outer optimizer is told of the new number', async (t) => {
  const outerOptimizer = { name: 'apply', optimizer: { name: 'adam', lr: 0.003 } }
  const { whole, out, result } = await lengthened(t, { outerOptimizer })
  t.regex(result.notes[0]!, /outer optimizer is told/)
  // Adam does not look at it.
  const theta = (directory: string) => readFile(join(directory, 'theta.safetensors'))
  t.deepEqual(await theta(out), await theta(whole))
})

test('what a resumed run must keep is refused by name, and nothing changes', async (t) => {
  const out = join(await temporaryDirectory(t), 'run')
  const config = tinyRun({ outerSteps: 3 })
  await train(config, { out })
  const before = await contentsOf(out)
  const text = await readFile(join(out, 'config.json'), 'utf8')
  for (const [changes, field] of [
    [{ seed: 12 }, 'seed'],
    [{ optimizer: { name: 'rms_mlp' } }, 'optimizer.name'],
    [{ estimator: { std: 0.02 } }, 'estimator.std'],
    [{ outerSteps: 5, thetaAverage: 0.5 }, 'thetaAverage'],
    [{ evaluation: tinyEvaluation }, 'evaluation'],
    [{ preset: 'broad' }, 'preset'],
    [{ outerSteps: 2 }, 'outerSteps'],
    [{ outerSteps: 0 }, 'outerSteps'],
    [{ outerstep: 5 }, 'outerSteps'],
  ] as [TrainConfigInput, string][]) {
    const message = new RegExp(`\`${field}\``)
    await t.throwsAsync(train(changes, { resume: out }), { code: 'INVALID_OPTION', message }, field)
  }
  t.deepEqual(await contentsOf(out), before)
  t.is(await readFile(join(out, 'config.json'), 'utf8'), text)
  // As it is, and what changes no result.
  const { theta } = await train(config, { resume: out })
  const other = await train({ threads: 1, cpu: 'portable', checkpoint: { keep: 1 } }, { resume: out })
  t.deepEqual(other.theta, theta)
  t.like(await readRunConfig(out), {
    threads: 1,
    cpu: 'portable',
    checkpoint: { everyOuterSteps: 2, keep: 1 },
  })
})

test('the command line lengthens a run and says what schedules do', async (t) => {
  const place = await temporaryDirectory(t)
  const [file, out] = [join(place, 'config.json'), join(place, 'run')]
  await writeFile(file, JSON.stringify(tinyRun({ outerSteps: 2 })))
  t.is((await outerloop('train', '--config', file, '--out', out)).code, 0)
  const { code, stdout, stderr } = await outerloop(
    'train',
    '--resume',
    out,
    '--outer-steps',
    '3',
    '--threads',
    '1',
  )
  t.is(code, 0, stderr)
  t.regex(stderr, /3 outer steps in all instead of 2.*learning rate/s)
  t.true(stdout.includes('Trained for 3 outer steps'), stdout)
  const refused = await outerloop('train', '--resume', out, '--outer-steps', '2')
  t.is(refused.code, 2)
  t.true(refused.stderr.includes('outerSteps'), refused.stderr)
})
