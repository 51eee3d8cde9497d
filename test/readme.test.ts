/** README.md and the pages of docs/ tell what is there. `scripts/docs-commands.ts` runs their commands. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import test from 'ava'
import { presetNames } from '../ts/config/presets.js'

const root = new URL('../', import.meta.url)
const readme = readFileSync(new URL('README.md', root), 'utf8')
const pages = readdirSync(new URL('docs', root))
  .filter((name) => name.endsWith('.md'))
  .map((name) => `docs/${name}`)
const documents = ['README.md', 'CONTRIBUTING.md', 'ARCHITECTURE.md', 'PARITY.md', ...pages]

test('the library example is examples/train-and-evaluate.ts, which is compiled against the built package', (t) => {
  const [, example] = /^```ts\n([\s\S]*?)^```$/m.exec(readme) ?? []
  t.is(example, readFileSync(new URL('examples/train-and-evaluate.ts', root), 'utf8'))
})

test('every npm script that the documents name exists', (t) => {
  const { scripts } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as {
    scripts: Record<string, string>
  }
  for (const name of documents) {
    const text = readFileSync(new URL(name, root), 'utf8')
    for (const [, script] of text.matchAll(/npm run ([\w:]+)/g))
      t.true(script! in scripts, `${name}: npm run ${script}`)
  }
})

test('every file that the documents name exists', (t) => {
  const paths =
    /(?<![\w/.-])((?:ts|test|crates|scripts|examples|benchmarks|data|presets)\/[\w/.-]*\.(?:ts|rs|md|json|gz))/g
  for (const name of documents) {
    const text = readFileSync(new URL(name, root), 'utf8')
    for (const [, path] of text.matchAll(paths)) {
      // NAME stands for what a contributor adds.
      t.true(path!.includes('NAME') || existsSync(new URL(path!, root)), `${name}: ${path}`)
    }
  }
})

test('presets that the documents name exist', (t) => {
  for (const page of documents) {
    const text = readFileSync(new URL(page, root), 'utf8')
    for (const [, name] of text.matchAll(/[Pp]reset `([\w-]+)`/g))
      t.true((presetNames as readonly string[]).includes(name!), `${page}: ${name}`)
  }
})

test('links between the documents lead to files', (t) => {
  for (const page of documents) {
    const text = readFileSync(new URL(page, root), 'utf8')
    for (const [, link] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g))
      t.true(existsSync(new URL(link!, new URL(page, root))), `${page}: ${link}`)
  }
})

test('the README is short, and its example comes first', (t) => {
  const lines = readme.split('\n')
  t.true(lines.length <= 150)
  const start = lines.indexOf('```ts')
  t.true(start > 0 && start < 30)
  t.true(lines.indexOf('```', start) - start <= 20)
})

test('every page of docs/ can be reached from the README', (t) => {
  for (const page of pages) t.true(readme.includes(`](${page})`), page)
})
