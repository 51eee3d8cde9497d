/** Files are written whole, in no place but that of a file. */
import { execFileSync } from 'node:child_process'
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { optimizerConfigSchema } from '../../ts/config/optimizerConfig.js'
import { OuterloopError } from '../../ts/errors.js'
import { initTheta } from '../../ts/native.js'
import { writeReport } from '../../ts/report/report.js'
import { writeAtomically } from '../../ts/weights/atomicFile.js'
import { saveWeights } from '../../ts/weights/weightFile.js'
import { temporaryDirectory } from '../program.js'

test('many writers of one file at once: one of them stays, whole, and nothing else', async (t) => {
  const directory = await temporaryDirectory(t)
  const path = join(directory, 'file')
  const texts = Array.from({ length: 10 }, (_, i) => String(i).repeat(200_000))
  await Promise.all(texts.map((text) => writeAtomically(path, text)))
  t.true(texts.includes(await readFile(path, 'utf8')))
  t.deepEqual(await readdir(directory), ['file'])
})

const posixTest = process.platform === 'win32' ? test.skip : test

posixTest('a pipe, a directory or a device is not replaced by a file, nor is a link to one', async (t) => {
  const directory = await temporaryDirectory(t)
  const [pipe, folder, link] = ['pipe', 'folder', 'link'].map((name) => join(directory, name))
  execFileSync('mkfifo', [pipe!])
  await mkdir(folder!)
  // As /dev/stdout is one.
  await symlink('/dev/null', link!)
  for (const [path, got] of [
    [pipe!, 'a named pipe'],
    [folder!, 'a directory'],
    [link!, 'a device'],
  ] as const) {
    const before = await stat(path)
    const message = `expected ${path} to be a file, got ${got}`
    await t.throwsAsync(writeAtomically(path, 'x'), { code: 'WRITE_FAILED', message })
    t.is((await stat(path)).mode, before.mode)
  }
  t.deepEqual((await readdir(directory)).sort(), ['folder', 'link', 'pipe'])
})

test('what the system refuses is WRITE_FAILED with the reason in words, for every writer', async (t) => {
  const directory = await temporaryDirectory(t)
  const file = join(directory, 'file')
  await writeFile(file, '')
  const optimizer = optimizerConfigSchema.parse({ name: 'celo2' })
  const trained = { optimizer, theta: initTheta(optimizer, 0, 0) }
  for (const write of [
    () => writeReport(join(file, 'report'), { title: 'x' }),
    () => saveWeights(join(file, 'theta.safetensors'), trained),
    () => saveWeights(join(file, 'theta.state'), trained, { format: 'flax' }),
    () => saveWeights(join(file, 'pylo'), trained, { format: 'pylo' }),
    () => saveWeights(join(directory, 'none', 'theta.state'), trained, { format: 'flax' }),
  ]) {
    const error = await t.throwsAsync(write, { instanceOf: OuterloopError, code: 'WRITE_FAILED' })
    t.regex(
      error.message,
      /^expected .* to be writable, got (a path that leads through a file \(ENOTDIR\)|no such file or directory \(ENOENT\))$/,
    )
  }
})
