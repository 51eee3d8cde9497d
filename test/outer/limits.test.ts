/** Runs that stop before their last outer step, and go on. */
import { join } from 'node:path'
import test from 'ava'
import { train } from '../../ts/outer/train.js'
import { tinyEvaluation, tinyRun } from '../engine/tiny.js'
import { temporaryDirectory } from '../program.js'
import { contentsOf, timeless } from './runContents.js'

const config = tinyRun({ evaluation: tinyEvaluation })

test('a time budget ends after the outer step that reaches it; resumed again and again, the bytes are the same', async (t) => {
  const place = await temporaryDirectory(t)
  const [whole, parts] = [join(place, 'whole'), join(place, 'parts')]
  t.is((await train(config, { out: whole })).stoppedBy, undefined)
  // A budget that is over at once: one outer step for each call.
  const timeBudgetSeconds = 1e-6
  for (let outerStep = 1; outerStep <= 6; outerStep++) {
    const input = outerStep === 1 ? config : undefined
    const where = outerStep === 1 ? { out: parts } : { resume: parts }
    const result = await train(input, { ...where, timeBudgetSeconds })
    t.is(result.outerStepsDone, outerStep)
    t.is(result.isComplete, outerStep === 6)
    t.is(result.stoppedBy, outerStep === 6 ? undefined : 'timeBudget')
  }
  const { names, ...contents } = await contentsOf(parts)
  const { names: expectedNames, ...expected } = await contentsOf(whole)
  t.deepEqual(contents, expected)
  // Other checkpoints: each stop is one.
  const others = (list: string[]) => list.filter((name) => !name.startsWith('checkpoint-'))
  t.deepEqual(others(names), others(expectedNames))
})

test('inner steps are counted over the whole run', async (t) => {
  const { records } = await train(config)
  const { innerSteps } = records[2]!
  const out = await temporaryDirectory(t)
  // One more than the third outer step reaches: the fourth does.
  const first = await train(config, { out, maxInnerSteps: innerSteps + 1 })
  t.deepEqual([first.outerStepsDone, first.isComplete, first.stoppedBy], [4, false, 'maxInnerSteps'])
  t.deepEqual(first.records.map(timeless), records.slice(0, 4).map(timeless))
  // Enough are done already.
  const second = await train(undefined, { resume: out, maxInnerSteps: innerSteps })
  t.deepEqual([second.outerStepsDone, second.stoppedBy], [4, 'maxInnerSteps'])
  const third = await train(undefined, { resume: out, maxInnerSteps: records[5]!.innerSteps })
  t.deepEqual([third.outerStepsDone, third.isComplete, third.stoppedBy], [6, true, undefined])
  t.deepEqual(third.records.map(timeless), records.map(timeless))
})

test('a signal is a reason of its own', async (t) => {
  const stop = new AbortController()
  const onStep = () => stop.abort()
  const result = await train(config, { stopSignal: stop.signal, onStep, timeBudgetSeconds: 3600 })
  t.deepEqual([result.outerStepsDone, result.stoppedBy], [1, 'signal'])
})

test('limits that are none are refused before anything is written', async (t) => {
  const place = await temporaryDirectory(t)
  for (const limits of [
    { timeBudgetSeconds: 0 },
    { timeBudgetSeconds: Number.NaN },
    { timeBudgetSeconds: '30m' as unknown as number },
    { maxInnerSteps: 0 },
    { maxInnerSteps: 1.5 },
  ]) {
    await t.throwsAsync(train(config, { out: join(place, 'run'), ...limits }), { code: 'INVALID_OPTION' })
  }
  await t.throwsAsync(contentsOf(join(place, 'run')), { code: 'ENOENT' })
})
