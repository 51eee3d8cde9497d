/**
 * Writes what TypeScript and the documentation say of optimizers' options, from the tables in crates/outerloop-optim:
 * ts/config/optimizers/{handDesigned,learned,wrappers}.ts and docs/optimizer-options.md. `npm run build` runs it after the
 * addon is built; the files are committed.
 *
 *     npx tsx scripts/generate-options.ts [--check]
 *
 * `--check` writes nothing and fails if a file is not as it would be written.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describeOptimizers } from '../index.js'
import { optionsPage } from './options/markdown.js'
import type { Described } from './options/table.js'
import { configFile, wrapperFile } from './options/typescript.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const all = JSON.parse(describeOptimizers()) as Described[]
const of = (group: Described['group']) => all.filter((optimizer) => optimizer.group === group)

const files: Record<string, string> = {
  'ts/config/optimizers/handDesigned.ts': formatted(configFile('handDesigned', of('hand_designed'))),
  'ts/config/optimizers/learned.ts': formatted(configFile('learned', of('learned'))),
  'ts/config/optimizers/wrappers.ts': formatted(wrapperFile(of('wrapper'))),
  'docs/optimizer-options.md': optionsPage(all),
}

const stale: string[] = []
for (const [path, text] of Object.entries(files)) {
  const now = read(root + path)
  if (now === text) continue
  stale.push(path)
  if (!process.argv.includes('--check')) writeFileSync(root + path, text)
}
if (process.argv.includes('--check') && stale.length > 0) {
  console.error(
    `not as the tables of options say: ${stale.join(', ')}. npx tsx scripts/generate-options.ts writes them.`,
  )
  process.exit(1)
}
console.log(stale.length === 0 ? 'options: all files are as they should be' : `options: ${stale.join(', ')}`)

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

/** As `npm run format` would have it, imports in order too. */
function formatted(text: string): string {
  const biome = `${root}node_modules/@biomejs/biome/bin/biome`
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [biome, 'check', '--write', '--stdin-file-path=ts/config/optimizers/generated.ts'],
    { cwd: root, input: text, encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(`biome check failed: ${stderr}`)
  return stdout
}
