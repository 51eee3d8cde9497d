/** Writing files so that a crash leaves the old one or the new one, never a half. */
import { open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** Writes `data` to a temporary file beside `path`, flushes it to the disk and renames it over `path`. */
export async function writeAtomically(path: string, data: Uint8Array | string): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`)
  try {
    const file = await open(temporary, 'w')
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
    throw error
  }
  await syncDirectory(dirname(path))
}

/**
 * Deletes the temporary files in a directory that writers left who were killed.
 *
 * Call it before this process writes there itself: a container often gives a restarted program its old process id, so
 * files with our own are taken for those of the one before.
 */
export async function removeLeftovers(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const [, pid] = /^\..+\.(\d+)\.tmp$/.exec(name) ?? []
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
