/** Reports and notes of runs of the library. */
import { appendFile, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { train } from '../../ts/outer/train.js'
import { tinyRun } from '../engine/tiny.js'
import { outerloop, temporaryDirectory } from '../program.js'

const reportFiles = ['meta-training.svg', 'report.html']

async function reportsIn(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => reportFiles.includes(name)).sort()
}

test('`report` writes what the command line writes; without it there is none', async (t) => {
  const place = await temporaryDirectory(t)
  const [none, own] = [join(place, 'none'), join(place, 'own')]
  const config = tinyRun({ outerSteps: 2 })
  await train(config, { out: none })
  t.deepEqual(await reportsIn(none), [])
  await train(config, { out: own, report: true })
  t.deepEqual(await reportsIn(own), reportFiles)
  // The command resumes a run that is done, and so writes the report of the same records.
  const page = await readFile(join(own, 'report.html'), 'utf8')
  await rm(join(own, 'report.html'))
  const { code, stderr } = await outerloop('train', '--resume', own)
  t.is(code, 0, stderr)
  t.is(await readFile(join(own, 'report.html'), 'utf8'), page)
})

test('a run that `stopSignal` ends has no report, one that a limit ends has', async (t) => {
  const out = join(await temporaryDirectory(t), 'run')
  const stop = new AbortController()
  const onStep = () => stop.abort()
  await train(tinyRun(), { out, report: true, stopSignal: stop.signal, onStep })
  t.deepEqual(await reportsIn(out), [])
  await train(undefined, { resume: out, report: true, timeBudgetSeconds: 1e-6 })
  t.deepEqual(await reportsIn(out), reportFiles)
  for (const options of [{ report: true }, { force: true }]) {
    await t.throwsAsync(train(tinyRun(), options), { code: 'INVALID_OPTION' })
  }
})

test('metrics that are damaged, gone or not whole are told at a resume, a torn last line is not', async (t) => {
  const out = join(await temporaryDirectory(t), 'run')
  const path = join(out, 'metrics.jsonl')
  await train(tinyRun({ outerSteps: 3 }), { out })
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n')
  const harms: [() => Promise<void>, RegExp | undefined][] = [
    [() => appendFile(path, '{"outer'), undefined],
    [() => writeFile(path, `${lines[0]}\n}}}\n${lines[2]}\n`), /a damaged line: one outer step is missing/],
    [() => writeFile(path, `${lines[0]}\n`), /is not whole: 2 outer steps are missing/],
    [() => rm(path), /is gone: 3 outer steps are missing/],
    [() => writeFile(path, `${lines.join('\n')}\n\u0000\u0000\n`), /a damaged line: nothing is missing/],
  ]
  for (const [harm, expected] of harms) {
    await harm()
    const { notes, isComplete } = await train(undefined, { resume: out })
    t.true(isComplete)
    t.is(notes.length, expected === undefined ? 0 : 1)
    if (expected !== undefined) t.regex(notes[0]!, expected)
  }
  await rm(path)
  const { code, stdout, stderr } = await outerloop('train', '--resume', out)
  t.is(code, 0)
  t.regex(stderr, /metrics\.jsonl is gone/)
  t.notRegex(stdout, /is gone/)
})

test('notes are told and kept, and what `onNote` throws rejects the call', async (t) => {
  const out = join(await temporaryDirectory(t), 'run')
  await train(tinyRun({ outerSteps: 1 }), { out })
  const harm = () => writeFile(join(out, 'metrics.jsonl'), 'x\n')
  await harm()
  const told: string[] = []
  const { notes } = await train(undefined, { resume: out, onNote: (note) => told.push(note) })
  t.is(notes.length, 1)
  t.deepEqual(told, notes)
  const failure = new Error('of the caller')
  const failing = [
    () => Promise.reject(failure),
    () => {
      throw failure
    },
  ]
  for (const onNote of failing) {
    await harm()
    t.is(await t.throwsAsync(train(undefined, { resume: out, onNote })), failure)
  }
})
