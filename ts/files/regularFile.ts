/**
 * Reading files that users name. Only regular files are read: a pipe would wait for a writer who may never come, a device
 * may have no end, and what the system makes up as it is read (`/proc`) has no size that could be checked.
 */
import { constants, type FileHandle, open, stat } from 'node:fs/promises'
import { type ErrorCode, OuterloopError } from '../errors.js'
import { reasonOf } from './systemError.js'

/** How a file is read. */
export interface ReadOptions {
  /** Code of the error if it cannot be. */
  code: ErrorCode
  /** Most bytes it may have. */
  maxBytes: number
}

/**
 * The bytes of a regular file.
 *
 * @throws {OuterloopError} With `code`, at once: if it is not there, cannot be read, is no regular file or is too large.
 */
export async function readRegularFile(path: string, { code, maxBytes }: ReadOptions): Promise<Buffer> {
  const refused = (expected: string, got: string, cause?: unknown) =>
    new OuterloopError(code, `expected ${path} to be ${expected}, got ${got}`, { cause })
  const check = (entry: Stats) => {
    if (!entry.isFile()) throw refused('a regular file', kindOf(entry))
    if (entry.size > maxBytes) throw refused(`at most ${maxBytes} bytes`, String(entry.size))
  }
  let file: FileHandle | undefined
  try {
    // Before it is opened, which for a device may mean something, and after, when it can no longer become another file.
    check(await stat(path))
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    const entry = await file.stat()
    check(entry)
    const bytes = await readBytes(file, entry.size)
    if (bytes !== undefined) return bytes
  } catch (cause) {
    if (cause instanceof OuterloopError) throw cause
    throw refused('a readable file', reasonOf(cause), cause)
  } finally {
    await file?.close()
  }
  throw refused('a regular file', 'one that the system makes up as it is read')
}

type Stats = Awaited<ReturnType<typeof stat>>

/** What is there instead of a regular file; undefined if it is one. */
export function kindOf(entry: Stats): string {
  if (entry.isDirectory()) return 'a directory'
  if (entry.isFIFO()) return 'a named pipe'
  if (entry.isSocket()) return 'a socket'
  return 'a device'
}

/** The `size` bytes that the file had when it was opened, or fewer if it has become shorter; undefined for `/proc`. */
async function readBytes(file: FileHandle, size: number): Promise<Buffer | undefined> {
  // One byte for a file that says it has none.
  const bytes = Buffer.allocUnsafe(Math.max(size, 1))
  let length = 0
  for (;;) {
    const { bytesRead } = await file.read(bytes, length, Math.min(bytes.length - length, CHUNK_BYTES))
    length += bytesRead
    if (bytesRead === 0 || length === bytes.length) break
  }
  if (size === 0 && length > 0) return undefined
  return bytes.subarray(0, length)
}

/** Linux reads at most 2 GiB at a time. */
const CHUNK_BYTES = 1 << 30
