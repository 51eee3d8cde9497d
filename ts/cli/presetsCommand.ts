import type { Command } from 'commander'
import { checkPresetName, type PresetName, recipes } from '../config/presets.js'
import type { Recipe } from '../config/recipe.js'
import { parseTrainConfig, type TrainConfig } from '../config/trainConfig.js'
import { expectedInnerSteps } from './innerSteps.js'
import { print } from './output.js'
import { formatCount } from './quantities.js'

/** Adds `outerloop presets list | show`. */
export function addPresetsCommand(program: Command): void {
  const presets = program
    .command('presets')
    .description(
      'List and print the presets of `outerloop train`: recipes of meta-training, each with its source.',
    )
  presets
    .command('list')
    .description('Print name, inner steps and summary of every preset.')
    .option('--json', 'print a JSON array of { name, recipe, summary, innerSteps, startsFrom }')
    .action(listPresets)
  presets
    .command('show')
    .description('Print a preset as JSON: its source, in what it differs from it, and its complete config.')
    .argument('<name>', 'a name that `outerloop presets list` prints')
    .option('--config', 'print the config alone, which `outerloop train --config` reads')
    .action(showPreset)
}

type Phase = Recipe['phases'][number]

function listPresets(flags: { json?: boolean }): void {
  const rows = recipes.flatMap(({ name: recipe, phases }) =>
    phases.map((phase) => {
      const config = configOf(phase)
      return {
        name: phase.name,
        recipe,
        summary: phase.summary,
        innerSteps: expectedInnerSteps(config),
        startsFrom: config.start.theta,
      }
    }),
  )
  if (flags.json) {
    print(`${JSON.stringify(rows, null, 2)}\n`)
    return
  }
  const width = Math.max(...rows.map(({ name }) => name.length))
  for (const recipe of recipes) {
    print(`${recipe.summary}\n`)
    for (const { name, innerSteps, summary, startsFrom } of rows.filter(
      (row) => row.recipe === recipe.name,
    )) {
      const start = startsFrom === undefined ? '' : ` Starts from ${startsFrom}.`
      const steps = `${formatCount(innerSteps)} inner steps`.padStart(18)
      print(`  ${name.padEnd(width)}  ${steps}  ${summary}${start}\n`)
    }
  }
}

function showPreset(given: string, flags: { config?: boolean }): void {
  const name = checkPresetName(given)
  const [recipe, phase] = find(name)
  const config = configOf(phase)
  const { source, differences } = recipe
  const whole = {
    name,
    recipe: recipe.name,
    summary: `${recipe.summary} ${phase.summary}`,
    source,
    differences,
    phases: recipe.phases.map((other) => other.name),
    config,
  }
  print(`${JSON.stringify(flags.config ? config : whole, null, 2)}\n`)
}

function find(name: PresetName): [Recipe, Phase] {
  for (const recipe of recipes) {
    const phase = recipe.phases.find((other) => other.name === name)
    if (phase !== undefined) return [recipe, phase]
  }
  throw new RangeError(`preset ${name}: expected a phase of a recipe`)
}

function configOf({ name }: Phase): TrainConfig {
  return parseTrainConfig({ preset: name })
}
