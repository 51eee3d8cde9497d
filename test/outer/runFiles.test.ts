/** Runs whose directory goes away under them. */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { train } from '../../ts/outer/train.js'
import { UnsavedRunError } from '../../ts/outer/unsavedRunError.js'
import { tinyEvaluation, tinyRun } from '../engine/tiny.js'
import { temporaryDirectory } from '../program.js'
import { contentsOf, timeless } from './runContents.js'

const config = tinyRun({ outerSteps: 9, evaluation: tinyEvaluation })

/** An undisturbed run, and the paths for another. */
async function workspace(t: ExecutionContext) {
  const place = await temporaryDirectory(t)
  const whole = join(place, 'whole')
  const result = await train(config, { out: whole })
  return {
    result,
    expected: await contentsOf(whole),
    out: join(place, 'run'),
    elsewhere: join(place, 'elsewhere'),
  }
}

/** Runs in `out`, doing each thing after the outer step it is listed under; returns what was told. */
async function runWith(out: string, after: Record<number, (out: string) => void>): Promise<string[]> {
  const notes: string[] = []
  const onNote = (note: string) => notes.push(note)
  await train(config, { out, onNote, onStep: ({ outerStep }) => after[outerStep]?.(out) })
  return notes
}

test('a directory that is moved away and back ends up as if nothing had been', async (t) => {
  const { expected, out, elsewhere } = await workspace(t)
  const notes = await runWith(out, {
    2: () => renameSync(out, elsewhere),
    5: () => {
      t.false(existsSync(out), 'nothing may be made where the directory is to come back')
      renameSync(elsewhere, out)
    },
  })
  t.deepEqual(await contentsOf(out), expected)
  t.is(notes.length, 2)
  t.true(
    notes[0]!.includes(out) && notes[0]!.includes('ENOENT') && notes[0]!.includes('outer step 2'),
    notes[0],
  )
  t.true(notes[1]!.includes('nothing is missing'), notes[1])
})

const remove = (out: string) => rmSync(out, { recursive: true })
const empty = (out: string) => {
  rmSync(out, { recursive: true })
  mkdirSync(out)
}

for (const [what, after] of [
  ['deleted, and made again later', { 2: remove, 5: (out: string) => mkdirSync(out) }],
  ['emptied between two steps', { 3: empty }],
] as const) {
  test(`a directory that is ${what} is filled again and can be resumed`, async (t) => {
    const { result, expected, out } = await workspace(t)
    await runWith(out, after)
    t.deepEqual(await contentsOf(out), expected)
    const again = await train(undefined, { resume: out })
    t.true(again.isComplete)
    t.deepEqual(again.theta, result.theta)
  })
}

test('a directory that comes back after the last step is in time', async (t) => {
  const { expected, out, elsewhere } = await workspace(t)
  await runWith(out, {
    9: () => {
      renameSync(out, elsewhere)
      setTimeout(() => renameSync(elsewhere, out), 200)
    },
  })
  t.deepEqual(await contentsOf(out), expected)
})

test('a directory that never comes back: the error names it and has the result', async (t) => {
  const out = join(await temporaryDirectory(t), 'run')
  const whole = await train(config)
  const told: number[] = []
  const error = await t.throwsAsync(
    train(config, {
      out,
      onStep: ({ outerStep }) => {
        told.push(outerStep)
        if (outerStep === 4) rmSync(out, { recursive: true })
      },
    }),
    { instanceOf: UnsavedRunError, code: 'WRITE_FAILED' },
  )
  t.true(error.message.includes(out), error.message)
  t.deepEqual(error.result.theta, whole.theta)
  t.deepEqual(error.result.best, whole.best)
  t.deepEqual(error.result.records.map(timeless), whole.records.map(timeless))
  t.deepEqual(
    told,
    Array.from({ length: 9 }, (_, i) => i + 1),
  )
  t.false(existsSync(out))
})

test('an abort does not wait for a directory to come back', async (t) => {
  const out = join(await temporaryDirectory(t), 'run')
  const abort = new AbortController()
  const onStep = ({ outerStep }: { outerStep: number }) => {
    if (outerStep < 9) return
    rmSync(out, { recursive: true })
    setTimeout(() => abort.abort(), 100)
  }
  const start = performance.now()
  await t.throwsAsync(train(config, { out, onStep, signal: abort.signal }), {
    any: true,
    name: 'AbortError',
  })
  // The whole run takes a second or so; the waits after it 7 s.
  t.true(performance.now() - start < 6000)
})
