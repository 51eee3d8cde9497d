/** What the operating system refuses, in words, and as errors of this package. */
import { access, constants, mkdir } from 'node:fs/promises'
import { OuterloopError } from '../errors.js'

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'no permission',
  EPERM: 'no permission',
  EDQUOT: 'a used up quota',
  EEXIST: 'something else of that name',
  EFBIG: 'a file that is too large',
  EINVAL: 'a path that the system refuses',
  EIO: 'a failing device',
  EISDIR: 'a directory',
  ELOOP: 'a circle of links',
  EMFILE: 'too many open files',
  ENAMETOOLONG: 'a name that is too long',
  ENFILE: 'too many open files',
  ENOENT: 'no such file or directory',
  ENOSPC: 'a full disk',
  ENOTDIR: 'a path that leads through a file',
  ENXIO: 'a pipe or device without another end',
  EROFS: 'a read-only file system',
}

/** Why the system refused, for after "got": `no permission (EACCES)`. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === undefined) return message ?? String(error)
  const words = reasons[code]
  if (words !== undefined) return `${words} (${code})`
  return code === 'ERR_INVALID_ARG_VALUE' ? 'a path with a null character' : code
}

/** The `WRITE_FAILED` error for what kept `path` from being written. */
export function writeFailure(path: string, cause: unknown): OuterloopError {
  if (cause instanceof OuterloopError) return cause
  const message = `expected ${path} to be writable, got ${reasonOf(cause)}`
  return new OuterloopError('WRITE_FAILED', message, { cause })
}

/** The system's code behind an error, such as `ENOSPC`; undefined if there is none. */
export function systemCode(error: Error): string | undefined {
  const behind = error instanceof OuterloopError ? error.cause : error
  return (behind as NodeJS.ErrnoException | undefined)?.code
}

/** Whether files could not be written or the system refused something: all else is a bug. */
export function isFileFailure(error: unknown): error is Error {
  if (error instanceof OuterloopError) return error.code === 'WRITE_FAILED'
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).errno === 'number'
}

/**
 * Makes a directory, and those above it, if it is not there.
 *
 * @throws {OuterloopError} `WRITE_FAILED` if that cannot be, or nothing can be written there.
 */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true })
    await access(path, constants.W_OK)
  } catch (cause) {
    throw writeFailure(path, cause)
  }
}
