/** The program as a user starts it, and a place for its files. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'

const main = fileURLToPath(new URL('../ts/cli/main.ts', import.meta.url))

/** Released weights of Celo: a file of another program. */
export const releasedCelo = fileURLToPath(new URL('fixtures/weights/celo/celo.theta.state', import.meta.url))

export interface Outcome {
  code: number | null
  stdout: string
  stderr: string
}

/** A process of the program. */
export interface Run {
  child: ChildProcess
  /** What it has printed so far. */
  stdout: () => string
  finished: Promise<Outcome>
}

/** Starts `outerloop` with these arguments. */
export function start(...args: string[]): Run {
  return startWith(['pipe', 'pipe'], args)
}

/** As {@link start}; stdout and stderr are each a pipe or an open file. What goes to a file is not in the outcome. */
export function startWith([out, err]: readonly ['pipe' | number, 'pipe' | number], args: string[]): Run {
  const child = spawn(process.execPath, ['--import', 'tsx', main, ...args], { stdio: ['ignore', out, err] })
  let [stdout, stderr] = ['', '']
  child.stdout?.on('data', (chunk: Buffer) => {
    stdout += chunk
  })
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk
  })
  const finished = once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr }))
  return { child, stdout: () => stdout, finished }
}

/** Runs `outerloop` with these arguments to its end. */
export function outerloop(...args: string[]): Promise<Outcome> {
  return start(...args).finished
}

/** A directory that is removed after the test. */
export async function temporaryDirectory(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'outerloop-test-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  return directory
}
