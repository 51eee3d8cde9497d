/**
 * Building blocks of the config schemas. Each carries the words that end an error message
 * "expected `path` to be …", so that a wrong type and a wrong range read alike.
 */
import { types } from 'node:util'
import { z } from 'zod'
import { given, keepInstances } from './taken.js'

/** Ends of f32, in which the engine computes: what is nearer to 0 counts as 0, what is larger as infinite. */
const f32 = { min: 1.1754943508222875e-38, max: 3.4028234663852886e38 }

/** A finite number. */
export function finite() {
  const held = { error: 'a number that f32 holds (up to 3.4e38)' }
  return z.number({ error: 'a finite number' }).gte(-f32.max, held).lte(f32.max, held)
}

/** A finite number > 0. */
export function positive() {
  const error = 'a finite number > 0'
  const held = { error: 'a number > 0 that f32 holds (1.2e-38 to 3.4e38)' }
  return z.number({ error }).gt(0, { error, abort: true }).gte(f32.min, held).lte(f32.max, held)
}

/** A finite number >= 0. */
export function nonNegative() {
  const error = 'a finite number >= 0'
  const held = { error: 'a number >= 0 that f32 holds (up to 3.4e38)' }
  return z.number({ error }).gte(0, { error }).lte(f32.max, held)
}

/** A number in [0, 1): a decay rate, or a share that may not be the whole. In f32 it is below 1 too. */
export function fraction() {
  const error = 'a number >= 0 and < 1'
  const held = { error: 'a number >= 0 and in f32 still < 1 (up to 1 - 3e-8)' }
  return z
    .number({ error })
    .gte(0, { error })
    .lt(1, { error, abort: true })
    .lt(1 - 2 ** -25, held)
}

/** A number in [0, 1]. */
export function probability() {
  const error = 'a number from 0 to 1'
  return z.number({ error }).gte(0, { error }).lte(1, { error })
}

/** A number from `min` to `max`, both included. */
export function between(min: number, max: number) {
  const error = `a number from ${min} to ${max}`
  return z.number({ error }).gte(min, { error }).lte(max, { error })
}

/** A number from `min` that f32 holds. */
export function atLeast(min: number) {
  return finite().gte(min, { error: `a finite number >= ${min}` })
}

/** An integer from `min` to `max`, both included. */
export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER) {
  const error = max === Number.MAX_SAFE_INTEGER ? `an integer >= ${min}` : `an integer from ${min} to ${max}`
  return z.int({ error }).min(min, { error }).max(max, { error })
}

/** A number of CPU threads, or `auto`: as many as the machine has. */
export function threadCount() {
  const error = '"auto" or an integer from 1 to 1024'
  return z.union([z.literal('auto'), z.int({ error }).min(1, { error }).max(1024, { error })], { error })
}

/** Most bytes of memory that data sets and inner problems may take, unless an option says otherwise: 8 GiB. */
export const MAX_MEMORY_BYTES = 2 ** 33

/** Most bytes of memory. */
export function memoryBytes() {
  return integer(1)
}

/** What option `cpu` may be. */
export const cpuNames = ['auto', 'avx512', 'avx2', 'neon', 'portable'] as const

/**
 * Instruction set of the engine. `auto`: the one that the environment variable `OUTERLOOP_CPU` names, else the best that
 * this machine has.
 */
export type CpuName = (typeof cpuNames)[number]

/** An instruction set of the engine. */
export function cpuName() {
  return z.enum(cpuNames)
}

/** A name or a path: a string that is not empty, nor endless. */
export function text() {
  const error = 'a string that is not empty'
  return unicode(error).min(1, { error }).max(4096, { error: 'a string of at most 4096 characters' })
}

/** A string that can be written in UTF-8, as the engine and files have it. */
export function unicode(error = 'a string') {
  const whole = { error: 'Unicode text, without half of a character' }
  return z.string({ error }).refine((text) => !unpairedSurrogate.test(text), whole)
}

/** In Unicode mode, pairs are one character of another kind. */
const unpairedSurrogate = /\p{Surrogate}/u

/** An object that can be written as JSON. */
export function jsonObject() {
  return z.record(z.string(), z.unknown()).refine(isJson, { error: 'an object of JSON values' })
}

function isJson(value: unknown): boolean {
  try {
    JSON.stringify(value)
    return true
  } catch {
    return false
  }
}

/** `{ min, max }` with min <= max, both ends included. */
export function range(bound: () => z.ZodNumber) {
  return z.strictObject({ min: bound(), max: bound() }).superRefine(refuseReversed('min', 'max'))
}

/** Refuses an object whose number `low` is greater than its number `high`. */
export function refuseReversed<Low extends string, High extends string>(low: Low, high: High) {
  return (value: Record<Low | High, number>, context: z.RefinementCtx) => {
    if (value[low] <= value[high]) return
    context.addIssue({
      code: 'custom',
      path: [high],
      message: `a number >= \`${low}\` (${value[low]})`,
      input: value[high],
    })
  }
}

/** Weights of named choices: `{ relu: 6, tanh: 3 }`. Absent names are never drawn. */
export function weights<Name extends string>(
  names: readonly [Name, ...Name[]],
): z.ZodType<Partial<Record<Name, number>>, Partial<Record<Name, number>>> {
  return z.partialRecord(z.enum(names), positive()).refine((record) => Object.keys(record).length > 0, {
    error: 'an object with at least one weight',
    // An unknown name has been reported already.
    when: ({ issues }) => issues.length === 0,
  })
}

/** A regular expression that the engine's library knows too: it has no look-around and no back-references. */
export function pattern() {
  const error = 'a regular expression without look-around and back-references'
  return unicode(error).refine(isPattern, { error })
}

function isPattern(text: string): boolean {
  try {
    new RegExp(text)
    return !/\(\?<?[=!]|\\[1-9]|\\k</.test(text)
  } catch {
    return false
  }
}

/** A value that stays the caller's own, if `isRight` says so. */
function own<T>(isRight: (value: unknown) => boolean, error: string) {
  return z.custom<T>((value) => isRight(given(value)), { error }).transform((value) => given(value) as T)
}

/** A function of the caller's. */
export function callback<Callback = unknown>() {
  return own<Callback>((value) => typeof value === 'function', 'a function')
}

/** A signal of the caller's. */
export function abortSignal() {
  return own<AbortSignal>(isSignal, 'an AbortSignal')
}

/** Numbers in single precision. */
export function float32Array() {
  return own<Float32Array>((value) => types.isFloat32Array(value), 'a Float32Array')
}

/** Path of a file or a directory. */
export function path() {
  const error = 'a path: a string of 1 to 4096 characters without NUL'
  return z
    .string({ error })
    .min(1, { error })
    .max(4096, { error })
    .refine((text) => !text.includes('\0'), { error })
}

/** An instance of a class of this package. `isOwn`: whether a value is one that the class has made. */
export function instanceOf<T extends object>(
  type: abstract new (...args: never) => T,
  isOwn: (value: unknown) => boolean,
  error: string,
) {
  keepInstances(type)
  return own<T>(isOwn, error)
}

function isSignal(value: unknown): boolean {
  try {
    // Something that only inherits from a signal throws when it is asked.
    return value instanceof AbortSignal && typeof value.aborted === 'boolean'
  } catch {
    return false
  }
}

/** Anything, as it was taken over: `given` has what the caller gave. What it must be is checked where it is used. */
export function unchecked() {
  return z.unknown()
}
