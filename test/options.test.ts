/**
 * Every option of every optimizer, as the engine's tables have it: what TypeScript and the engine make of its default, of values
 * at the ends of its range and of values beyond. Neither side knows the other's check.
 */
import test from 'ava'
import { describeOptimizers, NativeOptimizer } from '../index.js'
import { type Described, forms, type OptionSpec, type Range } from '../scripts/options/table.js'
import { optimizerConfigSchema } from '../ts/config/optimizerConfig.js'

const all = JSON.parse(describeOptimizers()) as Described[]
const inner = optimizerConfigSchema.parse({ name: 'sgd', lr: 0.1 })

/** Values inside a range, its ends among them, and values outside. */
function samples(range: Range): { inside: unknown[]; outside: unknown[] } {
  switch (range.kind) {
    case 'positive':
      return { inside: [1.2e-38, 0.5, 3.4e38], outside: [0, -1, 1e-39, 3.5e38, '1', true, []] }
    case 'nonNegative':
      return { inside: [0, 0.5, 3.4e38], outside: [-1e-30, 3.5e38, '1', {}] }
    case 'fraction':
      return { inside: [0, 0.5, 0.999999], outside: [-0.1, 1, 0.99999999, 2, '0'] }
    case 'probability':
      return { inside: [0, 0.5, 1], outside: [-0.1, 1.0001, '0'] }
    case 'between':
      return { inside: [range.min, range.max], outside: [range.min * 0.99, range.max * 1.01, '1'] }
    case 'atLeast':
      return { inside: [range.min, 1e30], outside: [range.min * 0.99, 3.5e38, '1'] }
    case 'integer':
      return { inside: [range.min], outside: [range.min - 1, range.max + 1, range.min + 0.5, '1'] }
    case 'flag':
      return { inside: [true, false], outside: [0, 1, 'true'] }
    case 'pattern':
      return { inside: ['', 'b$', '(^|/)w'], outside: ['(', '(?=b)', 1] }
    case 'choice':
      return { inside: range.names, outside: ['', 'other', 0] }
    case 'optimizer':
      return { inside: [inner], outside: [{}, 'sgd', { name: 'sgd', lr: -1 }, { name: 'none' }] }
    case 'nested':
      return range.schema === 'stepFactor'
        ? { inside: [{ kind: 'constant', value: 1 }], outside: [{}, { kind: 'none' }, 1] }
        : { inside: [[], [{ pattern: 'b', factor: 2 }]], outside: [{}, [{}], [{ pattern: '(', factor: 2 }]] }
  }
}

/** A config in which everything that must be given is. */
function smallest({ name }: Described, options: readonly OptionSpec[], chosen: Record<string, unknown>) {
  const needed = options.filter((spec) => spec.default === undefined)
  const given = needed.map((spec) => [spec.name, spec.name === 'lr' ? 0.1 : samples(spec.range).inside[0]])
  return { name, ...Object.fromEntries(given), ...chosen }
}

/** Whether the engine takes a config up; all weights of a learned optimizer would be asked for after its options. */
function engineTakes(config: unknown): boolean {
  try {
    new NativeOptimizer(JSON.stringify(config), new Float32Array())
    return true
  } catch (error) {
    return (error as { code?: unknown }).code !== 'INVALID_OPTION'
  }
}

for (const optimizer of all) {
  for (const { option, value, options } of forms(optimizer)) {
    const chosen = option === undefined ? {} : { [option]: value }
    test(`${optimizer.name} ${value ?? ''}: defaults and ranges of all options`, (t) => {
      const base = smallest(optimizer, options, chosen)
      const complete = optimizerConfigSchema.parse(base) as unknown as Record<string, unknown>
      t.deepEqual(Object.keys(complete).sort(), ['name', ...options.map((spec) => spec.name)].sort())
      t.true(engineTakes(base))
      for (const spec of options.filter((one) => one.name !== option)) {
        if (spec.default === undefined) {
          const { [spec.name]: _, ...without } = base
          t.false(optimizerConfigSchema.safeParse(without).success, `${spec.name} left out`)
          t.false(engineTakes(without), `${spec.name} left out`)
        } else {
          t.deepEqual(complete[spec.name], spec.default, spec.name)
        }
        const { inside, outside } = samples(spec.range)
        const isTaken = (one: unknown) => {
          const config = { ...base, [spec.name]: one }
          return [optimizerConfigSchema.safeParse(config).success, engineTakes(config)]
        }
        for (const one of inside)
          t.deepEqual(isTaken(one), [true, true], `${spec.name}: ${JSON.stringify(one)}`)
        for (const one of outside)
          t.deepEqual(isTaken(one), [false, false], `${spec.name}: ${JSON.stringify(one)}`)
        // To the engine null of an option that exists in one form only is the same as none.
        if (spec.only === undefined)
          t.deepEqual(isTaken(null), [spec.isNullable, spec.isNullable], `${spec.name}: null`)
      }
      t.deepEqual(
        [optimizerConfigSchema.safeParse({ ...base, other: 1 }).success, engineTakes({ ...base, other: 1 })],
        [false, false],
      )
    })
  }
}
