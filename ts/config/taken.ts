/**
 * What a caller gives, taken over: read once, copied, and small enough to be checked. A caller who changes an object after
 * a call, or whose objects answer otherwise the second time, changes nothing.
 */
import { types } from 'node:util'
import { OuterloopError } from '../errors.js'
import { kindOf, quote, shorten } from './quote.js'

/** How deep objects may lie in each other: the engine reads JSON up to 128 deep. */
const MAX_DEPTH = 64

/** How many values an argument may consist of, unless its function says otherwise. */
const MAX_VALUES = 1_000_000

/** Objects that are no JSON stand as functions in what is taken over, so that no schema of an object accepts them. */
const held = new WeakMap<object, object>()

/** What the caller gave in place of a value that was taken over. */
export function given(value: unknown): unknown {
  return typeof value === 'function' ? (held.get(value) ?? value) : value
}

/**
 * A copy of plain objects and arrays, as deep as they go. Functions stay; so do objects of other kinds (typed arrays,
 * instances of classes), which {@link given} gives back.
 *
 * @param root - Name of the whole, for messages.
 * @param maxValues - How many values it may consist of.
 * @throws {OuterloopError} `INVALID_OPTION` if something cannot be read, contains itself, or is too deep or too large.
 */
export function taken(input: unknown, root: string, maxValues = MAX_VALUES): unknown {
  return new Taking(root, maxValues).take(input)
}

class Taking {
  readonly #root: string
  readonly #maxValues: number
  #left: number
  /** Keys down to where we are, and the objects that they lead through. */
  readonly #path: (string | number)[] = []
  readonly #through: object[] = []
  /** What was copied before, and how many values it has: what is shared is read once and counted every time. */
  readonly #copies = new Map<object, { copy: unknown; values: number }>()

  constructor(root: string, maxValues: number) {
    this.#root = root
    this.#maxValues = maxValues
    this.#left = maxValues
  }

  take(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value
    try {
      if (Array.isArray(value)) return this.#inside(value, () => this.#array(value))
      return isPlain(value) ? this.#inside(value, () => this.#object(value)) : hold(value)
    } catch (cause) {
      if (cause instanceof OuterloopError && refusals.has(cause)) throw cause
      throw this.#refusal('to be readable', `an error: ${reasonOf(cause)}`, cause)
    }
  }

  #inside<T>(value: object, copy: () => T): T {
    const before = this.#copies.get(value)
    if (before !== undefined) {
      this.#count(before.values)
      return before.copy as T
    }
    if (this.#through.includes(value)) throw this.#refusal('to be data', 'an object that contains itself')
    if (this.#through.length >= MAX_DEPTH) {
      throw this.#refusal(`to be at most ${MAX_DEPTH} levels deep`, 'more')
    }
    this.#through.push(value)
    const left = this.#left
    const copied = copy()
    this.#through.pop()
    this.#copies.set(value, { copy: copied, values: left - this.#left })
    return copied
  }

  #array(value: readonly unknown[]): unknown[] {
    const { length } = value
    this.#count(length)
    return Array.from({ length }, (_, i) => this.#at(i, () => value[i]))
  }

  #object(value: object): Record<string, unknown> {
    const copy: Record<string, unknown> = {}
    for (const key in value) {
      this.#count(1)
      if (key === '__proto__') throw this.#refusal('to have no key `__proto__`', quote(value))
      copy[key] = this.#at(key, () => (value as Record<string, unknown>)[key])
    }
    return copy
  }

  #at(key: string | number, read: () => unknown): unknown {
    this.#path.push(key)
    const copied = this.take(this.#read(read))
    this.#path.pop()
    return copied
  }

  #read(read: () => unknown): unknown {
    try {
      return read()
    } catch (cause) {
      throw this.#refusal('to be readable', `an error: ${reasonOf(cause)}`, cause)
    }
  }

  #count(values: number): void {
    this.#left -= values
    if (this.#left < 0) throw this.#refusal(`to be at most ${this.#maxValues} values in all`, 'more')
  }

  #refusal(expected: string, got: string, cause?: unknown): OuterloopError {
    const message = `expected \`${showPath(this.#path) || this.#root}\` ${expected}, got ${got}`
    const error = new OuterloopError('INVALID_OPTION', message, { cause })
    refusals.add(error)
    return error
  }
}

/** Errors of our own, told from those that a caller's getter throws. */
const refusals = new WeakSet<OuterloopError>()

function hold(value: object): () => void {
  const token = () => {}
  held.set(token, value)
  return token
}

const keptClasses = new Set<abstract new (...args: never) => object>()

/** From now on, instances of a class are no plain objects. */
export function keepInstances(type: abstract new (...args: never) => object): void {
  keptClasses.add(type)
}

/** Whether its fields are what it is. Instances of a caller's own classes are read as plain objects. */
function isPlain(value: object): boolean {
  if (types.isProxy(value)) return true
  if (!['Object', 'Module'].includes(kindOf(value))) return false
  for (const type of keptClasses) if (value instanceof type) return false
  return true
}

function reasonOf(cause: unknown): string {
  try {
    if (cause instanceof Error) return shorten(String(cause.message))
  } catch {
    // An error whose message throws.
  }
  return quote(cause)
}

/** A path as one would write it in code: `tasks.tasks[0].config.hidden[1]`. The beginning of a long one. */
export function showPath(path: readonly PropertyKey[]): string {
  let text = ''
  for (const key of path) {
    if (text.length > 200) return shorten(text, 200)
    const name = shorten(String(key))
    text += typeof key === 'number' ? `[${name}]` : text === '' ? name : `.${name}`
  }
  return shorten(text, 200)
}
