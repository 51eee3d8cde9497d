/** Runs the Rust tests and the TypeScript tests and counts both: npx tsx scripts/test.ts (after npm run build) */
import { spawn } from 'node:child_process'

interface Count {
  passed: number
  failed: number
}

/** Runs a program, passes its output on, and hands every line of it to `see`. Returns whether it succeeded. */
function run(command: string, args: string[], see: (line: string) => void): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let rest = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      process.stdout.write(text)
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) see(line)
    })
    child.on('error', () => resolve(false))
    child.on('close', (status) => resolve(status === 0))
  })
}

/** A suite that failed without a failed test (it did not compile, it crashed) counts as one failure. */
function completed({ passed, failed }: Count, hasSucceeded: boolean): Count {
  return { passed, failed: hasSucceeded ? failed : Math.max(1, failed) }
}

async function rustTests(): Promise<Count> {
  const count = { passed: 0, failed: 0 }
  const hasSucceeded = await run('npm', ['run', '--silent', 'test:rust'], (line) => {
    const [, passed, failed] = /^test result: \w+\. (\d+) passed; (\d+) failed/.exec(line) ?? []
    count.passed += Number(passed ?? 0)
    count.failed += Number(failed ?? 0)
  })
  return completed(count, hasSucceeded)
}

async function typescriptTests(): Promise<Count> {
  const count = { passed: 0, failed: 0 }
  const hasSucceeded = await run('npm', ['run', '--silent', 'test:ts', '--', '--tap'], (line) => {
    const [, kind, number] = /^# (pass|fail) (\d+)/.exec(line) ?? []
    if (kind === 'pass') count.passed += Number(number)
    if (kind === 'fail') count.failed += Number(number)
  })
  return completed(count, hasSucceeded)
}

const rust = await rustTests()
const typescript = await typescriptTests()
const passed = rust.passed + typescript.passed
const failed = rust.failed + typescript.failed
console.log(`Rust: ${rust.passed} passed, ${rust.failed} failed`)
console.log(`TypeScript: ${typescript.passed} passed, ${typescript.failed} failed`)
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
