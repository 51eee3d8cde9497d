/** An abort while theta is measured on held-out tasks: neither the step's record nor its measurement is lost. */
import test from 'ava'
import { parseTrainConfig } from '../../ts/config/trainConfig.js'
import type { StepRecord } from '../../ts/outer/stepRecord.js'
import { Trainer } from '../../ts/outer/trainer.js'
import { tinyRun } from '../engine/tiny.js'

/** A measurement is a third of a second at least: time enough to see that the outer step before it is done. */
const config = parseTrainConfig(
  tinyRun({ outerSteps: 2, evaluation: { everyOuterSteps: 1, tasks: 1, innerSteps: 20_000 } }),
)

async function records(trainer: Trainer, signal?: AbortSignal): Promise<StepRecord[]> {
  const all: StepRecord[] = []
  for await (const record of trainer.run({ signal })) all.push(record)
  return all
}

const facts = (all: StepRecord[]) =>
  all.map(({ outerStep, metaLoss, heldOutLoss }) => ({ outerStep, metaLoss, heldOutLoss }))

test('a run goes on with the measurement that was aborted', async (t) => {
  using whole = await Trainer.create(config)
  using aborted = await Trainer.create(config)
  const expected = await records(whole)
  t.true(expected.every(({ heldOutLoss }) => heldOutLoss !== undefined))
  const abort = new AbortController()
  const watch = setInterval(() => aborted.outerStep === 1 && abort.abort(), 1)
  t.teardown(() => clearInterval(watch))
  await t.throwsAsync(records(aborted, abort.signal), { any: true, name: 'AbortError' })
  t.is(aborted.outerStep, 1)
  t.deepEqual(facts(await records(aborted)), facts(expected))
  t.deepEqual(aborted.best, whole.best)
})
