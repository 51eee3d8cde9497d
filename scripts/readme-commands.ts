/**
 * Runs the commands of README.md in order: npx tsx scripts/readme-commands.ts [--list | --update]
 *
 * Every ```sh block is one script and stops at its first failing command. Where a ```text block follows, it must be what
 * the script prints, to the letter; --update writes it anew. A block after a comment `<!-- not run in CI: reason -->`
 * is told and skipped.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
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

const path = fileURLToPath(new URL('../README.md', import.meta.url))
const root = fileURLToPath(new URL('..', import.meta.url))
const [isListing, isUpdating] = ['--list', '--update'].map((flag) => process.argv.includes(flag))
let passed = 0
let failed = 0
for (const { line, script, reason, output } of blocksOf(readFileSync(path, 'utf8'))) {
  const title = `README.md:${line}: ${script.trim().split('\n').join('; ')}`
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
    writeFileSync(
      path,
      readFileSync(path, 'utf8').replace(`\`\`\`text\n${output}`, () => `\`\`\`text\n${stdout}`),
    )
  }
  const hasToldOutput = isUpdating || output === undefined || stdout === output
  if (!hasToldOutput) console.log(`expected the output that README.md tells:\n${output}`)
  const isRight = status === 0 && hasToldOutput
  console.log(isRight ? 'ok' : `failed with exit code ${status}`)
  if (isRight) passed += 1
  else failed += 1
}
console.log(`README commands: ${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
