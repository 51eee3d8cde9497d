/** Values that no argument is meant to be, one of each kind that JavaScript has. Made anew for every call. */

/** A name for messages, and what makes the value. */
export type WrongValue = readonly [name: string, make: () => unknown]

function cyclic(): object {
  const value: Record<string, unknown> = { name: 'adam' }
  value.inner = { again: value }
  return value
}

function deep(levels: number): object {
  let value: object = {}
  for (let i = 0; i < levels; i++) value = { inner: value }
  return value
}

/** Small in memory, 2⁶⁴ values for who copies it. */
function bush(): unknown {
  let value: unknown = 1
  for (let i = 0; i < 50; i++) value = [value, value]
  return value
}

function throwing(): never {
  throw new TypeError('thrown by the caller')
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

function sparse(): unknown[] {
  const value: unknown[] = []
  value.length = 2 ** 32 - 1
  return value
}

function manyKeys(): object {
  return Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`key${i}${'x'.repeat(500)}`, i]))
}

/** Never right where a function wants something. */
export const wrongValues: readonly WrongValue[] = [
  ['null', () => null],
  ['NaN', () => Number.NaN],
  ['-1', () => -1],
  ['1.5', () => 1.5],
  ['infinity', () => Number.POSITIVE_INFINITY],
  ['2^53', () => 2 ** 53],
  ['a bigint', () => 1n],
  ['a long bigint', () => 1n << 4_000_000n],
  ['a symbol', () => Symbol('s')],
  ['true', () => true],
  ['no text', () => ''],
  ['NUL', () => 'a\0b'],
  ['a megabyte of text', () => 'x"\n\u{1f600}'.repeat(200_000)],
  ['a list of null', () => [null]],
  ['a long list without entries', sparse],
  ['a list of a megabyte', () => Array.from({ length: 300 }, () => 'y'.repeat(1_000_000))],
  ['an object that contains itself', cyclic],
  ['an object 10,000 levels deep', () => deep(10_000)],
  ['shared lists, 2^50 values', bush],
  ['many long keys', manyKeys],
  ['an own key __proto__', () => JSON.parse('{"__proto__": {"name": "adam"}}')],
  ['a getter that throws', () => Object.defineProperty({}, 'name', { get: throwing, enumerable: true })],
  ['toJSON that throws', () => ({ toJSON: throwing })],
  ['valueOf and toString that throw', () => ({ valueOf: throwing, toString: throwing })],
  ['toStringTag that throws', () => Object.defineProperty({ a: 1 }, Symbol.toStringTag, { get: throwing })],
  [
    'a proxy that throws',
    () => new Proxy({}, { ownKeys: throwing, get: throwing, has: throwing, getPrototypeOf: throwing }),
  ],
  ['a proxy that was revoked', revoked],
  ['a Map', () => new Map([['name', 'adam']])],
  ['a Date', () => new Date(0)],
  ['a promise', () => Promise.resolve({})],
  ['an error', () => Object.defineProperty(new Error('x'), 'message', { get: throwing })],
  ['a class', () => class Config {}],
  ['a regular expression', () => /x/],
  ['doubles', () => new Float64Array(3)],
  ['bytes', () => new Uint8Array(3)],
  ['a signal that is none', () => Object.create(AbortSignal.prototype)],
  ['what looks like a signal', () => ({ aborted: false, addEventListener() {}, throwIfAborted() {} })],
]

/** Further values, which may be right in some places. */
export const oddValues: readonly WrongValue[] = [
  ...wrongValues,
  // Without keys of its own, an object may be read as one without options.
  ['singles that are none', () => Object.create(Float32Array.prototype)],
  ['undefined', () => undefined],
  ['0', () => 0],
  ['-0', () => -0],
  ['1', () => 1],
  ['2', () => 2],
  ['1000', () => 1000],
  ['2^31', () => 2 ** 31],
  ['2^32', () => 2 ** 32],
  ['2^53 − 1', () => 2 ** 53 - 1],
  ['1e308', () => 1e308],
  ['5e-324', () => 5e-324],
  ['1e-45', () => 1e-45],
  ['3.5e38', () => 3.5e38],
  ['"constructor"', () => 'constructor'],
  ['"__proto__"', () => '__proto__'],
  ['"adam"', () => 'adam'],
  ['"auto"', () => 'auto'],
  ['"mnist8"', () => 'mnist8'],
  ['an unpaired surrogate', () => '\ud800'],
  ['an empty list', () => []],
  ['an empty object', () => ({})],
  ['an object without prototype', () => Object.create(null)],
  ['a function', () => () => {}],
  ['a function that throws', () => throwing],
  ['no singles', () => new Float32Array(0)],
  ['singles', () => Float32Array.of(1, Number.NaN, -3)],
  ['shared singles', () => new Float32Array(new SharedArrayBuffer(16))],
  ['half words', () => new Uint16Array(4)],
  ['an optimizer', () => ({ name: 'sgd', lr: 0.1 })],
  ['false', () => false],
]
