/** Data sets of one's own: in which order they are split, how labels are counted, what tables may look like, how large they may be. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import test, { type ExecutionContext } from 'ava'
import {
  type Dataset,
  type DatasetSpec,
  datasetFromArrays,
  evaluate,
  loadDataset,
  OuterloopError,
  type TaskConfigInput,
  train,
} from '../ts/index.js'
import { tinyRun, tinyTask } from './engine/tiny.js'
import { outerloop, temporaryDirectory } from './program.js'

const PIXELS = 6

/** `count` examples of 2 × 3 pixels whose classes 0, 1, 2 take turns, or stand one after the other. */
function examples(count: number, isSorted: boolean) {
  const labels = Uint8Array.from({ length: count }, (_, i) =>
    isSorted ? Math.floor((3 * i) / count) : i % 3,
  )
  const images = Uint8Array.from({ length: count * PIXELS }, (_, i) =>
    i % PIXELS === 0 ? labels[Math.floor(i / PIXELS)]! * 100 : (i * 37) % 256,
  )
  return { images, labels }
}

function fromArrays(isSorted: boolean, options: object = {}, name = 'own'): Dataset {
  const shape = { height: 2, width: 3, channels: 1, numClasses: 3 }
  return datasetFromArrays({ name, ...examples(90, isSorted), ...shape, ...options })
}

/** MNIST's format: a magic number that tells the number of axes, their lengths, then bytes. */
function idx(lengths: number[], bytes: Uint8Array): Buffer {
  const header = Buffer.alloc(4 + 4 * lengths.length)
  header.writeUInt32BE(0x800 + lengths.length)
  lengths.forEach((length, i) => {
    header.writeUInt32BE(length, 4 + 4 * i)
  })
  return Buffer.concat([header, bytes])
}

async function idxFiles(t: ExecutionContext, isSorted: boolean, firstLabel = 0) {
  const directory = await temporaryDirectory(t)
  const { images, labels } = examples(90, isSorted)
  const paths = { images: join(directory, 'images.gz'), labels: join(directory, 'labels.gz') }
  await writeFile(paths.images, gzipSync(idx([90, 2, 3], images)))
  await writeFile(
    paths.labels,
    gzipSync(
      idx(
        [90],
        labels.map((label) => label + firstLabel),
      ),
    ),
  )
  return { kind: 'idx', name: 'own', ...paths } as const
}

async function table(t: ExecutionContext, text: string | Buffer, file = 'table.csv') {
  const path = join(await temporaryDirectory(t), file)
  await writeFile(path, text)
  return { kind: 'csv', name: 'own', path, label: 'y' } as const
}

/** A table with the columns `id`, `a`, `b` and the class `y`. */
function rows(isSorted: boolean): string {
  const { labels } = examples(90, isSorted)
  return [...labels].map((label, i) => `x${i},${i % 7},${label * 2 + (i % 2)},k${label}`).join('\n')
}

const refused = (code: OuterloopError['code'], message: RegExp) => ({
  instanceOf: OuterloopError,
  code,
  message,
})

/** Data of every kind, in an order sorted by class. */
const sortedKinds: [string, (t: ExecutionContext, options: object) => Promise<Dataset>][] = [
  ['arrays', async (_, options) => fromArrays(true, options)],
  ['idx', async (t, options) => loadDataset({ ...(await idxFiles(t, true)), ...options })],
  [
    'csv',
    async (t, options) =>
      loadDataset({ ...(await table(t, `id,a,b,y\n${rows(true)}`)), omitColumns: ['id'], ...options }),
  ],
  [
    'cifar10',
    async (t, options) => {
      const path = join(await temporaryDirectory(t), 'batch.bin')
      const bytes = Array.from({ length: 200 }, (_, i) =>
        Buffer.concat([Buffer.of(Math.floor(i / 20)), Buffer.alloc(3072, i)]),
      )
      await writeFile(path, Buffer.concat(bytes))
      return loadDataset({ kind: 'cifar10', name: 'own', files: [path], ...options })
    },
  ],
]

for (const [kind, load] of sortedKinds) {
  test(`${kind}: examples sorted by class are refused, shuffled, or taken as they are`, async (t) => {
    await t.throwsAsync(
      () => load(t, {}),
      refused('DATA_INVALID', /random order.*`shuffleSeed`.*`allowUnseenClasses`/),
    )
    const one = await load(t, { shuffleSeed: 1 })
    const same = await load(t, { shuffleSeed: 1 })
    const other = await load(t, { shuffleSeed: 2 })
    t.is(one.fingerprint(), same.fingerprint())
    t.not(one.fingerprint(), other.fingerprint())
    const taken = await load(t, { allowUnseenClasses: true })
    t.is(taken.info.numExamples, one.info.numExamples)
  })
}

test('labels may start from 1 when that is said', async (t) => {
  const { labels } = examples(90, false)
  const fromOne = { labels: labels.map((label) => label + 1) }
  t.throws(() => fromArrays(false, fromOne), refused('DATA_INVALID', /label|class/))
  const shifted = fromArrays(false, { ...fromOne, firstLabel: 1 })
  t.is(shifted.fingerprint(), fromArrays(false).fingerprint())
  const spec = await idxFiles(t, false, 1)
  const loaded = await loadDataset({ ...spec, firstLabel: 1 })
  t.is(loaded.info.numClasses, 3)
  t.is(loaded.fingerprint(), shifted.fingerprint())
})

test('tables: lines are passed over, columns left out, and a first row of numbers is noticed', async (t) => {
  const text = rows(false)
  const plain = await loadDataset({ ...(await table(t, `id,a,b,y\n${text}`)), omitColumns: ['id'] })
  t.deepEqual([plain.info.numExamples, plain.info.numClasses], [90, 3])
  const comments = await table(t, `# made by hand\n# "quoted, oddly\nid,a,b,y\n${text}`)
  const skipped = await loadDataset({ ...comments, skipLines: 2, omitColumns: [0] })
  t.is(skipped.fingerprint(), plain.fingerprint())
  const bare = await table(t, text)
  const numbered = await loadDataset({ ...bare, header: false, label: 3, omitColumns: [0] })
  t.is(numbered.fingerprint(), plain.fingerprint())
  await t.throwsAsync(loadDataset({ ...comments, omitColumns: ['id'] }), {
    instanceOf: OuterloopError,
    code: 'DATA_INVALID',
  })
  const numbers = await table(t, text.replaceAll('x', '').replaceAll('k', ''))
  await t.throwsAsync(loadDataset({ ...numbers, label: 3 }), refused('DATA_INVALID', /header/))
})

test('a small file that becomes large is refused before it takes the memory', async (t) => {
  // 60 MB of rows in some 60 kB.
  const packed = gzipSync(`a,b,y\n${'1,2,k0\n3,4,k1\n'.repeat(4_000_000)}`)
  t.true(packed.length < 500_000)
  const spec = await table(t, packed, 'table.csv.gz')
  const before = process.memoryUsage().rss
  const limit = { maxMemoryBytes: 20_000_000 }
  await t.throwsAsync(
    loadDataset(spec, limit),
    refused('DATA_INVALID', /20000000|20(\.0)? MB|19(\.\d+)? MiB/),
  )
  t.true(process.memoryUsage().rss - before < 200e6)
})

const own: TaskConfigInput = { family: 'mlp', dataset: 'own', hidden: [4], batchSize: 8 }
const other: TaskConfigInput = { ...own, dataset: 'other' }
const measured = { innerSteps: [20], evalEvery: 10, seeds: 1, threads: 1 }

test('arrays in train, alone and among bundled data of a mixture, and after a resume', async (t) => {
  const directory = await temporaryDirectory(t)
  const datasets = [fromArrays(false), fromArrays(false, { shuffleSeed: 1 }, 'other')]
  const tasks = {
    families: [
      { name: 'own', tasks: { tasks: [{ config: own }, { config: other }] } },
      { name: 'bundled', tasks: { tasks: [{ config: tinyTask }] } },
    ],
  }
  const outerOptimizer = { schedule: { kind: 'constant' } }
  const config = (outerSteps: number) => tinyRun({ outerSteps, outerOptimizer, tasks })
  await train(config(4), { datasets, out: join(directory, 'whole') })
  const halves = join(directory, 'halves')
  await train(config(2), { datasets, out: halves })
  const others = [datasets[0]!, fromArrays(false, { shuffleSeed: 2 }, 'other')]
  await t.throwsAsync(train({ outerSteps: 4 }, { datasets: others, resume: halves }), {
    instanceOf: OuterloopError,
    message: /other/,
  })
  await train({ outerSteps: 4 }, { datasets, resume: halves })
  const theta = (run: string) => readFile(join(directory, run, 'theta.safetensors'))
  t.true((await theta('halves')).equals(await theta('whole')))
})

test('arrays and files in evaluate', async (t) => {
  const table: DatasetSpec = {
    kind: 'csv',
    name: 'other',
    path: await csvOf(t),
    label: 'y',
    omitColumns: ['id'],
  }
  const tasks = [
    { name: 'arrays', config: own },
    { name: 'table', config: other },
  ]
  const sgd = { optimizer: { name: 'sgd', lr: 0.1 }, theta: new Float32Array() } as const
  const evaluation = await evaluate(sgd, { ...measured, tasks, datasets: [fromArrays(false), table] })
  t.deepEqual(
    evaluation.tasks.map(({ name }) => name),
    ['arrays', 'table'],
  )
  await t.throwsAsync(
    evaluate(sgd, { ...measured, tasks, datasets: [table] }),
    refused('INVALID_OPTION', /own/),
  )
})

test('own data in eval of the command line', async (t) => {
  const directory = await temporaryDirectory(t)
  const file = join(directory, 'own.json')
  const datasets = [{ kind: 'csv', name: 'own', path: await csvOf(t), label: 'y', omitColumns: ['id'] }]
  await writeFile(file, JSON.stringify({ datasets, tasks: [{ name: 'mine', config: own }], ...measured }))
  const optimizer = '{"name": "sgd", "lr": 0.1}'
  const { code, stdout } = await outerloop('eval', '--config', file, '--optimizer', optimizer, '--json')
  t.is(code, 0)
  t.is(JSON.parse(stdout).tasks[0].name, 'mine')
})

async function csvOf(t: ExecutionContext): Promise<string> {
  return (await table(t, `id,a,b,y\n${rows(false)}`)).path
}
