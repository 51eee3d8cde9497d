/** Runs that are killed again and again, at any moment, end with the bytes of one that was not. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, statSync, watch } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import type { TrainConfigInput } from '../../ts/config/trainConfig.js'
import { train } from '../../ts/outer/train.js'
import { Key, purposes } from '../../ts/tasks/key.js'
import { tinyEvaluation, tinyRun, tinyTask } from '../engine/tiny.js'
import { temporaryDirectory } from '../program.js'
import { contentsOf } from './runContents.js'

/** Milliseconds for an outer step, most of them for its checkpoint. */
const tiniest = {
  outerSteps: 8,
  tasks: { tasks: [{ config: tinyTask }] },
  estimator: { numParticles: 2, truncationLength: 4 },
  unrollLength: { min: 6, max: 14 },
  evaluation: { ...tinyEvaluation, everyOuterSteps: 3 },
  checkpoint: { everyOuterSteps: 1, keep: 2 },
}
const configs = {
  'in step': tinyRun(tiniest),
  asynchronous: tinyRun({ ...tiniest, seed: 12, asynchronous: { workers: 3, maxStaleness: 1 } }),
}
const NUM_KILLS = 50
/** Starting takes about as long. */
const START_MS = 300
/** A few outer steps take about as long. */
const STEPS_MS = 100
/** Temporary files of a few outer steps: checkpoints, now and then the best theta; at the end theta. */
const NUM_WRITES = 8

/** A file of `ts/` as built, which starts twice as fast, if that is up to date; else the source. */
function program(): { module: string; nodeArguments: string[] } {
  const path = (from: string) => fileURLToPath(new URL(`../../${from}`, import.meta.url))
  const built = path('dist/outer/train.js')
  const sources = readdirSync(path('ts'), { recursive: true, encoding: 'utf8' })
  const isFresh =
    existsSync(built) &&
    sources.every((name) => statSync(join(path('ts'), name)).mtimeMs <= statSync(built).mtimeMs)
  return isFresh
    ? { module: built, nodeArguments: [] }
    : { module: path('ts/outer/train.ts'), nodeArguments: ['--import=tsx'] }
}

const { module, nodeArguments } = program()

/** Begins the run in a directory, or goes on with it. */
const script = `import { existsSync, writeSync } from 'node:fs'
  const { train } = await import(${JSON.stringify(module)})
  const [out, config] = process.argv.slice(1)
  const onStart = () => writeSync(1, 'started')
  if (existsSync(out + '/config.json')) await train(undefined, { resume: out, onStart })
  else await train(JSON.parse(config), { out, onStart })`

/** When to kill a process. */
type Moment =
  | { kind: 'starting'; ms: number }
  /** From the moment where the outer steps of this process begin. */
  | { kind: 'stepping'; ms: number }
  /** When so many temporary files have come into being. */
  | { kind: 'writing'; count: number }

function momentOf(key: Key): Moment {
  const [kind, when] = [key.fold(0).uniform(), key.fold(1).uniform()]
  if (kind < 0.3) return { kind: 'starting', ms: when * START_MS }
  if (kind < 0.6) return { kind: 'stepping', ms: when * STEPS_MS }
  return { kind: 'writing', count: Math.ceil(when * NUM_WRITES) }
}

/** One process; returns whether it was killed, and not done before. */
async function live(directory: string, config: TrainConfigInput, moment?: Moment): Promise<boolean> {
  const child = spawn(
    process.execPath,
    [...nodeArguments, '--input-type=module', '-e', script, directory, JSON.stringify(config)],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk
  })
  const exited = once(child, 'close')
  const started = once(child.stdout, 'data')
  if (moment?.kind === 'writing') {
    await Promise.race([temporaryFiles(directory, moment.count, exited), exited])
  } else if (moment !== undefined) {
    if (moment.kind === 'stepping') await Promise.race([started, exited])
    await Promise.race([sleep(moment.ms), exited])
  }
  if (moment !== undefined) child.kill('SIGKILL')
  await exited
  if (child.signalCode !== 'SIGKILL' && child.exitCode !== 0) throw new Error(stderr)
  return child.signalCode === 'SIGKILL'
}

/** Waits until so many temporary files have been made in a directory, or until `end`. */
async function temporaryFiles(directory: string, count: number, end: Promise<unknown>): Promise<void> {
  const watcher = watch(directory)
  const seen = new Set<string>()
  const enough = new Promise<void>((resolve) => {
    watcher.on('change', (_, name) => {
      if (String(name).endsWith('.tmp')) seen.add(String(name))
      if (seen.size >= count) resolve()
    })
  })
  await Promise.race([enough, end])
  watcher.close()
}

type Phase = 'before the first checkpoint' | 'between two writes' | 'in the middle of a write'

/** Where a kill came. `before`: names of the directory before the life that it ended. */
async function phaseOf(directory: string, before: string[]): Promise<Phase> {
  const names = await readdir(directory)
  // An earlier life may have left one that this did not come to delete.
  if (names.some((name) => name.endsWith('.tmp') && !before.includes(name))) return 'in the middle of a write'
  return names.some((name) => name.startsWith('checkpoint-'))
    ? 'between two writes'
    : 'before the first checkpoint'
}

/** Nothing that the result depends on: each life has another number. */
async function setThreads(directory: string, threads: number): Promise<void> {
  const path = join(directory, 'config.json')
  if (!existsSync(path)) return
  await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), threads }))
}

async function killAgainAndAgain(t: ExecutionContext, config: TrainConfigInput): Promise<void> {
  const place = await temporaryDirectory(t)
  const whole = join(place, 'whole')
  await train(config, { out: whole })
  const expected = await contentsOf(whole)
  const key = new Key(config.seed!, purposes.taskSample)
  const phases: Record<Phase, number> = {
    'before the first checkpoint': 0,
    'between two writes': 0,
    'in the middle of a write': 0,
  }
  let [numKills, numLives, numRuns] = [0, 0, 0]
  // A run that comes to its end before all kills are done is compared, and the next one begins.
  while (numKills < NUM_KILLS) {
    const directory = join(place, String(numRuns++))
    await mkdir(directory)
    for (;;) {
      await setThreads(directory, 1 + (numLives % 2))
      const moment = numKills === NUM_KILLS ? undefined : momentOf(key.fold(numLives))
      const before = await readdir(directory)
      numLives += 1
      if (!(await live(directory, config, moment))) break
      numKills += 1
      phases[await phaseOf(directory, before)] += 1
    }
    t.deepEqual(await contentsOf(directory), expected)
  }
  const counts = Object.entries(phases).map(([phase, count]) => `${count} ${phase}`)
  t.log(`${numKills} kills in ${numRuns} runs: ${counts.join(', ')}`)
  t.is(numKills, NUM_KILLS)
}

for (const [name, config] of Object.entries(configs)) {
  test(`a run (${name}) killed ${NUM_KILLS} times has the bytes of one that was not`, (t) =>
    killAgainAndAgain(t, config))
}
