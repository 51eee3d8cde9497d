import { extname } from 'node:path'
import type { Command } from 'commander'
import { z } from 'zod'
import { parseWith } from '../config/parse.js'
import { type WeightFormat, weightFormats } from '../config/weightFormat.js'
import { OuterloopError } from '../errors.js'
import { printableName } from '../printable.js'
import type { WeightInspection } from '../weights/weightInspection.js'
import { print } from './output.js'
import { addWeightOptions, formatsHelp, loadOptions, type WeightFlags } from './weightFlags.js'

interface ConvertFlags extends WeightFlags {
  to?: string
  force?: boolean
  json?: boolean
}

/** Adds `outerloop weights inspect | convert`. */
export function addWeightsCommand(program: Command): void {
  const weights = program
    .command('weights')
    .description('Look into weight files of learned optimizers, and convert them: safetensors, flax, PyLO.')
  weights
    .command('inspect')
    .description(
      'Print format, optimizer, leaves with the range of their weights, and checksum of a weight file.',
    )
    .argument('<path>', formatsHelp)
    .option('--json', 'print a JSON object')
    .action(inspect)
  const convertCommand = weights
    .command('convert')
    .description('Write a weight file in another format. What does not fit its optimizer exactly is refused.')
    .argument('<from>', formatsHelp)
    .argument('<to>', 'the file to write; for pylo the directory')
    .option('--to <format>', 'safetensors, flax or pylo (default: by the name: .safetensors, .state)')
    .option('--force', 'for pylo: write into a directory that holds something already')
  addWeightOptions(convertCommand)
    .option('--json', 'print a JSON object { format, optimizer, numWeights, notes }')
    .addHelpText('after', convertHelp)
    .action(convert)
}

const convertHelp = `
Only safetensors of this package hold the optimizer's config. Those of other programs need its name in --optimizer, and
may be F64, F16 or BF16. Of flax and PyLO name and sizes are told by the leaves, the rest are the
defaults unless --optimizer says otherwise. PyLO has adafac_mlp, celo2 and velo; its files lack what its constructors
are given, so the call is printed.

Examples:
  outerloop weights convert theta.safetensors theta.state
  outerloop weights convert celo2/theta.state celo2.safetensors --optimizer '{"orthogonalize": false}'
  outerloop weights convert runs/quick-0/theta.safetensors out --to pylo`

async function inspect(path: string, flags: { json?: boolean }): Promise<void> {
  // Only now: `--help` needs no engine.
  const { inspectWeights } = await import('../weights/weightInspection.js')
  const inspection = await inspectWeights(path)
  print(flags.json ? `${JSON.stringify(inspection, null, 2)}\n` : describe(inspection))
}

function describe({
  format,
  optimizer,
  isInferred,
  choices,
  notes,
  leaves,
  numWeights,
  sha256,
}: WeightInspection): string {
  const told = optimizer === undefined ? 'none that its leaves would tell' : JSON.stringify(optimizer)
  const rows = leaves.map(({ name, shape, min, max, rms, isDead }) => [
    shownName(name),
    `[${shape.join(', ')}]`,
    number(min),
    number(max),
    number(rms),
    isDead ? 'dead' : '',
  ])
  const lines = [
    `format     ${format}`,
    `optimizer  ${told}${isInferred ? ', told by the leaves' : ''}`,
    ...choices.map(({ option, values }) => `           ${option} is not told: ${values}`),
    ...notes.map((note) => `           ${note}`),
    ...sha256.map(({ path, sha256 }) => `sha256     ${sha256}  ${path}`),
    `weights    ${numWeights} in ${leaves.length} leaves`,
    ...table([['leaf', 'shape', 'min', 'max', 'rms', ''], ...rows]),
  ]
  if (leaves.some(({ isDead }) => isDead)) lines.push('dead: no step depends on it')
  return `${lines.join('\n')}\n`
}

function table(rows: string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

function number(x: number): string {
  return String(Number(x.toPrecision(4)))
}

/** A leaf's name as it is, or quoted if one could not tell where it begins and ends. */
function shownName(name: string): string {
  return /^[\x21-\x7e]+$/.test(name) ? name : printableName(JSON.stringify(name))
}

async function convert(from: string, to: string, flags: ConvertFlags): Promise<void> {
  const format = formatOf(to, flags.to)
  const options = await loadOptions(flags)
  const { loadWeights, saveWeights } = await import('../weights/weightFile.js')
  const trained = await loadWeights(from, options)
  const saved = await saveWeights(to, trained, { format, force: flags.force })
  const { optimizer, theta } = trained
  const notes = [...trained.notes, ...saved.notes]
  if (flags.json) {
    print(`${JSON.stringify({ format, optimizer, numWeights: theta.length, notes })}\n`)
    return
  }
  const lines = [`Wrote ${to} (${format}): ${theta.length} weights of ${JSON.stringify(optimizer)}`, ...notes]
  print(`${lines.join('\n')}\n`)
}

const extensions: Record<string, WeightFormat> = { '.safetensors': 'safetensors', '.state': 'flax' }

/** The format asked for, or the one that a name has by custom. */
function formatOf(path: string, asked: string | undefined): WeightFormat {
  const format = asked ?? extensions[extname(path)]
  if (format !== undefined) return parseWith(z.enum(weightFormats), format, 'to')
  throw new OuterloopError(
    'INVALID_OPTION',
    `expected --to to be given: ${path} does not tell the format by its name`,
  )
}
