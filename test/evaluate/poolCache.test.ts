import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import test from 'ava'
import { contentHash, poolCachePath, readPoolCache, writePoolCache } from '../../ts/evaluate/poolCache.js'

const curve = {
  steps: [0, 10, 20],
  outerValid: [2.25, 0.1 + 0.2, Number.POSITIVE_INFINITY],
  test: [1 / 3, 1e-300, 5],
}

test('a cached pool is read back to the last bit, infinities included', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'outerloop-cache-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const path = poolCachePath(join(directory, 'made', 'on-demand'), { task: 'a', steps: 20 })
  t.is(await readPoolCache(path, 2, 1, t.fail), undefined)
  await writePoolCache(path, [[curve], [curve]])
  t.deepEqual(await readPoolCache(path, 2, 1, t.fail), [[curve], [curve]])
})

test('a cached pool of another size, torn, damaged, renamed, or of another kind is told and not used', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'outerloop-cache-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const [path, other] = [poolCachePath(directory, 'key'), poolCachePath(directory, 'another')]
  await writePoolCache(path, [[curve]])
  const whole = await readFile(path, 'utf8')
  const refused = async (path: string, numSettings: number, numSeeds: number, what: string) => {
    const notes: string[] = []
    t.is(await readPoolCache(path, numSettings, numSeeds, (note) => notes.push(note)), undefined, what)
    t.is(notes.length, 1, what)
    t.true(notes[0]!.includes(path) && notes[0]!.endsWith('The baselines are measured anew.'), notes[0])
  }
  await refused(path, 2, 1, 'other settings')
  await refused(path, 1, 2, 'other seeds')
  await rename(path, other)
  await refused(other, 1, 1, 'renamed')
  for (const content of [
    whole.slice(0, -3),
    // Still JSON, still curves: only the checksum knows.
    whole.replace('2.25', '2.35'),
    whole.replace('"test"', '"tset"'),
    whole.replace(/"sha256":"./, '"sha256":"'),
    JSON.stringify([[curve]]),
    JSON.stringify({ curves: [[curve]] }),
    `{"sha256":"x","curves":${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
    'null',
    '"x"',
    '',
  ]) {
    t.not(content, whole)
    await writeFile(path, content)
    await refused(path, 1, 1, content.slice(0, 80))
  }
})

test('writers of one entry at once leave a whole one, and nothing else', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'outerloop-cache-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const path = poolCachePath(directory, 'key')
  const long = Array.from({ length: 20_000 }, (_, i) => 1 / (i + 1))
  const pool = [[{ steps: long.map((_, i) => i), outerValid: long, test: long }]]
  await Promise.all(Array.from({ length: 8 }, () => writePoolCache(path, pool)))
  t.deepEqual(await readPoolCache(path, 1, 1, t.fail), pool)
  t.deepEqual(await readdir(directory), [basename(path)])
})

test('a key names its content, not the order of its fields', (t) => {
  t.is(contentHash({ a: 1, b: { c: [1, 2], d: 2 } }), contentHash({ b: { d: 2, c: [1, 2] }, a: 1 }))
  t.not(contentHash({ a: [1, 2] }), contentHash({ a: [2, 1] }))
  // sha256 of the seven bytes {"a":1}: printf '{"a":1}' | sha256sum
  t.is(contentHash({ a: 1 }), '015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862')
})
