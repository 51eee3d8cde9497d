import type { Command } from 'commander'
import { loadConfigFile } from '../config/configFile.js'
import { parseTrainConfig, type TrainConfig } from '../config/trainConfig.js'
import { OuterloopError } from '../errors.js'
import { readRunConfig } from '../outer/runDirectory.js'
import type { StepRecord, TrainOptions, TrainResult } from '../outer/train.js'
import { describeRun } from './describeRun.js'
import { INTERRUPTED } from './failure.js'
import { listenForInterrupts } from './interrupts.js'
import { cpuHelp, numeric } from './optionValues.js'
import { type Progress, startProgress } from './progress.js'
import { formatCount } from './quantities.js'
import { defaultRunDirectory, refuseExistingRun } from './runDirectory.js'

interface TrainFlags {
  preset?: string
  config?: string
  seed?: number | string
  threads?: number | string
  cpu?: string
  outerSteps?: number | string
  out?: string
  resume?: string
}

/** Adds `outerloop train`. */
export function addTrainCommand(program: Command): void {
  program
    .command('train')
    .description('Meta-train a learned optimizer and write it, its metrics and a report into a directory.')
    .option(
      '--preset <name>',
      'config to start from, of `outerloop presets list` (default: quick, unless --config is given)',
    )
    .option('--config <file>', 'JSON file of options; laid over the preset it names or --preset names')
    .option('--seed <integer>', 'names every random number of the run, >= 0 (default: 0)', numeric)
    .option(
      '--threads <count>',
      'CPU threads, or auto: all; does not change the result (default: auto)',
      numeric,
    )
    .option('--cpu <name>', `${cpuHelp} (default: auto)`)
    .option('--outer-steps <count>', 'updates of theta (default: the preset’s)', numeric)
    .option('--out <dir>', 'directory to write (default: runs/<preset>-<seed>); must not hold a run')
    .option(
      '--resume <dir>',
      'continue the run in this directory, with its own config, from its last checkpoint',
    )
    .addHelpText('after', afterHelp)
    .action(runTrain)
}

const afterHelp = `
Writes into the directory: config.json (complete, usable with --config), metrics.jsonl (one line for each outer
step), checkpoint-<step>.safetensors (the last few), theta.safetensors (the trained optimizer), report.html and
figures as SVG. The same seed gives the same bits with any number of threads, any --cpu, resumed or not.

Ctrl-C (SIGINT) or SIGTERM finishes the outer step, saves and exits with code 130; a second one aborts at once and
keeps the last checkpoint.

Examples:
  outerloop train --preset quick --seed 7 --outer-steps 30 --out runs/try
  outerloop train --resume runs/try
  outerloop eval runs/try/theta.safetensors --out runs/try`

async function runTrain(flags: TrainFlags): Promise<void> {
  const run = flags.resume === undefined ? await freshRun(flags) : await resumedRun(flags, flags.resume)
  const out = process.stdout
  out.write(`${describeRun(run.config)}\nWriting to ${run.directory}\n`)
  using interrupts = listenForInterrupts(() => {
    out.write('\nStopping after this outer step; once more to abort at once.\n')
  })
  // Only now: the engine is not needed to see that an option is wrong.
  const { train } = await import('../outer/train.js')
  let result: TrainResult
  {
    using display = new TrainDisplay(out)
    const options = {
      ...run.options,
      ...display.callbacks,
      signal: interrupts.abortSignal,
      stopSignal: interrupts.stopSignal,
    }
    result = await train(run.input, options).catch((error: unknown) => {
      if (interrupts.abortSignal.aborted) throw abortedWith(error, run.directory)
      throw error
    })
  }
  if (result.isComplete) await finish(result, run.directory)
  else reportStop(result, run.directory)
}

interface Run {
  readonly directory: string
  readonly config: TrainConfig
  /** What `train` gets: nothing if it is to take the config of the run it resumes. */
  readonly input: TrainConfig | undefined
  readonly options: TrainOptions
}

async function freshRun(flags: TrainFlags): Promise<Run> {
  const file = flags.config === undefined ? { preset: 'quick' } : await loadConfigFile(flags.config)
  const { preset, seed, threads, cpu, outerSteps } = flags
  const given = Object.entries({ preset, seed, threads, cpu, outerSteps }).filter(
    ([, value]) => value !== undefined,
  )
  const config = parseTrainConfig({ ...file, ...Object.fromEntries(given) })
  const directory = flags.out ?? defaultRunDirectory(config)
  await refuseExistingRun(directory)
  return { directory, config, input: config, options: { out: directory } }
}

async function resumedRun(flags: TrainFlags, directory: string): Promise<Run> {
  const others = Object.keys(flags).filter((name) => name !== 'resume')
  if (others.length > 0) {
    const names = others.map((name) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`)
    throw new OuterloopError(
      'INVALID_OPTION',
      `expected --resume to be alone, since a resumed run keeps its config, got ${names.join(', ')} too`,
    )
  }
  const config = await readRunConfig(directory)
  return { directory, config, input: undefined, options: { resume: directory } }
}

/** Progress of the outer loop. */
class TrainDisplay implements Disposable {
  readonly #stream: NodeJS.WriteStream
  #progress: Progress | undefined

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream
  }

  readonly callbacks: Required<Pick<TrainOptions, 'onStart' | 'onStep' | 'onNote'>> = {
    onStart: ({ outerSteps, fromOuterStep, thetaLength, threads, backend, startLoss }) => {
      const from = fromOuterStep === 0 ? '' : `, from outer step ${fromOuterStep}`
      this.#stream.write(
        `${thetaLength} weights, ${threads} threads, ${backend}${from}; meta-loss at the start ${startLoss.toFixed(3)}\n`,
      )
      this.#progress = startProgress(this.#stream, {
        total: outerSteps,
        unit: 'outer steps',
        from: fromOuterStep,
      })
    },
    onStep: (record) => this.#progress?.update(record.outerStep, describeStep(record)),
    onNote: (message) => (this.#progress ? this.#progress.note(message) : this.#stream.write(`${message}\n`)),
  };

  [Symbol.dispose](): void {
    this.#progress?.stop()
  }
}

function describeStep({ metaLoss, innerStepsPerSecond, numDiverged }: StepRecord): string {
  const diverged = numDiverged === 0 ? '' : `  ${numDiverged} diverged`
  return `meta-loss ${Number.isFinite(metaLoss) ? metaLoss.toFixed(3) : 'not finite'}  ${formatCount(innerStepsPerSecond)} inner steps/s${diverged}`
}

async function finish(result: TrainResult, directory: string): Promise<void> {
  // The figures need vega, which takes longer to load than the rest of the command.
  const { writeReport } = await import('../report/report.js')
  const { config, records } = result
  await writeReport(directory, {
    records,
    config,
    title: `Meta-training: ${config.preset ?? 'custom config'}`,
  })
  process.stdout.write(
    `Trained for ${result.outerStepsDone} outer steps.\n` +
      `Optimizer: ${directory}/theta.safetensors\nReport:    ${directory}/report.html\n` +
      `Measure it against tuned baselines: outerloop eval ${directory}/theta.safetensors --out ${directory}\n`,
  )
}

function reportStop({ outerStepsDone, config }: TrainResult, directory: string): void {
  process.stdout.write(
    `Interrupted after ${outerStepsDone} of ${config.outerSteps} outer steps; the state is saved.\n` +
      `Continue with: outerloop train --resume ${directory}\n`,
  )
  process.exitCode = INTERRUPTED
}

function abortedWith(cause: unknown, directory: string): Error {
  const message = `aborted; the last checkpoint, if there was one, is kept. Continue with: outerloop train --resume ${directory}`
  return Object.assign(new Error(message, { cause }), { name: 'AbortError' })
}
