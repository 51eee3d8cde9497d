/** How options are laid over others. */

/** An object of options. */
export type PlainObject = Record<string, unknown>

/** Whether a value is an object of options. */
export function isPlainObject(value: unknown): value is PlainObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * `over` laid over `base`.
 *
 * Objects are merged key by key; arrays, and objects that choose another variant (`name`, `kind`, `source`, `family`),
 * replace what the base has. Undefined stands for what the base has.
 */
export function mergeOver(base: unknown, over: unknown): unknown {
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
