/**
 * Turns what a zod schema finds wrong into one `OuterloopError` that names, for each problem, the path,
 * what was expected there and what came.
 */
import { z } from 'zod'
import { OuterloopError } from '../errors.js'
import { listed, quote, shorten } from './quote.js'
import { given, showPath, taken } from './taken.js'

type Issue = z.core.$ZodIssue
type Path = readonly PropertyKey[]

/** Stands for "the schema said nothing itself": the words then come from the issue. */
const UNSAID = ''

/**
 * Checks `input` against `schema` and fills in the defaults.
 *
 * @param schema - The schema.
 * @param input - Anything; it is not changed, and the result shares nothing with it but functions and instances of classes.
 * @param root - Name of the whole, for problems that have no path.
 * @param limits - `maxValues`: how many values `input` may consist of. Default a million.
 * @returns The complete value.
 * @throws {OuterloopError} `INVALID_OPTION`, one line for each problem:
 * ``expected `estimator.std` to be a finite number > 0, got -1``.
 */
export function parseWith<Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
  root = 'options',
  { maxValues }: { maxValues?: number } = {},
): z.output<Schema> {
  const copy = taken(input, root, maxValues)
  const result = schema.safeParse(copy, { reportInput: true, error: describe })
  if (result.success) return result.data
  throw refusal(result.error, copy, root)
}

/** Problems that one error tells of. */
const MAX_LINES = 20
/** Characters that a line has at most. */
const MAX_LINE = 2000

function refusal(error: z.ZodError, input: unknown, root: string): OuterloopError {
  const problems = flatten(error.issues, [])
  const lines = new Set<string>()
  let told = 0
  for (; told < problems.length && lines.size < MAX_LINES; told++) {
    for (const line of sentences(problems[told]!, input, root)) lines.add(shorten(line, MAX_LINE))
  }
  const rest = problems.length - told
  const more = rest === 0 ? [] : [`and ${rest} more`]
  // The error of zod is no cause to keep: it holds the whole input, and prints it.
  return new OuterloopError('INVALID_OPTION', [...lines, ...more].join('\n'))
}

const typeWords: Partial<Record<string, string>> = {
  array: 'an array',
  object: 'an object',
  record: 'an object',
  boolean: 'true or false',
}

/** What an issue says was expected, for schemas that do not say it themselves. */
function describe(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return typeWords[issue.expected] ?? `a ${issue.expected}`
    case 'invalid_value':
      return oneOf(issue.values)
    case 'unrecognized_keys':
      return JSON.stringify(knownKeys(issue.inst))
    case 'too_small':
      return bound(issue.origin, 'at least', issue.minimum)
    case 'too_big':
      return bound(issue.origin, 'at most', issue.maximum)
    case 'invalid_format':
      return `text that matches ${issue.pattern ?? issue.format}`
    case 'invalid_union':
      return UNSAID
    default:
      return undefined
  }
}

function bound(origin: string, relation: string, limit: number | bigint): string {
  if (origin === 'array') return `an array of ${relation} ${limit}`
  return origin === 'string' ? `text of ${relation} ${limit} characters` : `${relation} ${limit}`
}

function knownKeys(inst: unknown): string[] {
  if (inst instanceof z.ZodObject) return Object.keys(inst.shape)
  return inst instanceof z.ZodRecord && inst.keyType instanceof z.ZodEnum
    ? inst.keyType.options.map(String)
    : []
}

interface Problem {
  readonly issue: Issue
  readonly path: Path
}

/** Resolves unions: of several alternatives only the one meant most probably is reported. */
function flatten(issues: readonly Issue[], base: Path): Problem[] {
  return issues.flatMap((issue) => {
    const path = [...base, ...issue.path]
    if (issue.code !== 'invalid_union' || issue.message !== UNSAID || issue.errors.length === 0) {
      return [{ issue, path }]
    }
    const likeliest = [...issue.errors].sort((a, b) => strangeness(a) - strangeness(b))[0] ?? []
    return flatten(likeliest, path)
  })
}

/** How far an alternative of a union is from what came: counts wrong keys at its top. */
function strangeness(issues: readonly Issue[]): number {
  return issues.filter(
    (issue) =>
      issue.code === 'unrecognized_keys' ||
      (issue.path.length <= 1 && (issue.code === 'invalid_union' || issue.code === 'invalid_type')),
  ).length
}

function sentences({ issue, path }: Problem, input: unknown, root: string): string[] {
  if (issue.code === 'unrecognized_keys') return unknownKeys(issue, path)
  const expected =
    issue.code === 'invalid_union' && issue.message === UNSAID
      ? oneOf(('options' in issue ? issue.options : undefined) ?? [])
      : issue.message
  const got = issue.code === 'custom' && 'input' in issue ? issue.input : at(input, path)
  // A refinement may say what the value is to have or do, where a type says what it is to be.
  const claim = expected.startsWith('to ') ? expected : `to be ${expected}`
  return [`expected \`${showPath(path) || root}\` ${claim}, got ${quote(given(got))}`]
}

function unknownKeys(issue: Issue & { code: 'unrecognized_keys' }, path: Path): string[] {
  const known = JSON.parse(issue.message || '[]') as string[]
  const [key = '', ...others] = issue.keys
  const line = (name: string) => {
    const near = nearest(name, known)
    const hint = near === undefined ? '' : ` (did you mean \`${near}\`?)`
    return `unknown option \`${showPath([...path, name])}\`: expected one of ${listed(known, MAX_KNOWN)}${hint}`
  }
  const told = [key, ...others.slice(0, MAX_LINES - 1)].map(line)
  const rest = issue.keys.length - told.length
  return [...told, ...(rest === 0 ? [] : [`and ${rest} more unknown options`])]
}

/** Known options that a line names. */
const MAX_KNOWN = 100

/** The value at a path, or undefined. */
function at(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null && Object.hasOwn(inner, key)
        ? (inner as Record<PropertyKey, unknown>)[key]
        : undefined,
    value,
  )
}

function oneOf(values: readonly unknown[]): string {
  const shown = values.map((value) => JSON.stringify(value))
  return shown.length === 1 ? (shown[0] ?? '') : `one of ${shown.join(', ')}`
}

/** The candidate closest to a word, if it is close enough to be a slip of the fingers. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  // Comparing takes time in proportion to both lengths, and nobody means one of ours by a text this long.
  if (word.length > 64) return undefined
  const limit = Math.max(1, Math.floor(word.length / 3))
  const scored = candidates
    .map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance)
  return scored[0]?.candidate
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
