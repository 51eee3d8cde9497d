/**
 * Runs the commands of README.md and of docs/, page by page: npx tsx scripts/docs-commands.ts [--list | --update]
 *
 * Every ```sh block is one script and stops at its first failing command. Where a ```text block follows, it must be what
 * the script prints, to the letter; --update writes it anew. A block after a comment `<!-- not run in CI: reason -->`
 * is told and skipped.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

interface Block {
  line: number
  script: string
  /** Why it is not run, if it is not. */
  reason: string | undefined
  /** What it must print, if that is told. */
  output: string | undefined
}

function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = []
  let reason: string | undefined
  const fences = /^<!-- not run in CI: (.+) -->$|^```(\w*)\n([\s\S]*?)^```$|^#+ /gm
  // A heading ends what a comment or a command may belong to.
  let isFollowed = false
  for (const { index, 0: whole, 1: comment, 2: language, 3: text = '' } of markdown.matchAll(fences)) {
    const last = blocks.at(-1)
    if (comment !== undefined) {
      reason = comment
    } else if (language === 'sh') {
      const line = markdown.slice(0, index).split('\n').length
      blocks.push({ line, script: text, reason, output: undefined })
      reason = undefined
      isFollowed = true
    } else if (language === 'text' && isFollowed && last) {
      last.output = text
    } else if (whole.startsWith('#')) {
      isFollowed = false
    }
  }
  return blocks
}

const root = fileURLToPath(new URL('..', import.meta.url))
const docs = readdirSync(new URL('../docs', import.meta.url)).filter((name) => name.endsWith('.md'))
const pages = ['README.md', ...docs.sort().map((name) => `docs/${name}`)]
const [isListing, isUpdating] = ['--list', '--update'].map((flag) => process.argv.includes(flag))
let passed = 0
let failed = 0
for (const page of pages) runPage(page)
console.log(`commands of the documents: ${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1

function runPage(page: string): void {
  const path = join(root, page)
  for (const { line, script, reason, output } of blocksOf(readFileSync(path, 'utf8'))) {
    const title = `${page}:${line}: ${script.trim().split('\n').join('; ')}`
    if (reason !== undefined || isListing) {
      console.log(reason === undefined ? title : `${title}\n  skipped: ${reason}`)
      continue
    }
    console.log(`\n${title}`)
    const { status, stdout } = spawnSync('bash', ['-euo', 'pipefail', '-c', script], {
      cwd: root,
      stdio: ['inherit', output === undefined ? 'inherit' : 'pipe', 'inherit'],
      encoding: 'utf8',
    })
    if (stdout) process.stdout.write(stdout)
    if (isUpdating && status === 0 && output !== undefined) {
      const text = readFileSync(path, 'utf8')
      writeFileSync(
        path,
        text.replace(`\`\`\`text\n${output}`, () => `\`\`\`text\n${stdout}`),
      )
    }
    const hasToldOutput = isUpdating || output === undefined || stdout === output
    if (!hasToldOutput) console.log(`expected the output that ${page} tells:\n${output}`)
    const isRight = status === 0 && hasToldOutput
    console.log(isRight ? 'ok' : `failed with exit code ${status}`)
    if (isRight) passed += 1
    else failed += 1
  }
}
