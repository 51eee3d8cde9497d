/** Values of command line options. They are only converted here; the schemas check them and say what is wrong. */
import { cpuNames } from '../config/fields.js'
import { OuterloopError } from '../errors.js'

/** What `--cpu` is, for `--help`. */
export const cpuHelp = `instruction set: ${cpuNames.join(', ')} (OUTERLOOP_CPU, else the best); does not change the result`

/** A number if it is one, else the text as it came. */
export function numeric(text: string): number | string {
  const value = Number(text)
  return text.trim() === '' || Number.isNaN(value) ? text : value
}

/** `500,2000` as a list; each element a number if it is one. */
export function numericList(text: string): (number | string)[] {
  return text.split(',').map((part) => numeric(part.trim()))
}

const unitSeconds = { s: 1, m: 60, h: 3600 } as const

/**
 * Seconds of a duration such as `90s`, `30m` or `1.5h`.
 *
 * @throws {OuterloopError} `INVALID_OPTION` if it is none: the library's option, a number of seconds, has another name.
 */
export function duration(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)([smh])$/.exec(text.trim()) ?? []
  const seconds = Number(amount) * unitSeconds[unit as keyof typeof unitSeconds]
  if (seconds > 0) return seconds
  throw new OuterloopError('INVALID_OPTION', `expected a duration > 0 such as 90s, 30m or 2h, got ${text}`)
}

/** What `--max-memory` is, for `--help`. */
export const memoryHelp =
  'most memory that data and inner problems may take, such as 512m or 16g; does not change the result (default: 8g)'

const unitBytes = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 } as const

/**
 * Bytes of a size such as `512m`, `16g` or `16GiB`.
 *
 * @throws {OuterloopError} `INVALID_OPTION` if it is none.
 */
export function size(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)([kmgt]?)(?:i?b)?$/.exec(text.trim().toLowerCase()) ?? []
  const bytes = Math.floor(Number(amount) * unitBytes[(unit ?? '') as keyof typeof unitBytes])
  if (bytes > 0 && Number.isSafeInteger(bytes)) return bytes
  throw new OuterloopError('INVALID_OPTION', `expected a size > 0 such as 512m or 16g, got ${text}`)
}
