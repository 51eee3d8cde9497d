/** Every function of the package, called with every kind of wrong value, refuses it with an error of its own. */
import test from 'ava'
import * as api from '../../ts/index.js'
import { calls } from './calls.js'
import { outcomeOf } from './outcome.js'
import { wrongValues } from './wrongValues.js'

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
const internal = ['Dataset.isDataset', 'OptimizerState.numbers', 'OptimizerState.load']

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

test('the table has every export', (t) => {
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

test('right calls are accepted', async (t) => {
  for (const call of calls) {
    if (call.name.startsWith('new ') || call.name === 'loadDataset') continue
    t.is(await outcomeOf(call, call.args()), 'done', call.name)
  }
})

for (const call of calls) {
  test(`${call.name} (${call.args().length} arguments) refuses every kind of wrong value`, async (t) => {
    for (const place of call.args().keys()) {
      for (const [what, make] of wrongValues) {
        const args = call.args()
        args[place] = make()
        t.is(await outcomeOf(call, args), 'refused', `argument ${place}: ${what}`)
      }
      if (call.optional?.includes(place) === true) continue
      const args = call.args()
      args[place] = undefined
      t.is(await outcomeOf(call, args), 'refused', `argument ${place}: undefined`)
    }
  })

  test(`${call.name} (${call.args().length} arguments) refuses unknown options`, async (t) => {
    for (const [place, argument] of call.args().entries()) {
      if (Object.prototype.toString.call(argument) !== '[object Object]') continue
      // Parameters and gradients are named by the caller.
      const args = call.args()
      args[place] = { ...(argument as object), unheardOf: 1 }
      if (call.name === 'formatTable') continue
      t.is(await outcomeOf(call, args), 'refused', `argument ${place}`)
    }
  })
}

test('exported values cannot be changed', (t) => {
  const check = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null) return
    t.true(Object.isFrozen(value), path)
    for (const [key, inner] of Object.entries(value)) check(inner, `${path}.${key}`)
  }
  for (const name of constants) check(exported[name], name)
})
