/**
 * Keyed randomness for drawing tasks and schedules: a key names a stream of Philox words, and its draws are
 * functions of the key and their order alone.
 */
import { randomWords } from '../native.js'

/** What a stream is for; the numbers are those of the core. */
export const purposes = { taskSample: 4, evaluation: 6 } as const

/** Words fetched from the core at a time. */
const BLOCK_WORDS = 64
/** Of a key that has not been drawn from: most are only folded. */
const NO_WORDS = new Uint32Array(0)

/** A named stream of random draws. The only state is how far it has been read. */
export class Key {
  readonly seed: number
  readonly purpose: number
  readonly path: readonly number[]
  #words: Uint32Array = NO_WORDS
  #next = 0
  #fetched = 0

  /**
   * @param seed - Seed of the run, an integer >= 0.
   * @param purpose - What the stream is for, of {@link purposes}: equal seeds never share words between purposes.
   * @param path - Indices that name the stream within the purpose, such as outer step and particle.
   */
  constructor(seed: number, purpose: number, path: readonly number[] = []) {
    this.seed = seed
    this.purpose = purpose
    this.path = path
  }

  /** The stream number `index` below this one. It does not depend on what was drawn from this one. */
  fold(index: number): Key {
    return new Key(this.seed, this.purpose, [...this.path, index])
  }

  /** The next 32 random bits. */
  word(): number {
    if (this.#next === this.#words.length) {
      this.#words = randomWords(this.seed, this.purpose, [...this.path], this.#fetched, BLOCK_WORDS)
      this.#fetched += BLOCK_WORDS
      this.#next = 0
    }
    return this.#words[this.#next++]!
  }

  /** Uniform in [0, 1), a multiple of 2^-53. */
  uniform(): number {
    const high = this.word() >>> 5
    const low = this.word() >>> 6
    return (high * 2 ** 26 + low) / 2 ** 53
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.uniform() < probability
  }

  /**
   * Uniform integer in [0, n), for 1 <= n <= 2^32: floor(word·n / 2^32). Values differ in probability by at most 2^-32.
   */
  integer(n: number): number {
    const word = this.word()
    const upper = Math.floor(n / 2 ** 16)
    const lower = n % 2 ** 16
    // Two halves, because word·n needs 64 bits and a double has 53.
    return Math.floor((word * upper + Math.floor((word * lower) / 2 ** 16)) / 2 ** 16)
  }

  /** Uniform integer from `min` to `max`, both included. */
  integerBetween(min: number, max: number): number {
    return min + this.integer(max - min + 1)
  }

  /** Uniform real from `min` to `max`, rounded to six significant digits. */
  real(min: number, max: number): number {
    return clamp(sixDigits(min + (max - min) * this.uniform()), min, max)
  }

  /** Log-uniform real from `min` to `max`, rounded to six significant digits. */
  logUniform(min: number, max: number): number {
    return clamp(sixDigits(Math.exp(this.#logBetween(min, max))), min, max)
  }

  /** Log-uniform real between two integers, rounded half to even to an integer. */
  logUniformInteger(min: number, max: number): number {
    return clamp(roundHalfToEven(Math.exp(this.#logBetween(min, max))), min, max)
  }

  /** Normal real (Box-Muller, the cosine branch), rounded to six significant digits. */
  normal(mean: number, std: number): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()))
    return sixDigits(mean + std * radius * Math.cos(2 * Math.PI * this.uniform()))
  }

  /** One of the items, equally likely; repeats raise an item's weight. */
  choice<Item>(items: readonly Item[]): Item {
    return items[this.integer(items.length)]!
  }

  /** One of the names, in proportion to its weight. The order of the record's keys has no influence. */
  weightedChoice<Name extends string>(weights: Readonly<Partial<Record<Name, number>>>): Name {
    const names = (Object.keys(weights) as Name[]).sort()
    return names[this.weightedIndex(names.map((name) => weights[name] ?? 0))]!
  }

  /** An index, in proportion to the weights. */
  weightedIndex(weights: readonly number[]): number {
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    let rest = this.uniform() * total
    const index = weights.findIndex((weight) => {
      rest -= weight
      return rest < 0
    })
    // Rounding may leave a rest of zero after the last weight.
    return index < 0 ? weights.length - 1 : index
  }

  #logBetween(min: number, max: number): number {
    return Math.log(min) + (Math.log(max) - Math.log(min)) * this.uniform()
  }
}

/** Readable in JSON, and blind to the last bits in which two machines' exp, log and cos may differ. */
function sixDigits(value: number): number {
  return Number(value.toPrecision(6))
}

/** Rounding may step over an end of the range. */
function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value))
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value)
  if (value - floor !== 0.5) return Math.round(value)
  return floor % 2 === 0 ? floor : floor + 1
}
