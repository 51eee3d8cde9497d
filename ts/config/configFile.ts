import { readFile } from 'node:fs/promises'
import { OuterloopError } from '../errors.js'

/**
 * Reads the options in a JSON file. They are not checked here: give them to `parseTrainConfig`.
 *
 * @throws {OuterloopError} `INVALID_OPTION` if the file cannot be read, or is not a JSON object.
 */
export async function loadConfigFile(path: string): Promise<Record<string, unknown>> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause)
    throw new OuterloopError('INVALID_OPTION', `expected ${path} to be a readable file, got ${reason}`, {
      cause,
    })
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    const reason = (cause as Error).message
    throw new OuterloopError('INVALID_OPTION', `expected ${path} to be JSON, got ${reason}`, { cause })
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  const kind = value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`
  throw new OuterloopError('INVALID_OPTION', `expected ${path} to hold a JSON object, got ${kind}`)
}
