/** Which leaves of theta are neither perturbed nor moved. */
import type { LearnedOptimizerConfig } from '../config/optimizerConfig.js'
import type { FreezeConfig } from '../config/outerOptimizerConfig.js'
import { OuterloopError } from '../errors.js'
import { inferOptimizer, numElements, thetaLayout } from '../native.js'

/** Weights `start` (included) to `end` (not) of flat theta. */
export interface WeightRange {
  start: number
  end: number
}

/** Frozen leaves by name, and where they lie. */
export interface Frozen {
  names: string[]
  ranges: WeightRange[]
}

/**
 * The frozen leaves of an optimizer.
 *
 * @throws {OuterloopError} `INVALID_OPTION` if a pattern matches no leaf, or all are frozen.
 */
export function frozenLeaves(optimizer: LearnedOptimizerConfig, freeze: FreezeConfig): Frozen {
  const leaves = thetaLayout(optimizer)
  const names = new Set(freeze.dead ? inferOptimizer(leaves).dead : [])
  for (const pattern of freeze.leaves) {
    const matching = leaves.filter(({ name }) => matches(pattern, name))
    if (matching.length === 0) {
      const known = leaves.map(({ name }) => name).join(', ')
      const message = `expected \`freeze.leaves\` to name leaves of ${optimizer.name} (${known}), got "${pattern}"`
      throw new OuterloopError('INVALID_OPTION', message)
    }
    for (const { name } of matching) names.add(name)
  }
  if (leaves.every(({ name }) => names.has(name))) {
    const got = JSON.stringify(freeze.leaves)
    const message = `expected \`freeze.leaves\` to leave some of ${optimizer.name} to be trained, got ${got}`
    throw new OuterloopError('INVALID_OPTION', message)
  }
  let end = 0
  const ranges = leaves.flatMap((leaf) => {
    const start = end
    end += numElements(leaf)
    return names.has(leaf.name) ? [{ start, end }] : []
  })
  return { names: leaves.flatMap(({ name }) => (names.has(name) ? [name] : [])), ranges }
}

/** Whether `name` is `pattern`, in which `*` stands for any text. */
function matches(pattern: string, name: string): boolean {
  const [head = '', ...parts] = pattern.split('*')
  const tail = parts.pop()
  if (tail === undefined) return name === head
  let rest = name
  if (!rest.startsWith(head)) return false
  rest = rest.slice(head.length)
  for (const part of parts) {
    const at = rest.indexOf(part)
    if (at < 0) return false
    rest = rest.slice(at + part.length)
  }
  return rest.endsWith(tail)
}
