/**
 * Makes a small record of a meta-training run: `tsx scripts/record-run.ts RUN_DIR RECORD_DIR [THETA]`.
 *
 * RUN_DIR is that of `outerloop train`, with the results of `outerloop eval … --out RUN_DIR` in it. The record has the config,
 * the curve as means over a hundred parts of the run, the scores, the machine, the figures and the theta that was evaluated:
 * THETA in RUN_DIR, by default `theta-best.safetensors`.
 */
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { argv } from 'node:process'
import type { Evaluation } from '../ts/evaluate/evaluation.js'
import { doctor } from '../ts/native.js'
import { readMetrics } from '../ts/outer/metrics.js'
import { readRunConfig } from '../ts/outer/runDirectory.js'
import type { StepRecord } from '../ts/outer/stepRecord.js'

/** Parts that the curve is cut into. */
const NUM_PARTS = 100

const [run, record, theta = 'theta-best.safetensors'] = argv.slice(2)
if (run === undefined || record === undefined) throw new Error('usage: record-run RUN_DIR RECORD_DIR [THETA]')

const records = await readMetrics(join(run, 'metrics.jsonl'))
const evaluation = JSON.parse(await readFile(join(run, 'evaluation.json'), 'utf8')) as Evaluation
const { backend, cpuModel, threads } = doctor()
await mkdir(record, { recursive: true })
const content = {
  date: new Date().toISOString().slice(0, 10),
  machine: { cpuModel, backend, threads },
  config: await readRunConfig(run),
  outerSteps: records.length,
  innerSteps: records.at(-1)?.innerSteps,
  /** Time in outer steps, without evaluations. */
  trainingSeconds: Math.round(records.reduce((sum, { seconds }) => sum + seconds, 0)),
  curve: curveOf(records),
  evaluation: {
    settings: evaluation.settings,
    tasks: evaluation.tasks.map(({ name }) => name),
    horizons: evaluation.horizons,
  },
}
await writeFile(join(record, 'record.json'), `${JSON.stringify(content, null, 1)}\n`)
/** A run that does not look at held-out tasks has no figure of them. */
const FIGURES = ['meta-training.svg', 'held-out.svg', 'scores.svg']
const figures = (await readdir(run)).filter((file) => FIGURES.includes(file))
for (const file of [...figures, theta]) await copyFile(join(run, file), join(record, file))

function curveOf(all: readonly StepRecord[]): object[] {
  const length = Math.ceil(all.length / NUM_PARTS)
  return Array.from({ length: Math.ceil(all.length / length) }, (_, i) => {
    const part = all.slice(i * length, (i + 1) * length)
    const heldOut = part.flatMap(({ heldOutLoss }) => (heldOutLoss === undefined ? [] : [heldOutLoss]))
    return {
      outerStep: part.at(-1)!.outerStep,
      metaLoss: mean(part.map(({ metaLoss }) => metaLoss)),
      gradientNorm: mean(part.map(({ gradientNorm }) => gradientNorm)),
      ...(heldOut.length > 0 && { heldOutLoss: mean(heldOut) }),
    }
  })
}

function mean(values: readonly number[]): number {
  return Number((values.reduce((sum, value) => sum + value, 0) / values.length).toPrecision(6))
}
