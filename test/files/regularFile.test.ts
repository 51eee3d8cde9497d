/** Every reader of files that users name refuses, at once, what is no regular file: a pipe without a writer never ends. */
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { loadConfigFile } from '../../ts/config/configFile.js'
import type { ErrorCode } from '../../ts/errors.js'
import { readPoolCache } from '../../ts/evaluate/poolCache.js'
import { readRegularFile } from '../../ts/files/regularFile.js'
import { train } from '../../ts/outer/train.js'
import { loadTheta } from '../../ts/weights/thetaFile.js'
import { loadWeights } from '../../ts/weights/weightFile.js'
import { inspectWeights } from '../../ts/weights/weightInspection.js'
import { tinyRun } from '../engine/tiny.js'
import { outerloop, releasedCelo, temporaryDirectory } from '../program.js'
import { absent, hugeFile, specialFiles } from './specialFiles.js'

const options = { code: 'DATA_INVALID', maxBytes: 1000 } as const

function linuxTest(title: string, body: (t: ExecutionContext) => Promise<void>) {
  if (absent === undefined) test(title, body)
  else test.skip(`${title} (skipped: ${absent})`, body)
}

/** The readers, and whether each takes a directory for PyLO's. */
const readers: [name: string, code: ErrorCode, read: (path: string) => Promise<unknown>, pylo?: true][] = [
  ['loadConfigFile', 'INVALID_OPTION', loadConfigFile],
  ['loadTheta', 'CHECKPOINT_INVALID', loadTheta],
  ['loadWeights', 'CHECKPOINT_INVALID', loadWeights, true],
  ['inspectWeights', 'CHECKPOINT_INVALID', inspectWeights, true],
  ['start.theta', 'CHECKPOINT_INVALID', (theta) => train(tinyRun({ start: { theta } })), true],
]

for (const [name, code, read, pylo] of readers) {
  linuxTest(`${name} refuses pipes, devices, directories and /proc`, async (t) => {
    for (const { path, got } of specialFiles(await temporaryDirectory(t))) {
      const { message } = await t.throwsAsync(read(path), { code }, path)
      // What is missing in a directory of PyLO's is another complaint.
      if (pylo && got === 'a directory') continue
      t.is(message, `expected ${path} to be a regular file, got ${got}`)
    }
  })
}

linuxTest('a part of a PyLO directory that is a pipe is refused', async (t) => {
  const directory = await temporaryDirectory(t)
  const { path } = specialFiles(directory)[0]!
  await mkdir(join(directory, 'pylo'))
  await symlink(path, join(directory, 'pylo', 'config.json'))
  await writeFile(join(directory, 'pylo', 'model.safetensors'), '')
  const { message } = await t.throwsAsync(loadWeights(join(directory, 'pylo')), {
    code: 'CHECKPOINT_INVALID',
  })
  t.regex(message, /pylo\/config\.json to be a regular file, got a named pipe$/)
})

linuxTest('what stands in the place of a cached pool is told and not used', async (t) => {
  for (const { path, got } of specialFiles(await temporaryDirectory(t))) {
    const notes: string[] = []
    t.is(await readPoolCache(path, 1, 1, (note) => notes.push(note)), undefined)
    t.deepEqual(notes, [
      `expected ${path} to be a regular file, got ${got}. The baselines are measured anew.`,
    ])
  }
})

linuxTest('the command line refuses a pipe and does not wait', async (t) => {
  const directory = await temporaryDirectory(t)
  const { path } = specialFiles(directory)[0]!
  const out = join(directory, 'run')
  for (const args of [
    ['train', '--config', path, '--out', out],
    ['train', '--start', path, '--out', out],
    ['eval', path],
    ['eval', releasedCelo, '--optimizer', path],
    ['weights', 'inspect', path],
  ]) {
    const { code, stderr } = await outerloop(...args)
    t.is(code, 2, stderr)
    t.is(stderr, `outerloop: expected ${path} to be a regular file, got a named pipe\n`)
  }
})

test('a file is read to its end; an empty one, and one behind a link, too', async (t) => {
  const directory = await temporaryDirectory(t)
  const [full, empty, link] = ['full', 'empty', 'link'].map((name) => join(directory, name))
  const bytes = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 251))
  await writeFile(full!, bytes)
  await writeFile(empty!, '')
  await symlink(full!, link!)
  t.deepEqual(await readRegularFile(full!, options), bytes)
  t.deepEqual(await readRegularFile(link!, options), bytes)
  t.is((await readRegularFile(empty!, options)).length, 0)
})

test('a file that is too large is refused by its size, before anything is read', async (t) => {
  const path = hugeFile(await temporaryDirectory(t), 2 ** 40)
  const message = `expected ${path} to be at most 1000 bytes, got ${2 ** 40}`
  await t.throwsAsync(readRegularFile(path, options), { code: 'DATA_INVALID', message })
  await t.throwsAsync(loadWeights(path), { code: 'CHECKPOINT_INVALID' })
  await t.throwsAsync(loadConfigFile(path), { code: 'INVALID_OPTION' })
})

test('what the system refuses is said in words', async (t) => {
  const directory = await temporaryDirectory(t)
  const [file, circle] = ['file', 'circle'].map((name) => join(directory, name))
  await writeFile(file!, '')
  await symlink(circle!, circle!)
  for (const [path, got] of [
    [join(directory, 'none'), 'no such file or directory (ENOENT)'],
    [join(file!, 'below'), 'a path that leads through a file (ENOTDIR)'],
    [circle!, 'a circle of links (ELOOP)'],
    [join(directory, 'x'.repeat(300)), 'a name that is too long (ENAMETOOLONG)'],
  ] as const) {
    const message = `expected ${path} to be a readable file, got ${got}`
    await t.throwsAsync(readRegularFile(path, options), { code: 'DATA_INVALID', message })
  }
  const { message } = await t.throwsAsync(readRegularFile('a\0b', options), { code: 'DATA_INVALID' })
  t.is(message, 'expected a\\u0000b to be a readable file, got a path with a null character')
})
