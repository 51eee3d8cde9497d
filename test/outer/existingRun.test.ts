/** Calls that fail, and new runs in the place of old ones: what is there stays as it is. */
import { spawnSync } from 'node:child_process'
import { cp, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { train } from '../../ts/outer/train.js'
import type { TrainOptions } from '../../ts/outer/trainOptions.js'
import { tinyRun } from '../engine/tiny.js'
import { outerloop, temporaryDirectory } from '../program.js'
import { contentsOf } from './runContents.js'

const config = tinyRun({ outerSteps: 2 })

/** Every file in a directory, by name, with its bytes. */
async function filesOf(directory: string): Promise<Record<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const read = async (path: string) => [path, await readFile(path, 'base64')] as const
  return Object.fromEntries(await Promise.all(paths.sort().map(read)))
}

async function oldRun(t: ExecutionContext): Promise<string> {
  const out = join(await temporaryDirectory(t), 'run')
  await train(config, { out })
  return out
}

test('a run is not overwritten by another one, whether or not that could begin', async (t) => {
  const out = await oldRun(t)
  const before = await filesOf(out)
  const calls: [unknown, TrainOptions][] = [
    [tinyRun({ seed: 5 }), { out }],
    [tinyRun({ outerSteps: -1 }), { out, force: true }],
    [tinyRun({ start: { theta: join(out, 'none.safetensors') } }), { out, force: true }],
    [
      tinyRun({ datasets: [{ kind: 'csv', name: 'own', path: join(out, 'none.csv') }] }),
      { out, force: true },
    ],
    // It would be read again by a run that is killed before its first checkpoint.
    [tinyRun({ start: { theta: join(out, 'theta.safetensors') } }), { out, force: true }],
    [tinyRun({ seed: 5 }), { out, resume: out }],
    [tinyRun({ seed: 5 }), { out, unknown: 1 } as TrainOptions],
  ]
  for (const [input, options] of calls) {
    await t.throwsAsync(train(input as typeof config, options), { name: 'OuterloopError' })
    t.deepEqual(await filesOf(out), before)
  }
})

test('each file that a run would write keeps it from beginning there', async (t) => {
  const place = await temporaryDirectory(t)
  const names = ['config.json', 'metrics.jsonl', 'theta.safetensors', 'theta-best.safetensors', 'report.html']
  for (const name of [...names, 'checkpoint-00000002.safetensors']) {
    const out = join(place, name)
    await mkdir(out)
    await writeFile(join(out, name), 'of somebody')
    await t.throwsAsync(train(config, { out }), { code: 'INVALID_OPTION', message: new RegExp(name) })
    t.deepEqual(Object.values(await filesOf(out)), [Buffer.from('of somebody').toString('base64')])
  }
  // Other files are no reason.
  const out = join(place, 'other')
  await mkdir(out)
  await writeFile(join(out, 'notes.txt'), 'of somebody')
  t.true((await train(config, { out })).isComplete)
})

test('`force` replaces a run, so that the directory is that of the new one, and keeps what is of others', async (t) => {
  const [out, fresh] = [await oldRun(t), join(await temporaryDirectory(t), 'fresh')]
  await writeFile(join(out, 'notes.txt'), 'of somebody')
  await writeFile(join(out, 'tensorboard', 'events.out.tfevents.1.other'), 'of somebody')
  const other = tinyRun({ seed: 5, outerSteps: 1 })
  await train(other, { out, force: true })
  await train(other, { out: fresh })
  const { names, ...contents } = await contentsOf(out)
  const { names: freshNames, ...expected } = await contentsOf(fresh)
  t.deepEqual(contents, expected)
  t.deepEqual(names, [...freshNames, 'notes.txt'].sort())
  t.is((await readdir(join(out, 'tensorboard'))).length, 2)
})

test('a directory that does not come into being leaves nothing behind', async (t) => {
  const place = await temporaryDirectory(t)
  const theta = join(place, 'none.safetensors')
  await t.throwsAsync(train(tinyRun({ start: { theta } }), { out: join(place, 'a', 'b') }), {
    code: 'CHECKPOINT_INVALID',
  })
  t.deepEqual(await readdir(place), [])
})

test('what is no directory is refused as `out` at once', async (t) => {
  const place = await temporaryDirectory(t)
  const pipe = join(place, 'pipe')
  t.is(spawnSync('mkfifo', [pipe]).status, 0)
  await writeFile(join(place, 'file'), '')
  for (const out of [
    pipe,
    join(place, 'file'),
    join(place, 'file', 'below'),
    '/dev/null',
    '/dev/null/below',
  ]) {
    await t.throwsAsync(train(config, { out }), { code: 'INVALID_OPTION' }, out)
  }
  if (process.platform === 'linux') {
    await t.throwsAsync(train(config, { out: '/proc/below' }), { code: 'WRITE_FAILED' })
    await t.throwsAsync(train(config, { out: '/proc' }), { code: 'WRITE_FAILED' })
  }
  t.deepEqual((await readdir(place)).sort(), ['file', 'pipe'])
  t.true((await stat('/dev/null')).isCharacterDevice())
  // A link to a directory is one.
  await mkdir(join(place, 'real'))
  await symlink(join(place, 'real'), join(place, 'link'))
  t.true((await train(config, { out: join(place, 'link') })).isComplete)
})

test('metrics.jsonl and checkpoints that are no files are no trap for a resume', async (t) => {
  const out = await oldRun(t)
  const other = join(await temporaryDirectory(t), 'run')
  await cp(out, other, { recursive: true })
  await mkdir(join(out, 'checkpoint-00000009.safetensors'))
  const { notes } = await train(undefined, { resume: out })
  t.is(notes.length, 1)
  t.true(notes[0]!.includes('checkpoint-00000009'), notes[0])
  t.is(spawnSync('mkfifo', [join(other, 'pipe')]).status, 0)
  spawnSync('mv', [join(other, 'pipe'), join(other, 'metrics.jsonl')])
  await t.throwsAsync(train(undefined, { resume: other }), { code: 'DATA_INVALID' })
})

test('the command line refuses to write over its own config, and replaces a run with --force', async (t) => {
  const place = await temporaryDirectory(t)
  const file = join(place, 'config.json')
  await writeFile(file, JSON.stringify(config))
  const refused = await outerloop('train', '--config', file, '--out', place)
  t.is(refused.code, 2, refused.stderr)
  t.true(refused.stderr.includes('config.json') && refused.stderr.includes('--force'), refused.stderr)
  t.is(await readFile(file, 'utf8'), JSON.stringify(config))
  const forced = await outerloop('train', '--config', file, '--out', place, '--force')
  t.is(forced.code, 0, forced.stderr)
  t.true((await readdir(place)).includes('theta.safetensors'))
})
