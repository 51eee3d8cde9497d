/** `outerloop train` and `eval` from start to files: small runs, each in a process of its own. */
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type Run, start, temporaryDirectory } from './program.js'

/** Milliseconds of work for an outer step, so that a signal finds the run under way. */
const smallRun = {
  preset: 'quick',
  threads: 1,
  estimator: { numParticles: 4, truncationLength: 20 },
  start: { candidates: 1, innerSteps: 20 },
  checkpoint: { everyOuterSteps: 5 },
}

async function workspace(t: ExecutionContext): Promise<{ directory: string; config: string }> {
  const directory = await temporaryDirectory(t)
  const config = join(directory, 'small.json')
  await writeFile(config, JSON.stringify(smallRun))
  return { directory, config }
}

/** Waits until the run has written so many records, or has ended. */
async function waitForOuterSteps(run: Run, directory: string, count: number): Promise<void> {
  while (run.child.exitCode === null && run.child.signalCode === null) {
    const metrics = await readFile(join(directory, 'metrics.jsonl'), 'utf8').catch(() => '')
    if (metrics.split('\n').length > count) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

test.serial('train writes a complete run, eval measures it and adds to its report', async (t) => {
  const { directory, config } = await workspace(t)
  const out = join(directory, 'run')
  const run = start('train', '--config', config, '--seed', '3', '--outer-steps', '4', '--out', out)
  const { code, stderr } = await run.finished
  t.is(code, 0, stderr)
  t.true(run.stdout().includes(`${out}/theta.safetensors`))

  const names = await readdir(out)
  for (const name of ['theta.safetensors', 'config.json', 'metrics.jsonl', 'report.html'])
    t.true(names.includes(name), name)
  t.true(names.some((name) => /^checkpoint-.*\.safetensors$/.test(name)))
  const written = JSON.parse(await readFile(join(out, 'config.json'), 'utf8')) as {
    seed: number
    outerSteps: number
  }
  t.is(written.seed, 3)
  t.is(written.outerSteps, 4)
  const records = (await readFile(join(out, 'metrics.jsonl'), 'utf8')).trim().split('\n')
  t.is(records.length, 4)

  const theta = join(out, 'theta.safetensors')
  const evaluation = start(
    'eval',
    theta,
    '--tasks',
    '1',
    '--seeds',
    '1',
    '--inner-steps',
    '25',
    '--out',
    out,
    '--json',
  )
  const evaluated = await evaluation.finished
  t.is(evaluated.code, 0, evaluated.stderr)
  const result = JSON.parse(evaluation.stdout()) as { format: string; tasks: unknown[] }
  t.is(result.format, 'outerloop-evaluation-1')
  t.is(result.tasks.length, 1)
  const report = await readFile(join(out, 'report.html'), 'utf8')
  t.true(report.includes('adafac_mlp'))
})

test.serial(
  'SIGINT saves, exits with 130 and says how to resume; the resumed run ends with the same theta',
  async (t) => {
    const { directory, config } = await workspace(t)
    const [whole, parts] = [join(directory, 'whole'), join(directory, 'parts')]
    const options = ['--config', config, '--outer-steps', '200']
    t.is((await start('train', ...options, '--out', whole).finished).code, 0)

    const interrupted = start('train', ...options, '--out', parts)
    await waitForOuterSteps(interrupted, parts, 7)
    interrupted.child.kill('SIGINT')
    const { code, stderr } = await interrupted.finished
    t.is(code, 130, stderr)
    t.true(interrupted.stdout().includes(`outerloop train --resume ${parts}`))

    const resumed = await start('train', '--resume', parts).finished
    t.is(resumed.code, 0, resumed.stderr)
    const thetaOf = (run: string) => readFile(join(run, 'theta.safetensors'))
    t.deepEqual(await thetaOf(parts), await thetaOf(whole))
  },
)

test.serial('a run whose directory is moved away goes on, says so, and saves theta elsewhere', async (t) => {
  const { directory, config } = await workspace(t)
  const [out, whole] = [join(directory, 'run'), join(directory, 'whole')]
  const options = ['--config', config, '--outer-steps', '200']
  t.is((await start('train', ...options, '--out', whole).finished).code, 0)
  const run = start('train', ...options, '--out', out)
  await waitForOuterSteps(run, out, 7)
  await rename(out, join(directory, 'elsewhere'))
  const { code, stderr } = await run.finished
  t.is(code, 1, stderr)
  t.true(stderr.includes(`${out} cannot be written`), stderr)
  const [, rescued] = /Theta is in (\S+) instead/.exec(stderr) ?? []
  t.teardown(() => rm(dirname(rescued!), { recursive: true }))
  t.deepEqual(await readFile(rescued!), await readFile(join(whole, 'theta.safetensors')))
})
