/**
 * A meta-trained optimizer trains a fresh one, against Adam tuned over its rates; and one that trains itself.
 *
 * The experiment of figure 8 of Metz et al. 2020 (arXiv:2009.11243), on this package's presets. All contenders start from
 * the same theta and see the same tasks; rates and factors are constant. Adam's best rate is chosen by the meta-loss that is
 * reported, which flatters it; the learned optimizer's headline is its factor 1.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startProgress } from '../ts/cli/progress.js'
import { loadConfigFile } from '../ts/config/configFile.js'
import { parseTrainConfig, type TrainConfig } from '../ts/config/trainConfig.js'
import { doctor } from '../ts/native.js'
import { Trainer } from '../ts/outer/trainer.js'
import { renderFigure } from '../ts/report/render.js'
import { selfTrainingFigure } from './selfTrainingFigure.js'
import { type Contender, formatScores, scoreContenders } from './selfTrainingScores.js'

/** What a contender is, before it has run. */
type Entry = Omit<Contender, 'curves'>

/**
 * The command `npm run bench -- self-training --weights FILE --out DIR [--preset quick] [--config FILE]
 * [--outer-steps 500] [--seeds 2] [--rates LIST] [--factors LIST] [--threads auto]`.
 */
export async function benchmarkSelfTraining(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      weights: { type: 'string' },
      out: { type: 'string' },
      preset: { type: 'string', default: 'quick' },
      config: { type: 'string' },
      'outer-steps': { type: 'string', default: '500' },
      seeds: { type: 'string', default: '2' },
      rates: { type: 'string', default: '3e-4,1e-3,3e-3,1e-2,3e-2' },
      factors: { type: 'string', default: '0.3,1,3' },
      threads: { type: 'string', default: 'auto' },
    },
  })
  const { weights, out } = values
  if (weights === undefined || out === undefined) {
    throw new Error('expected `--weights`, a trained theta, and `--out`, a directory to write')
  }
  const numbers = (text: string) => text.split(',').map(Number)
  const entries: Entry[] = [
    ...numbers(values.rates).map((value) => ({ kind: 'adam' as const, value })),
    ...numbers(values.factors).map((value) => ({ kind: 'learned' as const, value })),
    { kind: 'self', value: 1 },
  ]
  const base = values.config === undefined ? { preset: values.preset } : await loadConfigFile(values.config)
  const configOf = (entry: Entry, seed: number) =>
    parseTrainConfig({
      ...base,
      seed,
      threads: values.threads === 'auto' ? 'auto' : Number(values.threads),
      outerSteps: Number(values['outer-steps']),
      thetaAverage: 0,
      outerOptimizer: outerOptimizerOf(entry, weights),
    })
  const numSeeds = Number(values.seeds)
  if (!(Number.isInteger(numSeeds) && numSeeds >= 1)) {
    throw new Error(`expected \`--seeds\` to be an integer >= 1, got ${values.seeds}`)
  }
  // Wrong options are found before anything runs.
  const runs = entries.map((entry) => ({
    entry,
    configs: Array.from({ length: numSeeds }, (_, seed) => configOf(entry, seed)),
  }))
  const contenders = await runAll(runs)
  const scores = scoreContenders(contenders)
  const { preset, optimizer, outerSteps } = runs[0]!.configs[0]!
  console.log(`${optimizer.name} of ${preset ?? values.config}, trained by ${weights} and others.`)
  console.log(formatScores(scores))
  await mkdir(out, { recursive: true })
  const { backend, cpuModel } = doctor()
  const content = { benchmark: 'self-training', weights, base, outerSteps, backend, cpuModel, ...scores }
  // Six digits: curves are noisy, and the file may be kept as a record.
  const digits = (_key: string, value: unknown) =>
    typeof value === 'number' ? Number(value.toPrecision(6)) : value
  await writeFile(join(out, 'self-training.json'), `${JSON.stringify(content, digits)}\n`)
  await writeFile(join(out, 'self-training.svg'), await renderFigure(selfTrainingFigure(scores)))
  console.log(`Written: ${join(out, 'self-training.json')}, ${join(out, 'self-training.svg')}`)
}

async function runAll(runs: { entry: Entry; configs: TrainConfig[] }[]): Promise<Contender[]> {
  const total = runs.reduce((sum, { configs }) => sum + configs.reduce((n, c) => n + c.outerSteps, 0), 0)
  const progress = startProgress(process.stderr, { total, unit: 'outer steps' })
  const contenders: Contender[] = []
  let done = 0
  try {
    for (const { entry, configs } of runs) {
      const curves: number[][] = []
      for (const config of configs) {
        const curve = await metaLosses(config, (metaLoss) => {
          done += 1
          progress.update(done, `${entry.kind} ${entry.value}, meta-loss ${metaLoss.toFixed(3)}`)
        })
        curves.push(curve)
      }
      contenders.push({ ...entry, curves })
    }
  } finally {
    progress.stop()
  }
  return contenders
}

async function metaLosses(
  { evaluation: _, ...config }: TrainConfig,
  onStep: (metaLoss: number) => void,
): Promise<number[]> {
  using trainer = await Trainer.create(config)
  const losses: number[] = []
  for await (const { metaLoss } of trainer.run()) {
    losses.push(metaLoss)
    onStep(metaLoss)
  }
  return losses
}

function outerOptimizerOf({ kind, value }: Entry, weights: string): object {
  if (kind === 'adam') {
    return { name: 'adam', lr: value, schedule: { kind: 'constant' }, warmupOuterSteps: 0 }
  }
  return { name: 'apply', weights: kind === 'self' ? 'self' : weights, factor: value }
}
