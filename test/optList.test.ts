/** The opt_list against its published values (fixtures/opt-list.json) and the two settings that golden runs used. */
import { readFileSync } from 'node:fs'
import test from 'ava'
import { MersenneTwister } from '../ts/config/mersenneTwister.js'
import { optimizerConfigSchema } from '../ts/config/optimizerConfig.js'
import { numOptListConfigs, optList } from '../ts/config/optList.js'
import { optListSeeds } from '../ts/config/optListSeeds.js'
import { parseWith } from '../ts/config/parse.js'

type Row = (number | boolean)[]

const read = (file: string) => JSON.parse(readFileSync(new URL(`fixtures/${file}`, import.meta.url), 'utf8'))
const published: { fields: string[]; byIndex: Record<string, Row>; bySeed: Record<string, Row> } =
  read('opt-list.json')

function rowOf(index: number): Row {
  const config: Record<string, unknown> = optList(index)
  return published.fields.map((field) => config[field] as number | boolean)
}

test('the generator is the published one', (t) => {
  // Reference output of Matsumoto and Nishimura's mt19937ar.c for init_genrand(5489).
  const random = new MersenneTwister(5489)
  t.is(random.word(), 3499211612)
  for (let i = 2; i < 10_000; i++) random.word()
  // The 10,000th draw, which the C++ standard demands of std::mt19937.
  t.is(random.word(), 4123659995)
})

test('settings are the published ones to the last bit', (t) => {
  const { byIndex, bySeed } = published
  t.true(Object.keys(byIndex).length === 15 && Object.keys(bySeed).length === 6)
  for (const [index, row] of Object.entries(byIndex))
    t.deepEqual(rowOf(Number(index)), row, `number ${index}`)
  for (const [seed, row] of Object.entries(bySeed)) {
    t.deepEqual(rowOf(optListSeeds.indexOf(Number(seed))), row, `seed ${seed}`)
  }
})

test('golden runs used these settings', (t) => {
  for (const index of [0, 6]) {
    const { config } = read(`golden/opt_opt_list_${index}.json`)
    t.deepEqual(rowOf(index), [
      config.learning_rate,
      config.beta1,
      config.beta2,
      config.epsilon,
      config.use_nesterov,
      config.adamw_weight_decay,
      config.l2_weight_decay,
      config.warmup_fraction,
      config.min_learning_rate_mult,
      config.constant_fraction,
    ])
  }
})

/** Counts that were taken of the published list. */
test('the whole list is valid and has the published statistics', (t) => {
  t.is(numOptListConfigs, 1000)
  t.deepEqual(
    optListSeeds.toSorted((a, b) => a - b),
    Array.from({ length: 1000 }, (_, seed) => seed),
  )
  const all = Array.from({ length: numOptListConfigs }, (_, index) => optList(index))
  for (const config of all) t.deepEqual(parseWith(optimizerConfigSchema, config), config)
  const first = all.slice(0, 100)
  t.is(first.filter((c) => c.nesterov).length, 47)
  t.is(all.filter((c) => c.nesterov).length, 502)
  t.is(first.filter((c) => c.l2 > 0).length, 31)
  t.is(
    all.findIndex((c) => c.l2 > 0),
    13,
  )
})

test('a place that does not exist is refused', (t) => {
  for (const index of [-1, 1000, 0.5, Number.NaN]) {
    t.throws(() => optList(index), { code: 'INVALID_OPTION' }, String(index))
  }
})
