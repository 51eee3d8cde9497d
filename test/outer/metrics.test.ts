/** The records of a run as files. */
import { appendFile, readdir, readFile, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { MetricsFile, readMetrics } from '../../ts/outer/metrics.js'
import type { StepRecord } from '../../ts/outer/stepRecord.js'
import { train } from '../../ts/outer/train.js'
import { tinyEvaluation, tinyRun, tinyTask } from '../engine/tiny.js'
import { temporaryDirectory } from '../program.js'
import { events } from './eventFile.js'

function record(outerStep: number, over: Partial<StepRecord> = {}): StepRecord {
  return {
    outerStep,
    metaLoss: 1 / outerStep,
    gradientNorm: 2,
    gradientCosine: 0,
    signalToNoise: 0.5,
    thetaNorm: 3,
    updateNorm: 0.1,
    lr: 0.01,
    numDiverged: 0,
    numNonFinitePairs: 0,
    nonFiniteFraction: 0,
    innerSteps: 100 * outerStep,
    innerStepsPerSecond: 1000,
    seconds: 0.1,
    phases: { plan: 0, inner: 0.1, estimate: 0, outer: 0 },
    ...over,
  }
}

test('numbers that were not finite are NaN when they are read, whatever the field', async (t) => {
  const directory = await temporaryDirectory(t)
  const file = await MetricsFile.open(directory, 0, t.fail)
  const odd = { metaLoss: Number.NaN, heldOutLoss: Number.NaN, familyLosses: { a: Number.NaN, b: 2 } }
  file.records.push(record(1, { ...odd, gradientNorm: Number.NaN }), record(2))
  await file.write({ isFlushed: true })
  t.deepEqual(await readMetrics(join(directory, 'metrics.jsonl')), file.records)
  t.deepEqual((await MetricsFile.open(directory, 2, t.fail)).records, file.records)
  t.deepEqual((await MetricsFile.open(directory, 1, t.fail)).records, file.records.slice(0, 1))
})

test('each record is written once, also when the file was torn, longer or gone in between', async (t) => {
  const harms = [
    async () => {},
    (path: string) => truncate(path, 700),
    (path: string) => appendFile(path, '{"outer'),
    (path: string) => rm(path),
  ]
  for (const harm of harms) {
    const directory = await temporaryDirectory(t)
    const path = join(directory, 'metrics.jsonl')
    const file = await MetricsFile.open(directory, 0, t.fail)
    file.records.push(record(1), record(2))
    await file.write({ isFlushed: false })
    await harm(path)
    file.records.push(record(3))
    await file.write({ isFlushed: false })
    await file.write({ isFlushed: true })
    t.is(await readFile(path, 'utf8'), file.records.map((line) => `${JSON.stringify(line)}\n`).join(''))
  }
})

test('TensorBoard gets every number of every record, by tags', async (t) => {
  const out = await temporaryDirectory(t)
  const tasks = { tasks: [{ config: tinyTask }] }
  const config = tinyRun({
    outerSteps: 5,
    tasks: {
      families: [
        { name: 'small', tasks },
        { name: 'smaller', tasks },
      ],
    },
    asynchronous: { workers: 3, maxStaleness: 1 },
    evaluation: tinyEvaluation,
  })
  await train(config, { out, timeBudgetSeconds: 1e-6 })
  const { records } = await train(undefined, { resume: out })
  const place = join(out, 'tensorboard')
  const names = (await readdir(place)).sort()
  t.is(names.length, 2)
  const shown = (await Promise.all(names.map(async (name) => events(await readFile(join(place, name))))))
    .flat()
    .filter(({ scalars }) => scalars !== undefined)
  const written = await readMetrics(join(out, 'metrics.jsonl'))
  t.deepEqual(written, records)
  t.deepEqual(
    shown.map(({ step }) => step),
    [1, 2, 3, 4, 5],
  )
  for (const [i, { scalars }] of shown.entries()) {
    const { outerStep: _step, familyLosses, phases, ...rest } = written[i]!
    t.like(scalars, {
      'loss/meta': Math.fround(rest.metaLoss),
      'loss/family/small': Math.fround(familyLosses!.small!),
      'loss/family/smaller': Math.fround(familyLosses!.smaller!),
      'gradient/norm': Math.fround(rest.gradientNorm),
      'theta/update': Math.fround(rest.updateNorm),
      'lanes/nonFiniteFraction': Math.fround(rest.nonFiniteFraction),
      'speed/innerStepsPerSecond': Math.fround(rest.innerStepsPerSecond),
      'time/plan': Math.fround(phases.plan),
    })
    t.is(scalars!['loss/heldOut'], rest.heldOutLoss === undefined ? undefined : Math.fround(rest.heldOutLoss))
    t.is(rest.heldOutLoss === undefined, written[i]!.outerStep % 2 === 1 && written[i]!.outerStep < 5)
    // Whatever the tags: the same numbers.
    const numbers = [rest, familyLosses!, phases].flatMap((part): number[] => Object.values(part))
    t.deepEqual(Object.values(scalars!).sort(), numbers.map(Math.fround).sort())
  }
})
