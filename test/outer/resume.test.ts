import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { doctor } from '../../ts/native.js'
import { type StartInfo, train } from '../../ts/outer/train.js'
import { loadTheta } from '../../ts/weights/thetaFile.js'
import { tinyRun } from '../engine/tiny.js'

const fresh = () => mkdtemp(join(tmpdir(), 'outerloop-test-'))
const thetaBytes = async (directory: string) => readFile(join(directory, 'theta.safetensors'))

async function checkpoints(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name.startsWith('checkpoint-')).sort()
}

test('the same seed gives the same bytes with 1 and with 2 threads', async (t) => {
  const [one, two, other] = [await fresh(), await fresh(), await fresh()]
  await train(tinyRun({ threads: 1 }), { out: one })
  await train(tinyRun({ threads: 2 }), { out: two })
  await train(tinyRun({ seed: 12 }), { out: other })
  t.deepEqual(await thetaBytes(one), await thetaBytes(two))
  t.notDeepEqual(await thetaBytes(one), await thetaBytes(other))
})

test.serial('the same seed gives the same bytes on every backend of this machine', async (t) => {
  const { backends } = doctor()
  const all: Buffer[] = []
  try {
    for (const backend of backends) {
      process.env.OUTERLOOP_CPU = backend
      t.is(doctor().backend, backend)
      const directory = await fresh()
      await train(tinyRun(), { out: directory })
      all.push(await thetaBytes(directory))
    }
    process.env.OUTERLOOP_CPU = 'mmx'
    await t.throwsAsync(train(tinyRun()), { code: 'INVALID_OPTION' })
    // The option comes first: the variable is not looked at.
    for (const cpu of backends) {
      const directory = await fresh()
      let used: string | undefined
      const onStart = ({ backend }: StartInfo) => {
        used = backend
      }
      await train(tinyRun({ cpu }), { out: directory, onStart })
      t.is(used, cpu)
      all.push(await thetaBytes(directory))
    }
  } finally {
    delete process.env.OUTERLOOP_CPU
  }
  t.log(backends.join(', '))
  for (const bytes of all) t.deepEqual(bytes, all[0])
})

test('a run goes on with another backend written into its config', async (t) => {
  const [whole, parts] = [await fresh(), await fresh()]
  await train(tinyRun(), { out: whole })
  const stop = new AbortController()
  const onStep = ({ outerStep }: { outerStep: number }) => outerStep === 3 && stop.abort()
  await train(tinyRun(), { out: parts, stopSignal: stop.signal, onStep })
  const path = join(parts, 'config.json')
  await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), cpu: 'portable' }))
  t.true((await train(undefined, { resume: parts })).isComplete)
  t.deepEqual(await thetaBytes(parts), await thetaBytes(whole))
})

test('a run on a backend that this machine lacks is refused before anything is written', async (t) => {
  const directory = await fresh()
  const cpu = process.arch === 'arm64' ? 'avx2' : 'neon'
  await t.throwsAsync(train(tinyRun({ cpu }), { out: directory }), { code: 'DEVICE_UNAVAILABLE' })
  t.deepEqual(await readdir(directory), [])
})

for (const name of ['library', 'paper'] as const) {
  test(`a stopped hierarchical run (${name}) goes on with the same bytes`, async (t) => {
    const sizes = { hidden: 4, fromMlp: 3, fromLstm: 3, lstmToFf: 3, lstmHidden: 5 }
    const config = tinyRun({
      optimizer: { name: 'hierarchical', variant: name, ...sizes },
      estimator: { name: 'truncatedEs', numParticles: 2, truncationLength: 10, std: 0.01 },
      metaLoss: { source: 'outerValid', every: 5, batches: 2 },
    })
    const [whole, parts] = [await fresh(), await fresh()]
    await train(config, { out: whole })
    const stop = new AbortController()
    const onStep = ({ outerStep }: { outerStep: number }) => outerStep === 3 && stop.abort()
    const first = await train(config, { out: parts, stopSignal: stop.signal, onStep })
    t.false(first.isComplete)
    t.is(first.outerStepsDone, 3)
    const second = await train(undefined, { resume: parts })
    t.true(second.isComplete)
    t.deepEqual(
      second.records.map((r) => r.outerStep),
      [1, 2, 3, 4, 5, 6],
    )
    t.deepEqual(await thetaBytes(parts), await thetaBytes(whole))
  })
}

test('a damaged checkpoint is passed over, aloud', async (t) => {
  const directory = await fresh()
  const { theta } = await train(tinyRun(), { out: directory })
  const [older, newest] = (await checkpoints(directory)) as [string, string]
  const path = join(directory, newest)
  const bytes = await readFile(path)
  bytes[bytes.length - 9]! ^= 1
  await writeFile(path, bytes)
  const notes: string[] = []
  const again = await train(undefined, { resume: directory, onNote: (note) => notes.push(note) })
  t.is(notes.length, 1)
  t.true(notes[0]!.includes(newest) && notes[0]!.includes(older), notes[0])
  t.deepEqual(again.theta, theta)
  for (const name of await checkpoints(directory)) await writeFile(join(directory, name), 'no safetensors')
  await t.throwsAsync(train(undefined, { resume: directory }), { code: 'CHECKPOINT_INVALID' })
})

test('metrics have one line for every outer step, also after a resume', async (t) => {
  const directory = await fresh()
  const stop = new AbortController()
  await train(tinyRun(), { out: directory, stopSignal: stop.signal, onStep: () => stop.abort() })
  await writeFile(join(directory, 'metrics.jsonl'), '{"outerStep": 9}\n{"outer', { flag: 'a' })
  await train(undefined, { resume: directory })
  const lines = (await readFile(join(directory, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n')
  t.deepEqual(
    lines.map((line) => JSON.parse(line).outerStep),
    [1, 2, 3, 4, 5, 6],
  )
})

test('theta files: what is saved is loaded, damage is refused', async (t) => {
  const directory = await fresh()
  const { theta, config } = await train(tinyRun({ outerSteps: 1 }), { out: directory })
  const path = join(directory, 'theta.safetensors')
  const loaded = await loadTheta(path)
  t.deepEqual(loaded.theta, theta)
  t.deepEqual(loaded.optimizer, config.optimizer)
  const bytes = await readFile(path)
  for (const at of [0, 20, 300, bytes.length - 1]) {
    const damaged = Buffer.from(bytes)
    damaged[at]! ^= 4
    await writeFile(path, damaged)
    await t.throwsAsync(loadTheta(path), { code: 'CHECKPOINT_INVALID' }, `byte ${at}`)
  }
  for (const length of [0, 7, 100, bytes.length - 1]) {
    await writeFile(path, bytes.subarray(0, length))
    await t.throwsAsync(loadTheta(path), { code: 'CHECKPOINT_INVALID' }, `${length} bytes`)
  }
  await t.throwsAsync(loadTheta(join(directory, 'none.safetensors')), { code: 'CHECKPOINT_INVALID' })
})
