import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
  t.is(await readPoolCache(path, 2, 1), undefined)
  await writePoolCache(path, [[curve], [curve]])
  t.deepEqual(await readPoolCache(path, 2, 1), [[curve], [curve]])
})

test('a cached pool of another size, torn, or of another kind is not used', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'outerloop-cache-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const path = poolCachePath(directory, 'key')
  await writePoolCache(path, [[curve]])
  t.is(await readPoolCache(path, 2, 1), undefined)
  t.is(await readPoolCache(path, 1, 2), undefined)
  for (const content of [
    '[[{"steps":[0],"outer',
    '[[{"steps":[0,10],"outerValid":[1],"test":[1,2]}]]',
    '[[null]]',
    '"x"',
  ]) {
    await writeFile(path, content)
    t.is(await readPoolCache(path, 1, 1), undefined, content)
  }
})

test('a key names its content, not the order of its fields', (t) => {
  t.is(contentHash({ a: 1, b: { c: [1, 2], d: 2 } }), contentHash({ b: { d: 2, c: [1, 2] }, a: 1 }))
  t.not(contentHash({ a: [1, 2] }), contentHash({ a: [2, 1] }))
  // sha256 of the seven bytes {"a":1}: printf '{"a":1}' | sha256sum
  t.is(contentHash({ a: 1 }), '015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862')
})
