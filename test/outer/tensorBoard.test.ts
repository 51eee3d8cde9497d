/** Event files: their bytes, read by a small reader of its own, and their meaning, read by TensorBoard itself. */
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { TensorBoardWriter } from '../../ts/outer/tensorBoard.js'
import { crc32c } from '../../ts/outer/tfRecord.js'
import { temporaryDirectory } from '../program.js'
import { events } from './eventFile.js'
import { scalarsOfTensorBoard, tensorBoardIsAbsent } from './realTensorBoard.js'

/** Paths of the event files of a run, in TensorBoard's order. */
async function eventFiles(directory: string): Promise<string[]> {
  const place = join(directory, 'tensorboard')
  return (await readdir(place)).sort().map((name) => join(place, name))
}

/** One start of a run: `loss` is `value(step)` from `from + 1` to `to`. */
async function run(directory: string, from: number, to: number, value: (step: number) => number) {
  const writer = await TensorBoardWriter.open(directory, from)
  for (let step = from + 1; step <= to; step++) await writer.write(step, { loss: value(step) }, 1.7e9 + step)
}

test('CRC-32C: the examples of RFC 3720, B.4, and the check value of the CRC catalogue', (t) => {
  const ascending = Uint8Array.from({ length: 32 }, (_, i) => i)
  const readCommand = [
    '01c00000000000000000000000000000',
    '14000000000004000000001400000018',
    '28000000000000000200000000000000',
  ]
  t.is(crc32c(new Uint8Array(32)), 0x8a9136aa)
  t.is(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43)
  t.is(crc32c(ascending), 0x46dd794e)
  t.is(crc32c(ascending.toReversed()), 0x113fdb5c)
  t.is(crc32c(Buffer.from(readCommand.join(''), 'hex')), 0xd9963a56)
  t.is(crc32c(Buffer.from('123456789')), 0xe3069283)
})

test('a file decodes to what was written', async (t) => {
  const directory = await temporaryDirectory(t)
  const before = Date.now() / 1000
  const writer = await TensorBoardWriter.open(directory, 41)
  await writer.write(42, { loss: 0.5, 'norm/größe': -1e-3 }, 1.7e9 + 0.125)
  // More than 32 bits, and every group of seven bits another number.
  await writer.write(2 ** 52 + 12_345_678_901, { loss: Number.NaN, big: 1e39 }, 0)
  const [path] = (await eventFiles(directory)) as [string]
  const bytes = await readFile(path)
  // What TensorBoard's own RecordWriter makes of an Event with that version: 24 bytes, whatever the time.
  t.is(bytes.subarray(0, 12).toString('hex'), '1800000000000000a37f4b22')
  const [version, start, ...steps] = events(bytes)
  t.like(version, { step: 0, fileVersion: 'brain.Event:2' })
  t.like(start, { step: 42, sessionStatus: 1 })
  for (const { wallTime } of [version!, start!]) {
    t.true(wallTime >= before && wallTime <= Date.now() / 1000, `${wallTime}`)
  }
  t.deepEqual(steps, [
    {
      wallTime: 1.7e9 + 0.125,
      step: 42,
      scalars: { loss: 0.5, 'norm/größe': Math.fround(-1e-3) },
    },
    { wallTime: 0, step: 2 ** 52 + 12_345_678_901, scalars: { loss: Number.NaN, big: Infinity } },
  ])
})

test('names sort in the order of starts, also within a second and when the clock was put back', async (t) => {
  const directory = await temporaryDirectory(t)
  const times = 12
  for (let from = 0; from < times; from++) await run(directory, from, from + 1, () => 0)
  // An event file from the future, as another program names it.
  const future = 'events.out.tfevents.4000000000.zebra.1.0'
  await writeFile(join(directory, 'tensorboard', future), '')
  await run(directory, times, times + 1, () => 0)
  const paths = await eventFiles(directory)
  t.true(paths.at(-2)!.endsWith(future))
  const firstSteps = await Promise.all(paths.map(async (path) => events(await readFile(path)).at(-1)?.step))
  t.deepEqual(firstSteps, [...Array.from({ length: times }, (_, i) => i + 1), undefined, times + 1])
})

test('steps that are no integers ≥ 0 are refused', async (t) => {
  const directory = await temporaryDirectory(t)
  const writer = await TensorBoardWriter.open(directory, 0)
  for (const step of [-1, 0.5, Number.NaN, 2 ** 53]) {
    await t.throwsAsync(writer.write(step, {}, 0), { code: 'INVALID_OPTION' }, `${step}`)
    await t.throwsAsync(TensorBoardWriter.open(directory, step), { code: 'INVALID_OPTION' }, `${step}`)
  }
  t.is((await eventFiles(directory)).length, 1)
})

const absent = tensorBoardIsAbsent()

/** A test that asks TensorBoard: it is skipped, with the reason in its title, where there is none. */
function tensorBoardTest(title: string, body: (t: ExecutionContext) => Promise<void>) {
  if (absent === undefined) test(title, body)
  else test.skip(`${title} (skipped: ${absent})`, body)
}

tensorBoardTest('TensorBoard reads the scalars that were written, rounded to float32', async (t) => {
  const directory = await temporaryDirectory(t)
  const losses = [1 / 3, -1e-30, 0, 123_456_789, Number.NaN, Infinity, -Infinity, 1e39]
  const writer = await TensorBoardWriter.open(directory, 0)
  for (const [i, loss] of losses.entries()) {
    await writer.write(2 ** 40 + i, { loss, 'größe/index': i }, 1.7e9 + i / 3)
  }
  t.deepEqual(await scalarsOfTensorBoard(join(directory, 'tensorboard')), {
    loss: losses.map((loss, i) => [2 ** 40 + i, Math.fround(loss), 1.7e9 + i / 3]),
    'größe/index': losses.map((_, i) => [2 ** 40 + i, i, 1.7e9 + i / 3]),
  })
})

tensorBoardTest('TensorBoard shows no step twice after resumes, and reads past a torn record', async (t) => {
  const directory = await temporaryDirectory(t)
  await run(directory, 0, 9, () => 1)
  // As a killed process leaves it: step 9 is cut within its record.
  const [killed] = (await eventFiles(directory)) as [string]
  await truncate(killed, (await readFile(killed)).length - 5)
  await run(directory, 6, 8, () => 2)
  await run(directory, 7, 10, () => 3)
  const expected = [1, 1, 1, 1, 1, 1, 2, 3, 3, 3]
  t.deepEqual(await scalarsOfTensorBoard(join(directory, 'tensorboard')), {
    loss: expected.map((value, i) => [i + 1, value, 1.7e9 + i + 1]),
  })
})

tensorBoardTest('TensorBoard shows nothing of an earlier run in the same directory', async (t) => {
  const directory = await temporaryDirectory(t)
  for (const value of [1, 2]) {
    const writer = await TensorBoardWriter.open(directory, 0)
    // Step 0 is a run's own to write: the start, before any outer step.
    for (let step = 0; step < 7 - 2 * value; step++) await writer.write(step, { loss: value }, step)
  }
  t.deepEqual(await scalarsOfTensorBoard(join(directory, 'tensorboard')), {
    loss: [0, 1, 2].map((step) => [step, 2, step]),
  })
})
