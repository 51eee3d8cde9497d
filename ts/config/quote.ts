/** How a value is shown in an error message: short, whatever it is, and without running code of the caller's. */
import { types } from 'node:util'

/** Characters that a message shows of a value. */
const LENGTH = 80

/** A value as one would write it in code, cut where it is long. */
export function quote(value: unknown): string {
  if (value === undefined) return 'nothing'
  try {
    const written: string[] = []
    write(value, written, { left: LENGTH + 1 })
    return shorten(written.join(''))
  } catch {
    return 'an object that cannot be read'
  }
}

/** The beginning of a text, if it is long. */
export function shorten(text: string, length = LENGTH): string {
  return text.length > length ? `${text.slice(0, length - 3)}…` : text
}

/** Names for a message: the first few of many. */
export function listed(names: readonly string[], most = 20): string {
  const shown = names.slice(0, most).map((name) => shorten(name))
  return names.length > most ? `${shown.join(', ')} and ${names.length - most} more` : shown.join(', ')
}

/** What kind of value it is: `Object`, `Array`, `Float32Array`, `Null`, … */
export function kindOf(value: unknown): string {
  try {
    if (types.isProxy(value)) return 'Proxy'
    return shorten(Object.prototype.toString.call(value).slice(8, -1), 40)
  } catch {
    return 'Object'
  }
}

/** Stops once enough is written: nothing of a large value is looked at but its beginning. */
function write(value: unknown, out: string[], room: { left: number }): void {
  if (room.left <= 0) return
  const put = (text: string) => {
    out.push(text)
    room.left -= text.length
  }
  if (typeof value === 'string') put(JSON.stringify(value.slice(0, LENGTH + 1)))
  else if (typeof value === 'bigint') put(bigint(value))
  else if (typeof value === 'function' || typeof value === 'symbol') put(`a ${typeof value}`)
  else if (typeof value !== 'object' || value === null) put(String(value))
  else {
    const kind = kindOf(value)
    if (kind === 'Array') writeArray(value as readonly unknown[], out, room, put)
    else if (kind === 'Object') writeObject(value, out, room, put)
    else put(`${/^[AEIO]/.test(kind) ? 'an' : 'a'} ${kind}`)
  }
}

type Put = (text: string) => void

function writeArray(values: readonly unknown[], out: string[], room: { left: number }, put: Put): void {
  put('[')
  for (let i = 0; i < values.length && room.left > 0; i++) {
    if (i > 0) put(',')
    write(ownValue(values, String(i)), out, room)
  }
  put(']')
}

function writeObject(value: object, out: string[], room: { left: number }, put: Put): void {
  put('{')
  let isFirst = true
  for (const key in value) {
    if (room.left <= 0) break
    const inner = ownValue(value, key)
    if (inner === undefined) continue
    if (!isFirst) put(',')
    isFirst = false
    put(`${JSON.stringify(key.slice(0, LENGTH))}:`)
    write(inner, out, room)
  }
  put('}')
}

/** A property, without calling its getter. */
function ownValue(value: object, key: string): unknown {
  return Object.getOwnPropertyDescriptor(value, key)?.value
}

function bigint(value: bigint): string {
  // Writing one out takes time that grows faster than its length.
  return value < 10n ** 60n && value > -(10n ** 60n) ? `${value}n` : 'a bigint'
}
