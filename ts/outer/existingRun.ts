/** What keeps a run from being overwritten: the check of the directory that a new one is to write to. */
import { mkdtemp, readdir, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { OuterloopError } from '../errors.js'

/** What a run writes and nothing else would be called, so that it tells of a run or would be overwritten by one. */
const traces =
  /^(config\.json|metrics\.jsonl|tensorboard|report\.html|(theta|theta-best|checkpoint-\d+)\.safetensors)$/

/** Figures of a run's report. They are replaced with it. */
const figures = ['meta-training.svg', 'held-out.svg']

/**
 * Refuses a directory in which a run would overwrite something, or that cannot be written. Nothing changes.
 *
 * @param isForced - Whether a run there may be replaced.
 * @throws {OuterloopError} `INVALID_OPTION` if it holds files of a run, or the path is no directory; `WRITE_FAILED` if
 *  nothing can be written there.
 */
export async function checkRunDirectory(directory: string, isForced: boolean): Promise<void> {
  const existing = await nearestExisting(directory)
  if (existing === resolve(directory) && !isForced) await refuseExistingRun(directory)
  try {
    // Permissions do not tell: root has them on a file system that is read-only, and in /proc.
    await rmdir(await mkdtemp(join(existing, '.outerloop-')))
  } catch (cause) {
    throw unwritable(directory, cause)
  }
}

/** @throws {OuterloopError} `INVALID_OPTION` if a directory holds files of a run. */
export async function refuseExistingRun(directory: string): Promise<void> {
  const trace = (await readdir(directory)).find((name) => traces.test(name))
  if (trace === undefined) return
  throw new OuterloopError(
    'INVALID_OPTION',
    `expected ${directory} to hold no files of a run, got ${trace}: continue the run with \`resume\` ` +
      `(--resume ${directory}), choose another \`out\` (--out), or replace the run with \`force\` (--force)`,
  )
}

/**
 * Deletes the files of a run in a directory, so that another one can begin there. What no training has written stays.
 *
 * @param read - Files that the new run reads.
 * @throws {OuterloopError} `INVALID_OPTION`, and nothing is deleted, if one of `read` is among them.
 */
export async function removeRun(directory: string, read: readonly string[]): Promise<void> {
  const names = await readdir(directory)
  const old = names.filter((name) => traces.test(name) || figures.includes(name))
  for (const path of read) {
    // A run that is killed before its first checkpoint reads its start again.
    if (!old.some((name) => resolve(path) === resolve(directory, name))) continue
    const message = `expected \`force\` with weights that lie outside the run that is replaced, got ${path}`
    throw new OuterloopError('INVALID_OPTION', message)
  }
  // The config comes last: without it what is left could not be resumed, and is.
  const ordered = old.filter((name) => name !== 'config.json' && name !== 'tensorboard')
  for (const name of ordered) await rm(join(directory, name), { force: true })
  if (old.includes('tensorboard')) await removeEvents(join(directory, 'tensorboard'))
  await rm(join(directory, 'config.json'), { force: true })
}

/** Event files of others stay. */
async function removeEvents(directory: string): Promise<void> {
  const names = await readdir(directory)
  const own = names.filter((name) => /^events\.out\.tfevents\.\d+\.outerloop$/.test(name))
  for (const name of own) await rm(join(directory, name), { force: true })
}

/** The error for a directory that the system keeps from being written. */
export function unwritable(directory: string, cause: unknown): OuterloopError {
  const { message } = cause as Error
  return new OuterloopError('WRITE_FAILED', `expected ${directory} to be writable, got ${message}`, { cause })
}

/** The directory, or the nearest one above it that is there: there it would be made. */
async function nearestExisting(directory: string): Promise<string> {
  for (let path = resolve(directory); ; path = dirname(path)) {
    const entry = await stat(path).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') return undefined
      throw unwritable(directory, cause)
    })
    if (entry?.isDirectory()) return path
    if (entry === undefined) continue
    const got = path === resolve(directory) ? 'something else' : `a path through ${path}, which is none`
    throw new OuterloopError('INVALID_OPTION', `expected ${directory} to be a directory, got ${got}`)
  }
}
