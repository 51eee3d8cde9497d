/** README.md tells what is there. `scripts/readme-commands.ts` runs its commands. */
import { existsSync, readFileSync } from 'node:fs'
import test from 'ava'
import { presetNames } from '../ts/config/presets.js'

const root = new URL('../', import.meta.url)
const readme = readFileSync(new URL('README.md', root), 'utf8')

test('the library example is examples/train-and-evaluate.ts, which is compiled against the built package', (t) => {
  const [, example] = /^```ts\n([\s\S]*?)^```$/m.exec(readme) ?? []
  t.is(example, readFileSync(new URL('examples/train-and-evaluate.ts', root), 'utf8'))
})

test('every npm script that the documents name exists', (t) => {
  const { scripts } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as {
    scripts: Record<string, string>
  }
  for (const name of ['README.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md', 'PARITY.md']) {
    const text = readFileSync(new URL(name, root), 'utf8')
    for (const [, script] of text.matchAll(/npm run ([\w:]+)/g))
      t.true(script! in scripts, `${name}: npm run ${script}`)
  }
})

test('every file that the documents name exists', (t) => {
  const paths =
    /(?<![\w/.-])((?:ts|test|crates|scripts|examples|benchmarks|data|presets)\/[\w/.-]*\.(?:ts|rs|md|json|gz))/g
  for (const name of ['README.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md', 'PARITY.md']) {
    const text = readFileSync(new URL(name, root), 'utf8')
    for (const [, path] of text.matchAll(paths)) {
      // NAME stands for what a contributor adds.
      t.true(path!.includes('NAME') || existsSync(new URL(path!, root)), `${name}: ${path}`)
    }
  }
})

test('presets that the README names exist', (t) => {
  for (const [, name] of readme.matchAll(/[Pp]reset `([\w-]+)`/g))
    t.true((presetNames as readonly string[]).includes(name!))
})
