/** JSON as Windows editors and shells save it. */
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { loadConfigFile } from '../../ts/config/configFile.js'
import { optimizerConfigSchema } from '../../ts/config/optimizerConfig.js'
import { readJsonFile } from '../../ts/files/jsonFile.js'
import { initTheta } from '../../ts/native.js'
import { readRunConfig } from '../../ts/outer/runDirectory.js'
import { loadWeights, saveWeights } from '../../ts/weights/weightFile.js'
import { outerloop, temporaryDirectory } from '../program.js'

const text = '{ "preset": "quick", "seed": 3 }'

test('a byte-order mark before JSON is no part of it', async (t) => {
  const directory = await temporaryDirectory(t)
  const path = join(directory, 'config.json')
  await writeFile(path, `\ufeff${text}`)
  t.deepEqual(await loadConfigFile(path), { preset: 'quick', seed: 3 })
  t.is((await readRunConfig(directory)).seed, 3)
})

test('--optimizer takes JSON behind a byte-order mark, in a file or as an argument', async (t) => {
  const path = join(await temporaryDirectory(t), 'optimizer.json')
  const wrong = '\ufeff{"name": "adam", "lr": -1}'
  await writeFile(path, wrong)
  for (const given of [path, wrong]) {
    const { code, stderr } = await outerloop('eval', '--optimizer', given)
    t.is(code, 2)
    // It was read: only the rate is wrong.
    t.regex(stderr, /^outerloop: expected `lr` to be [^\n]*, got -1\n$/)
  }
})

test('the config.json of a PyLO directory may begin with a byte-order mark', async (t) => {
  const directory = await temporaryDirectory(t)
  const optimizer = optimizerConfigSchema.parse({ name: 'celo2' })
  const theta = initTheta(optimizer, 0, 0)
  const [from, to] = ['plain', 'marked'].map((name) => join(directory, name)) as [string, string]
  await saveWeights(from, { theta, optimizer }, { format: 'pylo' })
  await mkdir(to)
  await copyFile(join(from, 'model.safetensors'), join(to, 'model.safetensors'))
  await writeFile(join(to, 'config.json'), `\ufeff${await readFile(join(from, 'config.json'), 'utf8')}`)
  t.deepEqual((await loadWeights(to)).theta, (await loadWeights(from)).theta)
})

test('UTF-16 and other encodings are refused by name', async (t) => {
  const path = join(await temporaryDirectory(t), 'config.json')
  const littleEndian = Buffer.from(text, 'utf16le')
  const bigEndian = Buffer.from(littleEndian).swap16()
  for (const bytes of [
    Buffer.from(`\ufeff${text}`, 'utf16le'),
    Buffer.from(`\ufeff${text}`, 'utf16le').swap16(),
    littleEndian,
    bigEndian,
  ]) {
    await writeFile(path, bytes)
    const message = `expected ${path} to be UTF-8, got UTF-16: save it as UTF-8`
    await t.throwsAsync(readJsonFile(path, 'INVALID_OPTION'), { code: 'INVALID_OPTION', message })
  }
  await writeFile(path, Buffer.from('{ "out": "é" }', 'latin1'))
  const message = `expected ${path} to be UTF-8, got bytes of another encoding`
  await t.throwsAsync(readJsonFile(path, 'INVALID_OPTION'), { code: 'INVALID_OPTION', message })
})
