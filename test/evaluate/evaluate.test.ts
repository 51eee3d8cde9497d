import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { optimizerConfigSchema } from '../../ts/config/optimizerConfig.js'
import { evaluate } from '../../ts/evaluate/evaluate.js'
import type { EvaluateOptions } from '../../ts/evaluate/evaluateOptions.js'
import type { Evaluation } from '../../ts/evaluate/evaluation.js'
import { initTheta } from '../../ts/native.js'

const optimizer = optimizerConfigSchema.parse({ name: 'adafac_mlp' })
const subject = { optimizer, theta: initTheta(optimizer, 3, 0) }

/** Two tiny problems; 40 inner steps of 43 settings take well under a second. */
const small: EvaluateOptions = {
  tasks: [
    { name: 'mnist', config: { family: 'mlp', dataset: 'mnist8', hidden: [8], batchSize: 16 } },
    { name: 'fashion', config: { family: 'mlp', dataset: 'fashion8', hidden: [], batchSize: 16 } },
  ],
  seeds: 2,
  innerSteps: [20, 40],
  evalEvery: 10,
  evalBatches: 2,
}

function row(evaluation: Evaluation, horizon: number, id: string) {
  return evaluation.horizons[horizon]!.rows.find((candidate) => candidate.id === id)!
}

test('an untrained optimizer is evaluated end to end', async (t) => {
  const progress: number[] = []
  const evaluation = await evaluate(subject, {
    ...small,
    threads: 2,
    onProgress: ({ done, total }) => {
      t.is(total, 2 * 43 * 2 * 40)
      progress.push(done)
    },
  })
  t.deepEqual(
    progress,
    [...progress].sort((a, b) => a - b),
  )
  t.is(progress.at(-1), 2 * 43 * 2 * 40)
  t.deepEqual(
    evaluation.horizons.map(({ innerSteps }) => innerSteps),
    [20, 40],
  )
  for (const { rows } of evaluation.horizons) {
    t.is(rows.length, 8)
    for (const { normalized } of rows) {
      for (const { mean } of [normalized.curve, normalized.final]) {
        t.true(mean.low <= mean.value && mean.value <= mean.high)
        t.true(mean.low >= 0 && mean.high <= 1)
      }
    }
  }
  for (const detail of evaluation.details) {
    t.deepEqual(detail.steps, [0, 10, 20, 30, 40])
    t.true(detail.bestLoss < detail.initialLoss)
    // Every optimizer starts from the same params and is measured on the same minibatches.
    t.is(new Set(detail.curves.map((curve) => curve.median[0])).size, 1)
  }
  t.deepEqual(JSON.parse(JSON.stringify(evaluation)), evaluation)
})

test('the result depends neither on threads, nor on the backend, nor on the cache', async (t) => {
  const cacheDir = await mkdtemp(join(tmpdir(), 'outerloop-cache-'))
  t.teardown(() => rm(cacheDir, { recursive: true, force: true }))
  const fresh = await evaluate(subject, { ...small, threads: 1, cacheDir })
  t.is((await readdir(cacheDir)).length, 2)
  t.deepEqual(await evaluate(subject, { ...small, threads: 2, cacheDir }), fresh)
  t.deepEqual(await evaluate(subject, { ...small, threads: 2, cpu: 'portable' }), fresh)
})

test('a cache that cannot be read or written costs a note, not the evaluation', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'outerloop-cache-'))
  t.teardown(() => rm(directory, { recursive: true, force: true }))
  const plain = await evaluate(subject, small)
  const file = join(directory, 'file')
  await writeFile(file, '')
  const notes: string[] = []
  const onNote = (note: string) => notes.push(note)
  t.deepEqual(await evaluate(subject, { ...small, cacheDir: join(file, 'cache'), onNote }), plain)
  t.is(notes.length, 1, notes.join('\n'))
  t.regex(notes[0]!, /^The baselines are not kept: expected .* to be writable, got .*ENOTDIR/)

  const cacheDir = join(directory, 'cache')
  await evaluate(subject, { ...small, cacheDir, onNote })
  const [damaged] = await readdir(cacheDir)
  const path = join(cacheDir, damaged!)
  const text = await readFile(path, 'utf8')
  // The first digit of the first loss.
  await writeFile(
    path,
    text.replace(/("test":\[)(\d)/, (_, before, digit) => before + ((Number(digit) + 1) % 10)),
  )
  t.deepEqual(await evaluate(subject, { ...small, cacheDir, onNote }), plain)
  t.is(notes.length, 2)
  t.true(notes[1]!.includes(path), notes[1])
  t.is(await readFile(path, 'utf8'), text)
})

test('a shorter horizon read off a longer run equals the shorter run', async (t) => {
  const both = await evaluate(subject, small)
  const short = await evaluate(subject, { ...small, innerSteps: [20] })
  t.deepEqual(both.horizons[0], short.horizons[0])
})

test('Adam evaluated in place of a learned optimizer scores as the pool’s Adam at that rate', async (t) => {
  const adam = optimizerConfigSchema.parse({ name: 'adam', lr: 1e-3 })
  const evaluation = await evaluate({ optimizer: adam, theta: new Float32Array(0) }, small)
  const [subjectRow, poolRow] = [row(evaluation, 1, 'learned'), row(evaluation, 1, 'adam-default')]
  t.is(subjectRow.label, 'adam')
  t.deepEqual(subjectRow.normalized, poolRow.normalized)
  t.deepEqual(poolRow.numLearnedBetter, { final: 0, curve: 0 })
})

test('an abort before or during the run rejects with AbortError', async (t) => {
  // The platform's AbortError is a DOMException, which ava takes for an error only with `any`.
  const aborted = { any: true, name: 'AbortError' } as const
  await t.throwsAsync(evaluate(subject, { ...small, signal: AbortSignal.abort() }), aborted)
  const controller = new AbortController()
  const running = evaluate(subject, { ...small, innerSteps: [20_000], signal: controller.signal })
  setTimeout(() => controller.abort(), 50)
  await t.throwsAsync(running, aborted)
})

test('more tasks than the suite has are refused', async (t) => {
  await t.throwsAsync(evaluate(subject, { tasks: 1000 }), { code: 'INVALID_OPTION' })
})

test('steps of an optimizer whose rate is in theta are scaled around it', async (t) => {
  const optimizer = optimizerConfigSchema.parse({ name: 'learnable_sgd' })
  const score = async (logLr: number, factor: number) => {
    const subject = { optimizer, theta: Float32Array.of(logLr) }
    const { horizons } = await evaluate(subject, { ...small, stepMultipliers: [factor] })
    return horizons[0]!.rows.find(({ label }) => label.startsWith('learned'))!.normalized.curve.mean.value
  }
  const [one, twice, other] = [await score(-3, 1), await score(-3, 2), await score(-3 + Math.log(2), 1)]
  // The rate itself is e^theta: the same run but for roundings of the rate, which training enlarges.
  t.true(Math.abs(twice - other) < 1e-3, `${twice} ${other}`)
  t.true(Math.abs(one - twice) > 1e-2, `${one} ${twice}`)
})
