/** Runs whose disk is full: a small tmpfs in a mount namespace of its own, where the system allows one. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { train } from '../../ts/outer/train.js'
import { tinyRun, tinyTask } from '../engine/tiny.js'
import { temporaryDirectory } from '../program.js'
import type { Told } from './diskFullRun.js'
import { timeless } from './runContents.js'

const program = fileURLToPath(new URL('diskFullRun.ts', import.meta.url))
const config = tinyRun({
  outerSteps: 20,
  tasks: { tasks: [{ config: tinyTask }] },
  checkpoint: { everyOuterSteps: 4, keep: 2 },
})

/** Runs a command where `directory` is an empty file system of 1 MiB that only the command sees. */
function onSmallDisk(directory: string, ...command: string[]) {
  const script = 'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"'
  return spawnSync('unshare', ['-rm', 'sh', '-c', script, directory, ...command], { encoding: 'utf8' })
}

/** Why there is no such disk; undefined if there is. */
function absence(): string | undefined {
  if (process.platform !== 'linux') return 'only Linux has mount namespaces'
  const { status, stderr, error } = onSmallDisk('/tmp', 'true')
  return status === 0 ? undefined : (error?.message ?? stderr).trim()
}

const absent = absence()

function diskTest(title: string, body: (t: ExecutionContext) => Promise<void>) {
  if (absent === undefined) test(title, body)
  else test.skip(`${title} (skipped: ${absent})`, body)
}

/** Runs on a disk that is full from the end of outer step 3 to that of `freedAt`. */
function run(t: ExecutionContext, directory: string, freedAt: number): Told {
  const command = [
    process.execPath,
    '--import=tsx',
    program,
    directory,
    JSON.stringify(config),
    String(freedAt),
  ]
  const { status, stdout, stderr } = onSmallDisk(directory, ...command)
  t.is(status, 0, stderr)
  return JSON.parse(stdout) as Told
}

diskTest('a disk that is full for a while: the run goes on, and nothing is missing then', async (t) => {
  const whole = await train(config)
  const told = run(t, await temporaryDirectory(t), 13)
  t.is(told.error, undefined)
  t.deepEqual(told.theta, [...whole.theta])
  // The block that the file had was filled to its end, which is within a line.
  t.false(told.metricsWhenFull.endsWith('\n'))
  t.deepEqual(
    told.metrics.split('\n').flatMap((line) => (line === '' ? [] : [timeless(JSON.parse(line))])),
    whole.records.map(timeless),
  )
  t.deepEqual(
    told.eventSteps,
    whole.records.map(({ outerStep }) => outerStep),
  )
  // No temporary files; the last two checkpoints, written in time.
  t.deepEqual(told.names, [
    '.lock',
    'checkpoint-00000016.safetensors',
    'checkpoint-00000020.safetensors',
    'config.json',
    'metrics.jsonl',
    'tensorboard',
    'theta.safetensors',
  ])
  t.is(told.notes.length, 2, told.notes.join('\n'))
  t.true(told.notes[0]!.includes('ENOSPC') && told.notes[0]!.includes('No checkpoint'), told.notes[0])
  t.true(told.notes[1]!.includes('nothing is missing'), told.notes[1])
})

diskTest('a disk that stays full: the error names the directory and has the result', async (t) => {
  const whole = await train(config)
  const directory = await temporaryDirectory(t)
  const { error, notes, theta } = run(t, directory, Number.POSITIVE_INFINITY)
  t.is(error?.code, 'WRITE_FAILED')
  t.true(error!.message.includes(directory) && error!.message.includes('ENOSPC'), error!.message)
  t.deepEqual(theta, [...whole.theta])
  // Told once, however often it was tried.
  t.is(notes.length, 1, notes.join('\n'))
})
