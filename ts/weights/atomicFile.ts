/** Writing files so that a crash leaves the old one or the new one, never a half. */
import { randomBytes } from 'node:crypto'
import { open, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { OuterloopError } from '../errors.js'
import { kindOf } from '../files/regularFile.js'
import { writeFailure } from '../files/systemError.js'

/**
 * Writes `data` to a temporary file beside `path`, flushes it to the disk and renames it over `path`. Several writers at
 * once do not meet: the last one's file stays.
 *
 * @throws {OuterloopError} `WRITE_FAILED` if that cannot be, or `path` is a pipe, a device or a directory.
 */
export async function writeAtomically(path: string, data: Uint8Array | string): Promise<void> {
  await refuseOtherKinds(path)
  const temporary = join(dirname(path), temporaryName(basename(path)))
  try {
    const file = await open(temporary, 'wx')
    try {
      await file.writeFile(data)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    // What went wrong first is what there is to tell.
    await rm(temporary, { force: true }).catch(() => undefined)
    throw writeFailure(path, error)
  }
  await syncDirectory(dirname(path))
}

/** A rename would put a file in the place of a device such as `/dev/full`, or of what a link such as `/dev/stdout` names. */
async function refuseOtherKinds(path: string): Promise<void> {
  // Whatever keeps it from being looked at will keep it from being written, and is reported then.
  const entry = await stat(path).catch(() => undefined)
  if (entry === undefined || entry.isFile()) return
  throw new OuterloopError('WRITE_FAILED', `expected ${path} to be a file, got ${kindOf(entry)}`)
}

/** Of this process, and of this call: process ids are the same in two containers. */
function temporaryName(name: string): string {
  return `.${name}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`
}

/**
 * Deletes the temporary files in a directory that writers left who were killed.
 *
 * Call it before this process writes there itself: a container often gives a restarted program its old process id, so
 * files with our own are taken for those of the one before.
 */
export async function removeLeftovers(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const [, pid] = /^\..+\.(\d+)(?:-[0-9a-f]+)?\.tmp$/.exec(name) ?? []
    if (pid !== undefined && !isOtherProcess(Number(pid))) await rm(join(directory, name), { force: true })
  }
}

function isOtherProcess(pid: number): boolean {
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}

/** Makes a rename survive a power failure. Systems that cannot open a directory do without. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r').catch(() => undefined)
  try {
    await directory?.sync().catch(() => undefined)
  } finally {
    await directory?.close()
  }
}
