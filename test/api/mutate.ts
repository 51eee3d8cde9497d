/** Random changes of arguments. */
import type { RandomInteger } from '../../ts/evaluate/statistics.js'
import { oddValues } from './wrongValues.js'

/** A place in arguments: what holds it, and its key. */
interface Place {
  holder: Record<PropertyKey, unknown>
  key: string
  path: string
}

/** Changes one place anywhere in `args`, and says what it did. */
export function mutate(args: unknown[], random: RandomInteger): string {
  const places = placesIn(args)
  const { holder, key, path } = places[random(places.length)]!
  const kind = random(10)
  if (kind === 0 && !Array.isArray(holder)) {
    delete holder[key]
    return `${path} deleted`
  }
  const value = valueAt(holder, key)
  if (kind === 1 && isHolder(value)) {
    define(value, 'unheardOf', { value: 1 })
    return `${path}.unheardOf added`
  }
  // Not of an argument itself: JavaScript reads those, and not the function that is called.
  if (kind === 2 && holder !== (args as unknown)) {
    define(holder, key, {
      get() {
        throw new RangeError('thrown by a getter')
      },
    })
    return `${path} throws`
  }
  if (kind === 3) {
    const other = places[random(places.length)]!
    define(holder, key, { value: valueAt(other.holder, other.key) })
    return `${path} = ${other.path}`
  }
  if (kind === 4 && typeof value === 'number') {
    define(holder, key, { value: value * [-1, 0.5, 1 + 1e-9, 10, 1e6][random(5)]! })
    return `${path} scaled`
  }
  const [name, make] = oddValues[random(oddValues.length)]!
  define(holder, key, { value: make() })
  return `${path} = ${name}`
}

/** Without calling a getter of an earlier change. */
function valueAt(holder: object, key: string): unknown {
  return Object.getOwnPropertyDescriptor(holder, key)?.value
}

function define(holder: object, key: string, descriptor: PropertyDescriptor): void {
  const isWritable = 'value' in descriptor ? { writable: true } : {}
  Object.defineProperty(holder, key, { ...descriptor, ...isWritable, enumerable: true, configurable: true })
}

/** All places down to five levels; signals stay, since no long work may begin. */
function placesIn(args: unknown[]): Place[] {
  const places: Place[] = []
  const visit = (holder: Record<PropertyKey, unknown>, path: string, levels: number) => {
    for (const [key, { value, configurable }] of Object.entries(Object.getOwnPropertyDescriptors(holder))) {
      if (!configurable) continue
      if (key === 'signal' || key === 'stopSignal') continue
      const inner = path === '' ? key : `${path}.${key}`
      places.push({ holder, key, path: inner })
      if (levels > 0 && isHolder(value)) visit(value, inner, levels - 1)
    }
  }
  visit(args as unknown as Record<PropertyKey, unknown>, '', 5)
  return places
}

function isHolder(value: unknown): value is Record<PropertyKey, unknown> {
  if (typeof value !== 'object' || value === null) return false
  try {
    const prototype = Object.getPrototypeOf(value)
    const isPlain = prototype === Object.prototype || Array.isArray(value)
    return isPlain && Object.keys(value).length < 1000
  } catch {
    return false
  }
}
