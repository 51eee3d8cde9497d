/** The tables of options as the engine tells them: `describe_all` in crates/outerloop-optim/src/zoo/registry.rs. */

/** What an option may be. */
export type Range =
  | { kind: 'positive' | 'nonNegative' | 'fraction' | 'probability' | 'flag' | 'pattern' | 'optimizer' }
  | { kind: 'between' | 'integer'; min: number; max: number }
  | { kind: 'atLeast'; min: number }
  | { kind: 'choice'; names: string[] }
  | { kind: 'nested'; schema: string }

/** One option. */
export interface OptionSpec {
  name: string
  doc: string
  range: Range
  isNullable: boolean
  /** Absent: it must be given. */
  default?: unknown
  /** Where it exists; absent: everywhere. */
  only?: { option: string; value: string }
}

/** One optimizer. */
export interface Described {
  group: 'hand_designed' | 'learned' | 'wrapper'
  name: string
  doc: string
  options: OptionSpec[]
}

/** Values of the option on which others depend, each with the options that there are then; one entry if none does. */
export function forms({ options }: Described): { value?: string; option?: string; options: OptionSpec[] }[] {
  const depends = options.find(({ only }) => only !== undefined)?.only
  const chosen = options.find(({ name }) => name === depends?.option)
  if (depends === undefined || chosen?.range.kind !== 'choice') return [{ options }]
  return chosen.range.names.map((value) => ({
    value,
    option: depends.option,
    options: options.filter(({ only }) => only === undefined || only.value === value),
  }))
}

/** `mlp_lopt` as `MlpLopt`. */
export function pascalCase(name: string): string {
  return name.replace(/(^|_)(\w)/g, (_, __, letter: string) => letter.toUpperCase())
}
