import { join } from 'node:path'
import type { Command } from 'commander'
import { loadConfigFile } from '../config/configFile.js'
import { isLearned, optimizerConfigSchema } from '../config/optimizerConfig.js'
import { parseWith } from '../config/parse.js'
import { OuterloopError } from '../errors.js'
import type { EvaluationSubject } from '../evaluate/evaluate.js'
import { type EvaluateOptions, parseEvaluateOptions } from '../evaluate/evaluateOptions.js'
import type { Evaluation } from '../evaluate/evaluation.js'
import { makeDirectory } from '../files/systemError.js'
import { heldOutTasks } from '../tasks/catalogue.js'
import { writeAtomically } from '../weights/atomicFile.js'
import type { LoadWeightsOptions } from '../weights/weightFile.js'
import { listenForInterrupts } from './interrupts.js'
import { cpuHelp, memoryHelp, numeric, numericList, size } from './optionValues.js'
import { print, printError, printResult } from './output.js'
import { startProgress } from './progress.js'
import { formatCount } from './quantities.js'
import { readRunOf } from './runDirectory.js'
import { addWeightOptions, formatsHelp, loadOptions, type WeightFlags } from './weightFlags.js'

interface EvalFlags extends WeightFlags {
  config?: string
  tasks?: number | string
  seeds?: number | string
  seed?: number | string
  innerSteps?: (number | string)[]
  stepMult?: (number | string)[]
  threads?: number | string
  cpu?: string
  maxMemory?: number
  cache?: string
  out?: string
  json?: boolean
}

/** Adds `outerloop eval`. */
export function addEvalCommand(program: Command): void {
  const { seeds, seed, innerSteps, stepMultipliers, threads, cpu } = parseEvaluateOptions({})
  const command = program
    .command('eval')
    .description(
      'Measure an optimizer, trained or hand-designed, against SGD, momentum and Adam on held-out tasks.',
    )
    .argument(
      '[theta]',
      `a trained optimizer, such as theta.safetensors of a run: ${formatsHelp}; without it --optimizer is a hand-designed one`,
    )
  addWeightOptions(command)
    .option(
      '--tasks <count>',
      `tasks of the held-out suite, from its start (default: all ${heldOutTasks.length})`,
      numeric,
    )
    .option(
      '--config <file>',
      'JSON file of options, with the tasks and data sets to measure on; the other options are laid over it',
    )
    .option('--seeds <count>', `runs of every setting on every task (default: ${seeds})`, numeric)
    .option(
      '--seed <integer>',
      `names initial parameters, minibatches and the bootstrap, >= 0 (default: ${seed})`,
      numeric,
    )
    .option(
      '--inner-steps <list>',
      `horizons in inner steps, with commas (default: ${innerSteps})`,
      numericList,
    )
    .option(
      '--step-mult <list>',
      `factors on the steps, with commas; each is a trial, and the table says so (default: ${stepMultipliers})`,
      numericList,
    )
    .option(
      '--threads <count>',
      `CPU threads, or auto: all; does not change the result (default: ${threads})`,
      numeric,
    )
    .option('--cpu <name>', `${cpuHelp} (default: ${cpu})`)
    .option('--max-memory <size>', memoryHelp, size)
    .option('--cache <dir>', 'keep the baselines’ curves here and use them again (default: not kept)')
    .option('--out <dir>', 'write evaluation.json, report.html and figures as SVG here')
    .option('--json', 'print the whole evaluation as JSON instead of tables')
    .addHelpText('after', afterHelp)
    .action(runEval)
}

const afterHelp = `
Every baseline runs at 14 learning rates from 1e-6 to 3.2, half a decade apart. Rates are chosen on outer-validation
and reported on test, both the best single one for all tasks and the best for each task. Losses are normalised:
1 before training, 0 for the best baseline run of the task. Intervals are 95 % bootstrap over tasks and seeds.
Tables go to stdout, progress to stderr. What cannot be kept in --cache is told, and the scores are printed.

The tasks are those that \`outerloop tasks list\` calls heldOut: preset quick trains on none of them. The other
presets train on MLPs on the same three data sets, so for them at most the exact nets are unseen.

Own data and tasks, in a file for --config (data sets are those of a train config; docs/data.md has their options):
  { "datasets": [{ "kind": "csv", "name": "wine", "path": "wine.csv", "label": "quality" }],
    "tasks": [{ "name": "wine-32", "config": { "family": "mlp", "dataset": "wine", "hidden": [32] } }] }

Examples:
  outerloop eval runs/quick-0/theta.safetensors --out runs/quick-0
  outerloop eval theta.safetensors --config wine.json
  outerloop eval theta.safetensors --tasks 6 --inner-steps 500 --json
  outerloop eval celo/theta.state --optimizer '{"phase": 2}'
  outerloop eval --optimizer '{"name": "lamb", "lr": 0.01}'`

async function runEval(theta: string | undefined, flags: EvalFlags): Promise<void> {
  const options = await evaluateOptions(flags)
  const given = await loadOptions(flags)
  const subject = theta === undefined ? handDesigned(given) : await loadTrained(theta, given)
  // Before the work, so that a directory that cannot be written is found in time.
  if (flags.out !== undefined) await makeDirectory(flags.out)
  using interrupts = listenForInterrupts(() => printError('\nStopping.\n'))
  const evaluation = await evaluateWithProgress(subject, options, interrupts.stopSignal)
  // Before the files: if these cannot be written, the scores are at least seen.
  const text = flags.json ? `${JSON.stringify(evaluation)}\n` : await tablesOf(evaluation)
  if (flags.out === undefined) {
    printResult(text)
    return
  }
  print(text)
  await writeEvaluation(flags.out, evaluation, theta)
  if (!flags.json) print(`\nReport: ${join(flags.out, 'report.html')}\n`)
}

async function tablesOf(evaluation: Evaluation): Promise<string> {
  const { formatTable, subjectLabel } = await import('../evaluate/table.js')
  return `${formatTable(evaluation)}\n${trialNote(evaluation, subjectLabel(evaluation))}`
}

async function loadTrained(theta: string, options: LoadWeightsOptions): Promise<EvaluationSubject> {
  // Only now: `--help` needs no engine.
  const { loadWeights } = await import('../weights/weightFile.js')
  return loadWeights(theta, options)
}

/** What `--optimizer` describes alone. */
function handDesigned({ optimizer: given, decayOffsets }: LoadWeightsOptions): EvaluationSubject {
  if (given === undefined) {
    throw new OuterloopError(
      'INVALID_OPTION',
      'expected a weight file, or `--optimizer` with a hand-designed one',
    )
  }
  const optimizer = parseWith(optimizerConfigSchema, given, 'optimizer')
  if (isLearned(optimizer)) {
    const message = `expected a weight file for \`${optimizer.name}\`, which has weights, got \`--optimizer\` alone`
    throw new OuterloopError('INVALID_OPTION', message)
  }
  if (decayOffsets !== undefined) {
    throw new OuterloopError(
      'INVALID_OPTION',
      'expected `--decay-offsets` only with a weight file that lacks them',
    )
  }
  return { theta: new Float32Array(), optimizer }
}

/** A step multiplier that was chosen is a hyperparameter that was tuned, even if only one is tried here. */
function trialNote({ settings: { stepMultipliers } }: Evaluation, subject: string): string {
  if (stepMultipliers.every((factor) => factor === 1)) return ''
  const untuned = stepMultipliers.includes(1)
    ? 'factor 1'
    : `factor ${stepMultipliers[0]}, chosen by hand: one trial`
  return `\nStep multipliers ${stepMultipliers.join(', ')}: each is a trial. Row "${subject}" has ${untuned}.\n`
}

/** The flags under the names of the library's options, laid over those of `--config`; the library checks them. */
async function evaluateOptions(flags: EvalFlags): Promise<EvaluateOptions> {
  const file = flags.config === undefined ? {} : await loadConfigFile(flags.config)
  const { tasks, seeds, seed, innerSteps, stepMult, threads, cpu, maxMemory, cache } = flags
  const named = {
    ...{ tasks, seeds, seed, innerSteps, threads, cpu },
    ...{ stepMultipliers: stepMult, maxMemoryBytes: maxMemory, cacheDir: cache },
  }
  const given = Object.entries(named).filter(([, value]) => value !== undefined)
  const options = { ...file, ...Object.fromEntries(given) }
  // What is wrong is found before weights are read.
  parseEvaluateOptions(options)
  return options
}

async function evaluateWithProgress(
  subject: EvaluationSubject,
  options: EvaluateOptions,
  signal: AbortSignal,
): Promise<Evaluation> {
  const { evaluate } = await import('../evaluate/evaluate.js')
  const start = performance.now()
  let progress: ReturnType<typeof startProgress> | undefined
  try {
    return await evaluate(subject, {
      ...options,
      signal,
      onProgress: ({ done, total }) => {
        progress ??= startProgress(process.stderr, { total, unit: 'inner steps' })
        const perSecond = (done / (performance.now() - start)) * 1000
        progress.update(done, `${formatCount(perSecond)} inner steps/s`)
      },
      onNote: (message) => (progress ? progress.note(message) : printError(`${message}\n`)),
    })
  } finally {
    progress?.stop()
  }
}

/** Writes the evaluation and its report; the report tells of the training too, if theta lies in its run's directory. */
async function writeEvaluation(
  out: string,
  evaluation: Evaluation,
  theta: string | undefined,
): Promise<void> {
  const { writeReport } = await import('../report/report.js')
  await writeAtomically(join(out, 'evaluation.json'), `${JSON.stringify(evaluation)}\n`)
  const training = theta === undefined ? {} : await readRunOf(theta).catch(withoutTraining)
  await writeReport(out, {
    ...training,
    evaluation,
    title: `Evaluation of ${theta ?? evaluation.optimizer.name}`,
  })
}

/** A run whose files are damaged must not cost the evaluation its report. */
function withoutTraining(error: Error): object {
  printError(`The report tells nothing of the training: ${error.message}\n`)
  return {}
}
