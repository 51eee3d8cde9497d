/**
 * Runs the commands of README.md in order: npx tsx scripts/readme-commands.ts [--list]
 *
 * Every ```sh block is one script and stops at its first failing command. A block after a comment
 * `<!-- not run in CI: reason -->` is told and skipped.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

interface Block {
  line: number
  script: string
  /** Why it is not run, if it is not. */
  reason: string | undefined
}

function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = []
  let reason: string | undefined
  let open: Block | undefined
  for (const [i, line] of markdown.split('\n').entries()) {
    if (open && line === '```') {
      blocks.push(open)
      open = undefined
    } else if (open) {
      open.script += `${line}\n`
    } else if (line === '```sh') {
      open = { line: i + 1, script: '', reason }
      reason = undefined
    } else {
      const comment = /^<!-- not run in CI: (.+) -->$/.exec(line)?.[1]
      if (comment !== undefined) reason = comment
      else if (line.trim() !== '') reason = undefined
    }
  }
  return blocks
}

const root = fileURLToPath(new URL('..', import.meta.url))
const blocks = blocksOf(readFileSync(new URL('../README.md', import.meta.url), 'utf8'))
let passed = 0
let failed = 0
for (const { line, script, reason } of blocks) {
  const title = `README.md:${line}: ${script.trim().split('\n').join('; ')}`
  if (reason !== undefined || process.argv.includes('--list')) {
    console.log(reason === undefined ? title : `${title}\n  skipped: ${reason}`)
    continue
  }
  console.log(`\n${title}`)
  const { status } = spawnSync('bash', ['-euo', 'pipefail', '-c', script], { cwd: root, stdio: 'inherit' })
  console.log(status === 0 ? 'ok' : `failed with ${status}`)
  if (status === 0) passed += 1
  else failed += 1
}
console.log(`README commands: ${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
