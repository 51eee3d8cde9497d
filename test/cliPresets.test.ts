/** `outerloop presets` as a user meets it. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { loadConfigFile } from '../ts/config/configFile.js'
import { presetNames, recipes } from '../ts/config/presets.js'
import { parseTrainConfig } from '../ts/config/trainConfig.js'
import { outerloop, temporaryDirectory } from './program.js'

test.serial('presets list prints a line for every preset; --json the same as data', async (t) => {
  const [plain, json] = await Promise.all([
    outerloop('presets', 'list'),
    outerloop('presets', 'list', '--json'),
  ])
  t.is(plain.code, 0, plain.stderr)
  const rows = JSON.parse(json.stdout) as { name: string; recipe: string; innerSteps: number }[]
  t.deepEqual(
    rows.map(({ name }) => name),
    [...presetNames],
  )
  for (const { name } of rows) t.regex(plain.stdout, new RegExp(`^ +${name} .* inner steps `, 'm'))
  for (const { summary } of recipes) t.true(plain.stdout.includes(`${summary}\n`))
  const innerSteps = (name: string) => rows.find((row) => row.name === name)?.innerSteps
  // 2 lanes × pairs × inner steps × outer steps, of truncations of 50.
  t.is(innerSteps('quick'), 2 * 48 * 50 * 833)
  t.is(innerSteps('celo'), 2 * 24 * 50 * 100_000)
  // Three lanes, one of them without perturbation; truncations of 300 inner steps in the mean.
  t.is(innerSteps('paper2020'), 3 * 16 * 300 * 10_000)
  // Of phase 2: 300 outer steps at 300 inner steps, then a line from 300 to 10,000 over 10,000 outer steps.
  t.is(innerSteps('paper2020-2'), 3 * 16 * (300 * 300 + 5150 * 10_000))
  // Two lanes; the mean of a log-uniform length is (b − a)/ln(b/a), and rounding changes the last digits.
  const velo = (2 * 64 * (20_000 - 100) * 100_000) / Math.log(200)
  t.true(Math.abs(innerSteps('velo')! / velo - 1) < 1e-12)
})

test.serial('presets show prints source, differences and the complete config', async (t) => {
  const { code, stdout } = await outerloop('presets', 'show', 'celo-2')
  t.is(code, 0)
  const shown = JSON.parse(stdout) as Record<string, unknown>
  const { source, differences } = recipes.find(({ name }) => name === 'celo')!
  t.like(shown, { name: 'celo-2', recipe: 'celo' })
  t.deepEqual(shown.phases, ['celo', 'celo-2'])
  t.deepEqual(shown.source, source)
  t.deepEqual(shown.differences, differences)
  t.deepEqual(shown.config, parseTrainConfig({ preset: 'celo-2' }))
})

test.serial('presets show --config prints what train --config reads', async (t) => {
  const { code, stdout } = await outerloop('presets', 'show', 'broad', '--config')
  t.is(code, 0)
  const path = join(await temporaryDirectory(t), 'broad.json')
  await writeFile(path, stdout)
  t.deepEqual(parseTrainConfig(await loadConfigFile(path)), parseTrainConfig({ preset: 'broad' }))
})

test.serial('an unknown preset: exit code 2, with the one that was meant', async (t) => {
  const { code, stdout, stderr } = await outerloop('presets', 'show', 'celo2-bse')
  t.is(code, 2)
  t.is(stdout, '')
  t.regex(stderr, /^outerloop: expected `preset` to be one of .*\(did you mean "celo2-base"\?\)\n$/)
})
