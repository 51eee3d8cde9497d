/** Which options of an optimizer may differ between a saved state and the optimizer that goes on from it. */
import type { OptimizerConfig } from '../config/optimizerConfig.js'
import { stateLayout, type ThetaLeaf } from '../native.js'

/** An option that differs. */
export interface Difference {
  /** As one would write it: `optimizer.inner.lr`. */
  path: string
  saved: unknown
  own: unknown
}

/** Every option whose value differs, by its path. */
export function differences(saved: unknown, own: unknown, path = 'optimizer'): Difference[] {
  if (isPlain(saved) && isPlain(own)) {
    const keys = new Set([...Object.keys(saved), ...Object.keys(own)])
    return [...keys].flatMap((key) => differences(saved[key], own[key], `${path}.${key}`))
  }
  return JSON.stringify(saved) === JSON.stringify(own) ? [] : [{ path, saved, own }]
}

/** Options that say what the numbers of a state mean: which rule it is, in which form, and where a window of calls ends. */
const fixed = /\.(name|dialect|variant|steps|phase)$/

/** The differences that a state of these parameters does not survive; where arrays of the state differ, all of them. */
export function structural(
  all: readonly Difference[],
  saved: OptimizerConfig,
  own: OptimizerConfig,
  params: readonly ThetaLeaf[],
): readonly Difference[] {
  // A schedule keeps no state of its own.
  const named = all.filter(({ path }) => fixed.test(path) && !/\.factor\.\w+$/.test(path))
  if (named.length > 0) return named
  const layout = (config: OptimizerConfig) => JSON.stringify(stateLayout(config, params))
  return layout(saved) === layout(own) ? [] : all
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
