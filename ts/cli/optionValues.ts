/** Values of command line options. They are only converted here; the schemas check them and say what is wrong. */
import { cpuNames } from '../config/fields.js'

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
