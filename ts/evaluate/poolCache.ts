/**
 * Keeps the baseline pool's curves of a task on disk: they do not depend on the learned optimizer, and are most of the
 * work of an evaluation. A file is named by the sha256 of everything the curves depend on.
 */
import { createHash } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
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

/** Reads a file of the cache; undefined when it is not there or cannot be used, and then it is written anew. */
export async function readPoolCache(
  path: string,
  numSettings: number,
  numSeeds: number,
): Promise<PoolCurves | undefined> {
  try {
    const curves: unknown = JSON.parse(await readFile(path, 'utf8'), restoreNonFinite)
    return isPool(curves, numSettings, numSeeds) ? curves : undefined
  } catch {
    return undefined
  }
}

/** Writes a file of the cache. Numbers keep every digit, so a cached evaluation equals a fresh one to the bit. */
export async function writePoolCache(path: string, curves: PoolCurves): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeAtomically(path, JSON.stringify(curves))
}

/** JSON has no infinity: it writes `null`, and in a curve that can only mean "not finite". */
function restoreNonFinite(_key: string, value: unknown): unknown {
  return value === null ? Number.POSITIVE_INFINITY : value
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
