/** Every function of the package, called with every kind of wrong value, refuses it with an error of its own. */
import test from 'ava'
import * as api from '../../ts/index.js'
import { calls } from './calls.js'
import { outcomeOf } from './outcome.js'
import { type WrongValue, wrongValues } from './wrongValues.js'

const exported = api as unknown as Record<string, unknown>

/** Exported values, which nobody may change. */
const constants = [
  'bundledDatasets',
  'heldOutTasks',
  'numOptListConfigs',
  'presetNames',
  'presets',
  'recipes',
]
/** Thrown by the package: callers look at them and do not make them. */
const errors = ['OuterloopError', 'UnsavedRunError']
/** Methods marked `@internal`. */
const internal = ['Dataset.isDataset', 'Dataset.fingerprint', 'OptimizerState.numbers', 'OptimizerState.load']

const undefinedValue: WrongValue = ['undefined', () => undefined]

function isClass(value: unknown): value is { prototype: object } {
  return typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value))
}

/** Names of the methods of a class, its own and its instances'. */
function methodsOf(name: string, type: { prototype: object }): string[] {
  const of = (holder: object) =>
    Object.entries(Object.getOwnPropertyDescriptors(holder))
      .filter(([key, { value }]) => key !== 'constructor' && typeof value === 'function')
      .map(([key]) => `${name}.${key}`)
  return [...of(type), ...of(type.prototype)]
}

test.serial('the table has every export', (t) => {
  const expected = Object.entries(exported).flatMap(([name, value]) => {
    if (errors.includes(name)) return []
    if (isClass(value)) return [`new ${name}`, ...methodsOf(name, value)]
    return [name]
  })
  const told = new Set([...calls.map(({ name }) => name), ...constants, ...internal])
  t.deepEqual(
    expected.filter((name) => !told.has(name)),
    [],
    'add them to test/api/calls.ts',
  )
  t.deepEqual(
    [...told].filter((name) => !expected.includes(name)),
    [],
    'they are no longer exported',
  )
})

test.serial('right calls are accepted', async (t) => {
  for (const call of calls) {
    if (call.name.startsWith('new ') || call.name === 'loadDataset') continue
    t.is(await outcomeOf(call, call.args()), 'done', call.name)
  }
})

for (const [number, call] of calls.entries()) {
  const places = [...call.args().keys()]
  if (places.length === 0) continue
  test.serial(`${number}: ${call.name} refuses every kind of wrong value`, async (t) => {
    for (const place of places) {
      const values = call.optional?.includes(place) ? wrongValues : [...wrongValues, undefinedValue]
      for (const [what, make] of values) {
        const args = call.args()
        args[place] = make()
        t.is(await outcomeOf(call, args), 'refused', `argument ${place}: ${what}`)
      }
    }
  })
}

test.serial('no function has an option that it does not know', async (t) => {
  for (const call of calls) {
    // Later versions may tell more in an evaluation.
    if (call.name === 'formatTable') continue
    for (const [place, argument] of call.args().entries()) {
      if (Object.prototype.toString.call(argument) !== '[object Object]') continue
      const args = call.args()
      args[place] = { ...(argument as object), unheardOf: 1 }
      t.is(await outcomeOf(call, args), 'refused', `${call.name}, argument ${place}`)
    }
  }
})

test.serial('exported values cannot be changed', (t) => {
  const check = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null) return
    t.true(Object.isFrozen(value), path)
    for (const [key, inner] of Object.entries(value)) check(inner, `${path}.${key}`)
  }
  for (const name of constants) check(exported[name], name)
})
