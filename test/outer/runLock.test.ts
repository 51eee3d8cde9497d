/** A directory has one run at a time. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { link, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { OuterloopError } from '../../ts/errors.js'
import { lockRunDirectory } from '../../ts/outer/runDirectory.js'
import { train } from '../../ts/outer/train.js'
import { tinyRun } from '../engine/tiny.js'
import { outerloop, temporaryDirectory } from '../program.js'
import { contentsOf } from './runContents.js'

test('a directory in use is refused, to this process and to others, and nothing in it changes', async (t) => {
  const out = join(await temporaryDirectory(t), 'run')
  await train(tinyRun(), { out })
  const lock = await lockRunDirectory(out, t.fail)
  // What a run that is being written has.
  const temporary = join(out, `.theta.safetensors.${process.pid}.tmp`)
  await writeFile(temporary, 'half')
  const before = await contentsOf(out)
  for (const attempt of [
    () => train(undefined, { resume: out }),
    () => train(tinyRun({ seed: 5 }), { out, force: true }),
  ]) {
    const error = await t.throwsAsync(attempt, { instanceOf: OuterloopError, code: 'IN_USE' })
    t.true(error?.message.includes(out) && error.message.includes(`process ${process.pid}`), error?.message)
  }
  const { code, stderr } = await outerloop('train', '--resume', out)
  t.is(code, 1)
  t.true(stderr.includes(out) && stderr.includes(`process ${process.pid}`), stderr)
  t.deepEqual(await contentsOf(out), before)
  t.is(await readFile(temporary, 'utf8'), 'half')

  lock[Symbol.dispose]()
  await train(undefined, { resume: out })
  t.false(existsSync(temporary))
})

test('a directory is free again after a run and after one that failed', async (t) => {
  const out = join(await temporaryDirectory(t), 'run')
  const failure = new Error('of the caller')
  const onStep = () => {
    throw failure
  }
  t.is(await t.throwsAsync(train(tinyRun(), { out, onStep })), failure)
  await train(undefined, { resume: out })
  const expected = await contentsOf(out)
  await train(undefined, { resume: out })
  t.deepEqual(await contentsOf(out), expected)
})

test('a directory that cannot be locked is told, and the run goes on', async (t) => {
  const out = join(await temporaryDirectory(t), 'run')
  await mkdir(join(out, '.lock'), { recursive: true })
  const notes: string[] = []
  const { isComplete } = await train(tinyRun(), { out, onNote: (note) => notes.push(note) })
  t.true(isComplete)
  t.is(notes.length, 1)
  t.true(notes[0]!.includes(out) && notes[0]!.includes('cannot be locked'), notes[0])
  t.true((await readFile(join(out, 'theta.safetensors'))).length > 0)
})

test('a lock that is a link, a pipe or a file of somebody else is left as it is', async (t) => {
  const place = await temporaryDirectory(t)
  const precious = join(place, 'precious')
  const harms: Record<string, (lock: string) => Promise<void>> = {
    'symbolic link': (lock) => symlink(precious, lock),
    'link to nothing': (lock) => symlink(join(place, 'nothing'), lock),
    'hard link': (lock) => link(precious, lock),
    pipe: async (lock) => void spawnSync('mkfifo', [lock]),
  }
  await writeFile(precious, '12345')
  for (const [what, harm] of Object.entries(harms)) {
    const out = join(place, what)
    await mkdir(out)
    await harm(join(out, '.lock'))
    const { notes } = await train(tinyRun({ outerSteps: 1 }), { out })
    t.is(notes.length, 1, what)
    t.true(notes[0]!.includes('cannot be locked'), notes[0])
    t.is(await readFile(precious, 'utf8'), '12345')
  }
  t.false(existsSync(join(place, 'nothing')))
  // What holds no process number has been written by another program: the lock is as good without one.
  const out = join(place, 'other')
  await mkdir(out)
  await writeFile(join(out, '.lock'), 'of another program')
  using _lock = await lockRunDirectory(out, t.fail)
  t.is(await readFile(join(out, '.lock'), 'utf8'), 'of another program')
  await t.throwsAsync(lockRunDirectory(out, t.fail), { code: 'IN_USE' })
})
