/** Named configs, and how a user's options are laid over one. */
import type { z } from 'zod'
import { OuterloopError } from '../errors.js'
import { nearest } from './parse.js'
import { paper2020 } from './presetPaper2020.js'
import { quick } from './presetQuick.js'
import type { trainConfigSchema } from './trainConfig.js'

/** A preset is all of a train config that has no default, and what differs from the defaults. */
export type CompletePreset = Omit<z.input<typeof trainConfigSchema>, 'preset'>

/** Names of the presets. */
export const presetNames = ['quick', 'paper2020'] as const

/** The presets by name. */
export const presets: Record<(typeof presetNames)[number], CompletePreset> = { quick, paper2020 }

/**
 * The preset of a name.
 *
 * @throws {OuterloopError} `INVALID_OPTION` if there is none.
 */
export function resolvePreset(name: unknown): CompletePreset {
  const known = presetNames.find((preset) => preset === name)
  if (known !== undefined) return presets[known]
  const near = typeof name === 'string' ? nearest(name, presetNames) : undefined
  const hint = near === undefined ? '' : ` (did you mean "${near}"?)`
  const expected = presetNames.map((preset) => JSON.stringify(preset)).join(', ')
  throw new OuterloopError(
    'INVALID_OPTION',
    `expected \`preset\` to be one of ${expected}, got ${JSON.stringify(name)}${hint}`,
  )
}

/** Options laid over the preset they name; without a preset they are returned as they are. */
export function withPreset(input: unknown): unknown {
  if (!isPlainObject(input) || input.preset === undefined) return input
  return mergeOver(resolvePreset(input.preset), input)
}

type PlainObject = Record<string, unknown>

function isPlainObject(value: unknown): value is PlainObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function mergeOver(base: unknown, over: unknown): unknown {
  if (over === undefined) return base
  if (!isPlainObject(base) || !isPlainObject(over) || isOtherVariant(base, over)) return over
  const merged = Object.entries(over).map(([key, value]) => [key, mergeOver(base[key], value)])
  return { ...base, ...Object.fromEntries(merged) }
}

/** Fields whose value says which other fields there are. */
const discriminators = ['name', 'kind', 'source', 'family', 'variant']

/** True if `over` is of another variant than `base`, so that nothing of `base` may shine through. */
function isOtherVariant(base: PlainObject, over: PlainObject): boolean {
  const isOtherKind = discriminators.some((key) => key in over && over[key] !== base[key])
  // A mixture is told by which of these it has.
  const isOtherMixture =
    ['tasks', 'family', 'families'].some((key) => key in over && !(key in base)) && isMixture(base)
  return isOtherKind || isOtherMixture
}

function isMixture(value: PlainObject): boolean {
  return 'families' in value || 'family' in value || Array.isArray(value.tasks)
}
