import { OuterloopError } from '../errors.js'
import { readJsonFile } from '../files/jsonFile.js'

/**
 * Reads the options in a JSON file. They are not checked here: give them to `parseTrainConfig`.
 *
 * @throws {OuterloopError} `INVALID_OPTION` if the file cannot be read, is no regular file, or is not a JSON object.
 */
export async function loadConfigFile(path: string): Promise<Record<string, unknown>> {
  const value = await readJsonFile(path, 'INVALID_OPTION')
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  const kind = value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`
  throw new OuterloopError('INVALID_OPTION', `expected ${path} to hold a JSON object, got ${kind}`)
}
