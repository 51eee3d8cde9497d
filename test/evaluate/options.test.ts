import test from 'ava'
import type { TaskConfigInput } from '../../ts/config/taskConfig.js'
import { type EvaluateOptions, parseEvaluateOptions } from '../../ts/evaluate/evaluateOptions.js'

const config: TaskConfigInput = { family: 'mlp', dataset: 'mnist8', hidden: [8] }

test('defaults are filled in, horizons sorted, tasks completed', (t) => {
  const settings = parseEvaluateOptions({
    innerSteps: [200, 100, 200],
    tasks: [{ name: 'a', config }],
  })
  t.deepEqual(settings.innerSteps, [100, 200])
  t.is(settings.seeds, 2)
  t.deepEqual(settings.stepMultipliers, [1])
  t.like(Array.isArray(settings.tasks) ? settings.tasks[0] : {}, { name: 'a', config: { batchSize: 64 } })
})

test('only the longest horizon may lie between two points of the curve', (t) => {
  t.deepEqual(parseEvaluateOptions({ innerSteps: [100, 130], evalEvery: 25 }).innerSteps, [100, 130])
  t.throws(() => parseEvaluateOptions({ innerSteps: [110, 130], evalEvery: 25 }), { code: 'INVALID_OPTION' })
})

test('wrong and unknown options are refused by name', (t) => {
  const wrong: [string, unknown][] = [
    ['seeds', 0],
    ['innerSteps', []],
    ['tasks', 'all'],
    ['tasks', [{ name: 'a', config: { ...config, hidden: [-1] } }]],
    ['evalBatches', 1.5],
    ['stepMultipliers', [-1]],
    ['threads', 'many'],
    ['cpu', 'mmx'],
    ['seedz', 1],
  ]
  for (const [name, value] of wrong) {
    const error = t.throws(() => parseEvaluateOptions({ [name]: value } as EvaluateOptions), {
      code: 'INVALID_OPTION',
    })
    t.true(error?.message.includes(name), error?.message)
  }
})
