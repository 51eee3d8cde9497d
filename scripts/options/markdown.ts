/** The options of all optimizers as a page of the documentation. */
import type { Described, OptionSpec, Range } from './table.js'

const groups = {
  hand_designed: 'Hand-designed',
  learned: 'Learned',
  wrapper: 'Around others',
}

/** The page. */
export function optionsPage(optimizers: readonly Described[]): string {
  const sections = Object.entries(groups).map(([group, title]) => {
    const all = optimizers.filter((optimizer) => optimizer.group === group)
    return `## ${title}\n\n${all.map(section).join('\n')}`
  })
  return `# Options of optimizers

Every optimizer with its options. An option without a default must be given. [optimizers.md](optimizers.md) tells which optimizers there are and
how they are used. In formulas p are the parameters, g their gradients, m and v the decaying means of g and g², m̂ and v̂ the same with bias
correction.

${sections.join('\n')}
## Factors of a schedule

\`factor\` of \`schedule\` is an object; \`t\` are the updates before, 0 at first.

| kind | factor | other options |
|---|---|---|
| \`constant\` | \`value\` | \`value\` ≥ 0 |
| \`linear_warmup\` | start + (1 − start)·min(t/warmupSteps, 1) | \`warmupSteps\` ≥ 1; \`start\` 0, in [0, 1] |
| \`cosine\` | that warm-up, then a half cosine from 1 to \`end\` at \`totalSteps\` | \`warmupSteps\` 0; \`start\` 0; \`totalSteps\` null: the length of the run; \`end\` 0 |
| \`piecewise\` | 1, then the factor of the last breakpoint whose step is at most t | \`breakpoints\`, each a \`step\` and a \`factor\`, in order of their steps |
| \`exponential\` | rate^(t/every) | \`rate\` in (0, 1]; \`every\` 1 |
| \`inverse_sqrt\` | min(s/warmupSteps, √(warmupSteps/s)), s = t + 1 | \`warmupSteps\` 1000 |

\`tensors\` of \`scaled\` is a list of \`{ pattern, factor }\`: a regular expression and the factor of tensors whose name it finds.

This page is generated from the tables of options in \`crates/outerloop-optim\`.
`
}

function section({ name, doc, options }: Described): string {
  const head = `### \`${name}\`\n\n${doc}\n`
  if (options.length === 0) return `${head}\nIt has no options.\n`
  const rows = options.map(
    (spec) => `| \`${spec.name}\` | ${defaultOf(spec)} | ${values(spec)} | ${cell(meaning(spec))} |`,
  )
  return `${head}\n| option | default | values | meaning |\n|---|---|---|---|\n${rows.join('\n')}\n`
}

function meaning({ doc, only }: OptionSpec): string {
  return only === undefined ? doc : `${doc} Only where \`${only.option}\` is \`${only.value}\`.`
}

function defaultOf({ default: value }: OptionSpec): string {
  return value === undefined ? '' : `\`${cell(JSON.stringify(value))}\``
}

function values({ range, isNullable }: OptionSpec): string {
  return isNullable ? `${inWords(range)}, null` : inWords(range)
}

function inWords(range: Range): string {
  switch (range.kind) {
    case 'positive':
      return '> 0'
    case 'nonNegative':
      return '≥ 0'
    case 'fraction':
      return '[0, 1)'
    case 'probability':
      return '[0, 1]'
    case 'between':
    case 'integer':
      return `${range.min} to ${range.max}`
    case 'atLeast':
      return `≥ ${range.min}`
    case 'flag':
      return 'true, false'
    case 'pattern':
      return 'a regular expression'
    case 'choice':
      return range.names.map((name) => `\`${name}\``).join(', ')
    case 'optimizer':
      return 'an optimizer'
    case 'nested':
      return 'see below'
  }
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}
