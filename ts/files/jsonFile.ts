/** JSON text as editors and shells write it: UTF-8, with or without a byte-order mark. */
import { type ErrorCode, OuterloopError } from '../errors.js'
import { readRegularFile } from './regularFile.js'

/** Most bytes of a JSON file: a config is a few kilobytes. */
const MAX_BYTES = 64 * 2 ** 20

/**
 * Reads and parses a JSON file.
 *
 * @throws {OuterloopError} With `code` if it cannot be read, is no regular file, or holds no JSON.
 */
export async function readJsonFile(path: string, code: ErrorCode): Promise<unknown> {
  const text = decodeText(await readRegularFile(path, { code, maxBytes: MAX_BYTES }), path, code)
  return parseJson(text, path, code)
}

/**
 * UTF-8 as text, without its byte-order mark.
 *
 * @param path - How errors call it.
 * @throws {OuterloopError} With `code` if it is of another encoding, such as the UTF-16 of a Windows shell's redirection.
 */
export function decodeText(bytes: Uint8Array, path: string, code: ErrorCode): string {
  const refused = (got: string, cause?: unknown) =>
    new OuterloopError(code, `expected ${path} to be UTF-8, got ${got}`, { cause })
  if (isUtf16(bytes)) throw refused('UTF-16: save it as UTF-8')
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw refused('bytes of another encoding', cause)
  }
}

/**
 * Parses JSON, perhaps behind a byte-order mark.
 *
 * @param what - How errors call it.
 * @throws {OuterloopError} With `code` if it is none.
 */
export function parseJson(text: string, what: string, code: ErrorCode): unknown {
  try {
    return JSON.parse(text.replace(/^\ufeff/, ''))
  } catch (cause) {
    const message = `expected ${what} to be JSON, got ${(cause as Error).message}`
    throw new OuterloopError(code, message, { cause })
  }
}

/** By its byte-order mark, or by the null byte in the first character, which JSON text never has. */
function isUtf16([first, second]: Uint8Array): boolean {
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) return true
  return second !== undefined && (first === 0) !== (second === 0)
}
