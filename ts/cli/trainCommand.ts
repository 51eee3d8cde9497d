import type { Command } from 'commander'
import { loadConfigFile } from '../config/configFile.js'
import { parseTrainConfig, type TrainConfig } from '../config/trainConfig.js'
import { OuterloopError } from '../errors.js'
import { checkRunDirectory } from '../outer/existingRun.js'
import { type ResumeChanges, resumedConfig } from '../outer/resumedConfig.js'
import { readRunConfig } from '../outer/runDirectory.js'
import type { TrainOptions, TrainResult } from '../outer/train.js'
import { describeRun } from './describeRun.js'
import { listenForInterrupts } from './interrupts.js'
import { cpuHelp, duration, memoryHelp, numeric, size } from './optionValues.js'
import { print } from './output.js'
import { defaultRunDirectory } from './runDirectory.js'
import { TrainDisplay } from './trainDisplay.js'
import { abortedWith, describeFinish, reportStop, rescued } from './trainOutcome.js'
import { decayOffsets, decayOffsetsOption, formatsHelp } from './weightFlags.js'

interface TrainFlags {
  preset?: string
  config?: string
  seed?: number | string
  threads?: number | string
  cpu?: string
  maxMemory?: number
  outerSteps?: number | string
  start?: string
  decayOffsets?: string
  out?: string
  force?: boolean
  resume?: string
  timeBudget?: number
  maxInnerSteps?: number | string
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
    .option('--max-memory <size>', memoryHelp, size)
    .option('--outer-steps <count>', 'updates of theta (default: the preset’s)', numeric)
    .option(
      '--start <theta>',
      `trained optimizer to start from, such as theta.safetensors of another run: ${formatsHelp}`,
    )
    .addOption(decayOffsetsOption())
    .option('--out <dir>', 'directory to write (default: runs/<preset>-<seed>); must not hold a run')
    .option('--force', 'replace a run in that directory: its files are deleted')
    .option(
      '--resume <dir>',
      'continue the run in this directory, with its own config, from its last checkpoint; --outer-steps lengthens it',
    )
    .option(
      '--time-budget <duration>',
      'stop after so much wall time, such as 90s, 30m or 2h, and save (default: none)',
      duration,
    )
    .option(
      '--max-inner-steps <count>',
      'stop when the run has done so many inner steps, and save (default: none)',
      numeric,
    )
    .addHelpText('after', afterHelp)
    .action(runTrain)
}

const afterHelp = `
Writes into the directory: config.json (complete, usable with --config), metrics.jsonl (one line for each outer
step), tensorboard/ (the same for TensorBoard), checkpoint-<step>.safetensors (the last few), theta.safetensors (the
trained optimizer), theta-best.safetensors (the best one on the tasks of \`evaluation\`, if the config has that),
report.html and figures as SVG. The same seed gives the same bits with any number of threads, any --cpu, resumed or not.

Ctrl-C (SIGINT) or SIGTERM finishes the outer step, saves and exits with code 130; a second one aborts at once and
keeps the last checkpoint. A run that a budget stops exits with code 0. If files cannot be written, the run goes on in
memory and tries again.

--resume DIR --outer-steps N lengthens a run, also one that has ended. A cosine of the outer learning rate then spans all N
steps, so that the rate rises again; a learned outer optimizer is told of N; nothing else depends on it. The command says
which of these is so. --threads and --cpu may be others than before, everything else stays.

Examples:
  outerloop train --preset quick --seed 7 --outer-steps 30 --out runs/try
  outerloop train --resume runs/try --time-budget 30m
  outerloop train --resume runs/try --outer-steps 60
  outerloop eval runs/try/theta.safetensors --out runs/try`

async function runTrain(flags: TrainFlags): Promise<void> {
  const run = flags.resume === undefined ? await freshRun(flags) : await resumedRun(flags, flags.resume)
  print(`${describeRun(run.config)}\nWriting to ${run.directory}\n`)
  using interrupts = listenForInterrupts(() => {
    print('\nStopping after this outer step; once more to abort at once.\n')
  })
  // Only now: the engine is not needed to see that an option is wrong.
  const { train } = await import('../outer/train.js')
  let result: TrainResult
  {
    using display = new TrainDisplay(process.stdout)
    const options = {
      ...run.options,
      ...display.callbacks,
      report: true,
      signal: interrupts.abortSignal,
      stopSignal: interrupts.stopSignal,
    }
    result = await train(run.input, options).catch(async (error: unknown) => {
      if (interrupts.abortSignal.aborted) throw await abortedWith(error, run.directory)
      throw await rescued(error)
    })
  }
  if (result.stoppedBy !== 'signal') describeFinish(result, run.directory)
  if (result.stoppedBy !== undefined) reportStop(result, result.stoppedBy, run.directory)
}

interface Run {
  readonly directory: string
  readonly config: TrainConfig
  /** What `train` gets: of a run that is resumed, what changes. */
  readonly input: TrainConfig | ResumeChanges | undefined
  readonly options: TrainOptions
}

async function freshRun(flags: TrainFlags): Promise<Run> {
  const file = flags.config === undefined ? { preset: 'quick' } : await loadConfigFile(flags.config)
  const { preset, seed, threads, cpu, outerSteps, maxMemory: maxMemoryBytes } = flags
  const ofStart = given({ theta: flags.start, decayOffsets: decayOffsets(flags.decayOffsets) })
  const start =
    Object.keys(ofStart).length > 0 ? { ...(isObject(file.start) && file.start), ...ofStart } : undefined
  const config = parseTrainConfig({
    ...file,
    ...given({ preset, seed, threads, cpu, maxMemoryBytes, outerSteps, start }),
  })
  const directory = flags.out ?? defaultRunDirectory(config)
  const { force = false } = flags
  await checkRunDirectory(directory, force)
  return { directory, config, input: config, options: { out: directory, force, ...limitsOf(flags) } }
}

async function resumedRun(flags: TrainFlags, directory: string): Promise<Run> {
  const others = Object.keys(flags).filter((name) => !keptOnResume.includes(name))
  if (others.length > 0) {
    const names = others.map((name) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`)
    throw new OuterloopError(
      'INVALID_OPTION',
      'expected --resume with no other option than --outer-steps, --threads, --cpu, --time-budget and ' +
        `--max-inner-steps, since a resumed run keeps the rest of its config, got ${names.join(', ')} too`,
    )
  }
  const { outerSteps, threads, cpu } = flags
  const changes = given({ outerSteps, threads, cpu })
  const config = resumedConfig(directory, await readRunConfig(directory), changes)
  const input = Object.keys(changes).length > 0 ? changes : undefined
  return { directory, config, input, options: { resume: directory, ...limitsOf(flags) } }
}

const keptOnResume: readonly string[] = [
  'resume',
  'outerSteps',
  'threads',
  'cpu',
  'timeBudget',
  'maxInnerSteps',
] satisfies (keyof TrainFlags)[]

/** The limits under the names of the library's options, which checks them. */
function limitsOf({ timeBudget, maxInnerSteps }: TrainFlags): TrainOptions {
  return given({ timeBudgetSeconds: timeBudget, maxInnerSteps })
}

/** The entries that have a value. */
function given(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
