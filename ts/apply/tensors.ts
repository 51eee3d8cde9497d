/** A caller's parameters and gradients: named arrays in the order in which optimizers see them. */
import { types } from 'node:util'
import { OuterloopError } from '../errors.js'
import { numElements, type ThetaLeaf } from '../native.js'
import { wrongType } from '../nativeErrors.js'

/** A parameter tensor. The array stays the caller's: updates write into it. */
export interface ParamTensor {
  /** Row-major numbers, as many as the shape says. */
  data: Float32Array
  /** Axis lengths, each at least 1; `[]` for a scalar. Dense weights are `[in, out]`, convolutions `[height, width, in, out]`. */
  shape: readonly number[]
}

/** Parameter tensors by name. Parts of a name are joined by `/` (`layer0/w`). */
export type Params = Readonly<Record<string, ParamTensor>>

/** Gradients by the names of the parameters; `null` or absent where there is none. */
export type Grads = Readonly<
  Record<string, Float32Array | { readonly data: Float32Array } | null | undefined>
>

/** Most axes of a tensor. */
const MAX_AXES = 64

/**
 * A caller's parameters in leaf order: by the parts of their names, as published optimizers sort them. The arrays are looked
 * up at every update, so that one put in another's place is the one that is written.
 */
export class OrderedParams {
  /** Names and shapes in leaf order. */
  readonly leaves: readonly ThetaLeaf[]
  readonly #params: Params

  /**
   * @throws {OuterloopError} `INVALID_OPTION` if there is none or a shape is no list of lengths, `DTYPE_MISMATCH` if `data`
   *  is no Float32Array with memory of its own, `SHAPE_MISMATCH` if its length is not that of the shape.
   */
  constructor(params: Params) {
    const names = reading('params', () => (isObject(params) ? Object.keys(params) : []))
    if (names.length === 0) {
      throw new OuterloopError('INVALID_OPTION', 'expected `params` to be an object with at least one tensor')
    }
    this.#params = params
    this.leaves = names.sort(byParts).map((name) => leaf(name, this.#tensor(name)))
    this.arrays()
  }

  /**
   * The arrays as they are now.
   *
   * @throws {OuterloopError} `INVALID_OPTION` if a tensor is gone or has another shape than at the start, `DTYPE_MISMATCH`
   *  or `SHAPE_MISMATCH` if its array is of another type or length.
   */
  arrays(): Float32Array[] {
    return this.leaves.map((leaf) => {
      const { data, shape } = this.#tensor(leaf.name)
      const path = `params.${shown(leaf.name)}`
      const isSame =
        Array.isArray(shape) &&
        shape.length === leaf.shape.length &&
        leaf.shape.every((length, axis) => shape[axis] === length)
      if (!isSame) {
        const message = `expected \`${path}.shape\` to stay [${leaf.shape.join(', ')}], got another`
        throw new OuterloopError('INVALID_OPTION', message)
      }
      return checkedArray(`${path}.data`, data, leaf)
    })
  }

  #tensor(name: string): { data: unknown; shape: unknown } {
    const path = `params.${shown(name)}`
    return reading(path, () => {
      const tensor: unknown = Object.hasOwn(this.#params, name) ? this.#params[name] : undefined
      if (!isObject(tensor)) {
        const message = `expected \`${path}\` to be a tensor with \`data\` and \`shape\`, got ${kind(tensor)}`
        throw new OuterloopError('INVALID_OPTION', message)
      }
      const { data, shape } = tensor as Partial<ParamTensor>
      if (!Array.isArray(shape)) return { data, shape }
      const length = Math.min(shape.length, MAX_AXES + 1)
      return { data, shape: Array.from({ length }, (_, axis) => shape[axis]) }
    })
  }
}

/**
 * Gradients in the order of `leaves`; undefined where there is none and `missing` is `skip`.
 *
 * @throws {OuterloopError} `INVALID_OPTION` if one is missing or none of the parameters', `DTYPE_MISMATCH` if one is no
 *  Float32Array, `SHAPE_MISMATCH` if one is of another length.
 */
export function orderedGrads(
  grads: Grads,
  leaves: readonly ThetaLeaf[],
  missing: 'throw' | 'skip',
): (Float32Array | undefined)[] {
  if (!isObject(grads)) {
    const message = `expected \`grads\` to be an object with the gradients by name, got ${kind(grads)}`
    throw new OuterloopError('INVALID_OPTION', message)
  }
  return reading('grads', () => {
    let numFound = 0
    const arrays = leaves.map((leaf) => {
      const isThere = Object.hasOwn(grads, leaf.name)
      const grad: unknown = isThere ? grads[leaf.name] : undefined
      numFound += isThere ? 1 : 0
      const path = `grads.${shown(leaf.name)}`
      if (grad === undefined || grad === null) {
        if (missing === 'skip') return undefined
        const got = grad === null ? 'null' : 'none'
        throw new OuterloopError('INVALID_OPTION', `expected \`${path}\`, got ${got}`)
      }
      const isWrapped = isObject(grad) && !ArrayBuffer.isView(grad) && !Array.isArray(grad)
      return checkedArray(path, isWrapped ? (grad as { data: unknown }).data : grad, leaf)
    })
    const given = Object.keys(grads)
    if (given.length !== numFound) {
      const known = new Set(leaves.map(({ name }) => name))
      const others = given.filter((name) => !known.has(name)).slice(0, 10)
      const message = `expected gradients of parameters only, got ${others.map(shown).join(', ')}`
      throw new OuterloopError('INVALID_OPTION', message)
    }
    return arrays
  })
}

/** A Float32Array of as many numbers as the leaf has, whose memory nobody writes meanwhile. */
function checkedArray(path: string, data: unknown, leaf: ThetaLeaf): Float32Array {
  if (types.isProxy(data) || !types.isFloat32Array(data)) throw wrongType(path, 'Float32Array', data)
  if (types.isSharedArrayBuffer(data.buffer)) {
    const message = `expected \`${path}\` to be a Float32Array on an ArrayBuffer, got one on a SharedArrayBuffer`
    throw new OuterloopError('DTYPE_MISMATCH', message)
  }
  const expected = numElements(leaf)
  if (data.length !== expected) {
    const got = data.length === 0 ? '0: it is empty, or its buffer has been transferred' : `${data.length}`
    const shape = `shape [${leaf.shape.join(', ')}]`
    const message = `expected \`${path}\` to have ${expected} numbers (${shape}), got ${got}`
    throw new OuterloopError('SHAPE_MISMATCH', message)
  }
  return data
}

function leaf(name: string, { data, shape }: { data: unknown; shape: unknown }): ThetaLeaf {
  const path = `params.${shown(name)}`
  if (types.isProxy(data) || !types.isFloat32Array(data))
    throw wrongType(`${path}.data`, 'Float32Array', data)
  const isLength = (d: unknown) => Number.isSafeInteger(d) && Number(d) >= 1 && Number(d) < 2 ** 32
  if (!Array.isArray(shape) || shape.length > MAX_AXES || !shape.every(isLength)) {
    const expected = `a list of at most ${MAX_AXES} lengths >= 1`
    const message = `expected \`${path}.shape\` to be ${expected}, got ${kind(shape)}`
    throw new OuterloopError('INVALID_OPTION', message)
  }
  const spec: ThetaLeaf = { name, shape }
  checkedArray(`${path}.data`, data, spec)
  return spec
}

/** What callers' objects do when they are read is theirs; what goes wrong there is told as an error of the argument. */
function reading<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof OuterloopError) throw cause
    throw new OuterloopError('INVALID_OPTION', `expected \`${path}\` to be readable, got an error`, { cause })
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function kind(value: unknown): string {
  if (value === null) return 'null'
  if (isList(value)) return `[${value.slice(0, 8).map(element).join(', ')}${value.length > 8 ? ', …' : ''}]`
  return value === undefined ? 'none' : `a ${typeof value}`
}

function element(value: unknown): string {
  if (typeof value === 'number') return `${value}`
  return isList(value) ? 'a list' : kind(value)
}

/** Without looking into a proxy, which may throw. */
function isList(value: unknown): value is readonly unknown[] {
  return !types.isProxy(value) && Array.isArray(value)
}

/** A name as messages have it. */
function shown(name: string): string {
  return name.length > 80 ? `${name.slice(0, 79)}…` : name
}

/** Depth-first order of a tree whose keys are sorted by their bytes. */
function byParts(a: string, b: string): number {
  const [x, y] = [a.split('/'), b.split('/')]
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    if (x[i] !== y[i]) return Buffer.compare(Buffer.from(x[i]!), Buffer.from(y[i]!))
  }
  return x.length - y.length
}
