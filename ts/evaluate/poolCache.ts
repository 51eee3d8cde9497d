/**
 * Keeps the baseline pool's curves of a task on disk: they do not depend on the learned optimizer, and are most of the
 * work of an evaluation. A file is named by the sha256 of everything the curves depend on, and holds one of its content:
 * a damaged file would change scores without a word. What goes wrong here costs time, never an evaluation.
 */
import { createHash } from 'node:crypto'
import { basename, dirname, join } from 'node:path'
import { OuterloopError } from '../errors.js'
import { readJsonFile } from '../files/jsonFile.js'
import { makeDirectory, systemCode } from '../files/systemError.js'
import { writeAtomically } from '../weights/atomicFile.js'
import type { RunCurve } from './curves.js'

/** Curves of every setting of the pool on one task: `[setting][seed]`. */
export type PoolCurves = RunCurve[][]

/** sha256 of a JSON value, whatever the order of its keys. */
export function contentHash(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value, sortKeys)).digest('hex')
}

/** File of the cache that belongs to a key. */
export function poolCachePath(directory: string, key: unknown): string {
  return join(directory, `pool-${contentHash(key)}.json`)
}

/**
 * Reads a file of the cache.
 *
 * @param onNote - Told why a file that is there cannot be used.
 * @returns Undefined when there is none that can be used; it is then written anew.
 */
export async function readPoolCache(
  path: string,
  numSettings: number,
  numSeeds: number,
  onNote: (message: string) => void,
): Promise<PoolCurves | undefined> {
  try {
    const entry = (await readJsonFile(path, 'DATA_INVALID')) as Partial<Record<'sha256' | 'curves', unknown>>
    if (typeof entry?.sha256 !== 'string' || entry.sha256 !== checksum(path, entry.curves)) {
      throw new OuterloopError('DATA_INVALID', `expected ${path} to have the checksum of what it holds`)
    }
    const curves = restoreNonFinite(entry.curves)
    if (isPool(curves, numSettings, numSeeds)) return curves
    throw new OuterloopError('DATA_INVALID', `expected ${path} to hold the curves of the baselines`)
  } catch (error) {
    // A directory that cannot be is told when it is written.
    if (!['ENOENT', 'ENOTDIR'].includes(systemCode(error as Error) ?? '')) {
      const { message } = error as Error
      const what = error instanceof OuterloopError ? message : `expected ${path} to be usable, got ${message}`
      onNote(`${what}. The baselines are measured anew.`)
    }
    return undefined
  }
}

/**
 * Writes a file of the cache. Numbers keep every digit, so a cached evaluation equals a fresh one to the bit.
 *
 * @throws {OuterloopError} `WRITE_FAILED` if it cannot be written.
 */
export async function writePoolCache(path: string, curves: PoolCurves): Promise<void> {
  await makeDirectory(dirname(path))
  await writeAtomically(path, JSON.stringify({ sha256: checksum(path, curves), curves }))
}

/** Of the file's name too, which says what the curves depend on: a file that was renamed is not used. */
function checksum(path: string, curves: unknown): string {
  return createHash('sha256')
    .update(`${basename(path)}\n${JSON.stringify(curves)}`)
    .digest('hex')
}

/** JSON has no infinity: it writes `null`, and in a curve that can only mean "not finite". */
function restoreNonFinite(curves: unknown): unknown {
  if (curves === null) return Number.POSITIVE_INFINITY
  if (Array.isArray(curves)) return curves.map(restoreNonFinite)
  if (typeof curves !== 'object') return curves
  return Object.fromEntries(Object.entries(curves).map(([key, value]) => [key, restoreNonFinite(value)]))
}

function isPool(value: unknown, numSettings: number, numSeeds: number): value is PoolCurves {
  return (
    Array.isArray(value) &&
    value.length === numSettings &&
    value.every((seeds) => Array.isArray(seeds) && seeds.length === numSeeds && seeds.every(isCurve))
  )
}

function isCurve(value: unknown): value is RunCurve {
  const { steps, outerValid, test } = (value ?? {}) as Partial<Record<keyof RunCurve, unknown>>
  return [steps, outerValid, test].every(
    (points) =>
      Array.isArray(points) &&
      points.length === (steps as unknown[]).length &&
      points.every((point) => typeof point === 'number'),
  )
}

function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
