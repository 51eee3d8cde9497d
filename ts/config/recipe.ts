/** Recipes of meta-training as files: `presets/NAME.json` of the package, read as they are. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { text } from './fields.js'
import { parseWith } from './parse.js'

/** A part of a recipe that is a run of its own, and a preset. */
const phaseSchema = z.strictObject({
  /** Name of the preset. */
  name: text(),
  /** What is special about it. */
  summary: text(),
  /** An earlier phase of the recipe that `config` is laid over. */
  over: text().optional(),
  /** Options of a train config. What they may be, the train config's schema checks when they are used. */
  config: z.record(z.string(), z.unknown()),
})

/** A recipe of meta-training. */
export const recipeSchema = z
  .strictObject({
    /** Name of the file and of the first phase. */
    name: text(),
    summary: text(),
    /** Where it is from: papers, code. */
    source: z.array(text()).min(1),
    /** In what it differs from its source. */
    differences: z.array(text()),
    /** Its runs, in order. */
    phases: z.array(phaseSchema).min(1),
  })
  .superRefine(({ name, phases }, context) => {
    for (const [i, phase] of phases.entries()) {
      const earlier = phases.slice(0, i).map((other) => other.name)
      const refuse = (key: 'name' | 'over', message: string) =>
        context.addIssue({ code: 'custom', path: ['phases', i, key], message, input: phase[key] })
      if (i === 0 && phase.name !== name) refuse('name', `the name of the recipe ("${name}")`)
      if (earlier.includes(phase.name)) refuse('name', 'a name that no other phase has')
      if (phase.over !== undefined && !earlier.includes(phase.over)) refuse('over', 'an earlier phase')
    }
  })

/** A recipe of meta-training. */
export interface Recipe extends z.infer<typeof recipeSchema> {}

/** Directory of the recipes: that of the package, seen from ts/config as from dist/config. */
const directory = new URL('../../presets/', import.meta.url)

/**
 * Reads a recipe of the package.
 *
 * @throws {OuterloopError} `INVALID_OPTION` if the file does not hold one.
 */
export function loadRecipe(name: string): Recipe {
  const file = `${name}.json`
  return parseWith(
    recipeSchema,
    JSON.parse(readFileSync(new URL(file, directory), 'utf8')),
    `presets/${file}`,
  )
}
