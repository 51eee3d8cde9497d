/** Options of `outerloop train`: small runs, each in a process of its own. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { parseTrainConfig } from '../ts/config/trainConfig.js'
import { readMetrics } from '../ts/outer/metrics.js'
import { loadTheta } from '../ts/weights/thetaFile.js'
import { tinyEvaluation, tinyRun } from './engine/tiny.js'
import { outerloop, temporaryDirectory } from './program.js'

async function workspace(t: ExecutionContext, over: Record<string, unknown> = {}) {
  const directory = await temporaryDirectory(t)
  const config = join(directory, 'config.json')
  await writeFile(config, JSON.stringify(tinyRun(over)))
  return { directory, config }
}

test('a budget stops with code 0 and a report; the resumed run goes on, and tells held-out losses', async (t) => {
  const { directory, config } = await workspace(t, { outerSteps: 6, evaluation: tinyEvaluation })
  const [out, whole] = [join(directory, 'run'), join(directory, 'whole')]
  t.is((await outerloop('train', '--config', config, '--out', whole)).code, 0)

  // Over at once: one outer step is done all the same.
  const first = await outerloop('train', '--config', config, '--out', out, '--time-budget', '0.001s')
  t.is(first.code, 0, first.stderr)
  t.true(first.stdout.includes('The time budget ended after 1 of 6 outer steps'), first.stdout)
  t.true(first.stdout.includes(`outerloop train --resume ${out}`))
  t.true((await readdir(out)).includes('report.html'))

  const metrics = await readMetrics(join(whole, 'metrics.jsonl'))
  const limit = String(metrics[3]!.innerSteps)
  const second = await outerloop('train', '--resume', out, '--max-inner-steps', limit)
  t.is(second.code, 0, second.stderr)
  t.true(second.stdout.includes('The inner steps were used up after 4 of 6 outer steps'), second.stdout)
  t.true(second.stdout.includes(`held-out ${metrics[3]!.heldOutLoss!.toFixed(3)}`), second.stdout)

  const third = await outerloop('train', '--resume', out, '--time-budget', '1h')
  t.is(third.code, 0, third.stderr)
  t.true(third.stdout.includes(`${out}/theta-best.safetensors`), third.stdout)
  for (const name of ['theta.safetensors', 'theta-best.safetensors']) {
    t.deepEqual(await readFile(join(out, name)), await readFile(join(whole, name)))
  }
})

test('--start begins with the theta of a file', async (t) => {
  const { directory, config } = await workspace(t)
  const [first, second] = [join(directory, 'first'), join(directory, 'second')]
  const steps = ['--config', config, '--outer-steps', '1']
  t.is((await outerloop('train', ...steps, '--out', first)).code, 0)
  const theta = join(first, 'theta.safetensors')
  const { code, stderr } = await outerloop('train', ...steps, '--start', theta, '--out', second)
  t.is(code, 0, stderr)
  const written = parseTrainConfig(JSON.parse(await readFile(join(second, 'config.json'), 'utf8')))
  // The rest of `start` stays as the file has it.
  t.deepEqual(written.start, { candidates: 2, innerSteps: 10, theta })
  // One step of Adam moves no weight by more than the learning rate, here 0.003, up to a rounding of theta to float32 (6e-8
  // of weights about 1). A random theta is not so near.
  const [before, after] = [
    (await loadTheta(theta)).theta,
    (await loadTheta(join(second, 'theta.safetensors'))).theta,
  ]
  t.true(before.every((x, i) => Math.abs(x - after[i]!) <= 0.003 * 1.0001))
  t.notDeepEqual(after, before)
})

test('wrong budgets, and what a resumed run does not take, are refused with code 2', async (t) => {
  const { directory, config } = await workspace(t)
  const out = join(directory, 'run')
  for (const [args, named] of [
    [['--config', config, '--time-budget', '30'], '30m'],
    [['--config', config, '--time-budget', '0s'], '0s'],
    [['--config', config, '--max-inner-steps', 'many'], 'maxInnerSteps'],
    [['--resume', out, '--start', 'theta.safetensors', '--time-budget', '1m'], '--start'],
  ] as [string[], string][]) {
    const outcome = await outerloop('train', ...args, ...(args[0] === '--config' ? ['--out', out] : []))
    t.is(outcome.code, 2, outcome.stderr)
    t.true(outcome.stderr.includes(named), outcome.stderr)
  }
  t.deepEqual(await readdir(directory), ['config.json'])
})
