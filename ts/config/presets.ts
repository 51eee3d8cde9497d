/** Named configs, and how a user's options are laid over one. */
import type { z } from 'zod'
import { OuterloopError } from '../errors.js'
import { deepFreeze } from './freeze.js'
import { isPlainObject, mergeOver, type PlainObject } from './merge.js'
import { nearest } from './parse.js'
import { type PresetName, presetNames } from './presetNames.js'
import { quote } from './quote.js'
import { loadRecipe, type Recipe } from './recipe.js'
import type { trainConfigSchema } from './trainConfigSchema.js'

export { type PresetName, presetNames } from './presetNames.js'

/** A preset is all of a train config that has no default, and what differs from the defaults. */
export interface CompletePreset extends Omit<z.input<typeof trainConfigSchema>, 'preset'> {}

/** Names of the recipes: the files of `presets/`. */
export const recipeNames = Object.freeze(['quick', 'broad', 'paper2020', 'velo', 'celo', 'celo2'] as const)

/** The recipes, in the order of their names. They cannot be changed. */
export const recipes: readonly Recipe[] = deepFreeze(recipeNames.map(loadRecipe))

/** The presets by name. They cannot be changed: `{ preset: 'quick', … }` lays options over one. */
export const presets = deepFreeze(Object.fromEntries(recipes.flatMap(configsOf))) as unknown as Readonly<
  Record<PresetName, CompletePreset>
>

/** Name and config of every phase, laid over the phase that it names. */
function configsOf({ phases }: Recipe): [name: string, config: PlainObject][] {
  const configs = new Map<string, PlainObject>()
  for (const { name, over, config } of phases) {
    const base = over === undefined ? {} : configs.get(over)
    configs.set(name, mergeOver(base, config) as PlainObject)
  }
  return [...configs]
}

/**
 * The preset of a name.
 *
 * @throws {OuterloopError} `INVALID_OPTION` if there is none.
 */
export function resolvePreset(name: unknown): CompletePreset {
  return presets[checkPresetName(name)]
}

/**
 * A name, if it is that of a preset.
 *
 * @throws {OuterloopError} `INVALID_OPTION` if it is not.
 */
export function checkPresetName(name: unknown): PresetName {
  const known = presetNames.find((preset) => preset === name)
  if (known !== undefined) return known
  const near = typeof name === 'string' ? nearest(name, presetNames) : undefined
  const hint = near === undefined ? '' : ` (did you mean "${near}"?)`
  const expected = presetNames.map((preset) => JSON.stringify(preset)).join(', ')
  throw new OuterloopError(
    'INVALID_OPTION',
    `expected \`preset\` to be one of ${expected}, got ${quote(name)}${hint}`,
  )
}

/** Options laid over the preset they name; without a preset they are returned as they are. */
export function withPreset(input: unknown): unknown {
  if (!isPlainObject(input) || input.preset === undefined) return input
  return mergeOver(resolvePreset(input.preset), input)
}
