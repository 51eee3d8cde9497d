/** A caller's parameters and gradients: named arrays in the order in which optimizers see them. */
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

/** Gradients by the names of the parameters. */
export type Grads = Readonly<Record<string, Float32Array | { readonly data: Float32Array }>>

/** Names and shapes in leaf order, and the arrays. */
export interface OrderedParams {
  leaves: ThetaLeaf[]
  arrays: Float32Array[]
}

/**
 * Parameters in leaf order: by the parts of their names, as published optimizers sort them.
 *
 * @throws {OuterloopError} `INVALID_OPTION` if there is none or a shape is no list of lengths, `DTYPE_MISMATCH` if `data` is
 *  no Float32Array, `SHAPE_MISMATCH` if its length is not that of the shape.
 */
export function orderedParams(params: Params): OrderedParams {
  if (typeof params !== 'object' || params === null || Object.keys(params).length === 0) {
    throw new OuterloopError('INVALID_OPTION', 'expected `params` to be an object with at least one tensor')
  }
  const names = Object.keys(params).sort(byParts)
  const leaves = names.map((name) => leaf(name, params[name]!))
  return { leaves, arrays: names.map((name) => params[name]!.data) }
}

/**
 * Gradients in the order of `leaves`.
 *
 * @throws {OuterloopError} `INVALID_OPTION` if one is missing or none of the parameters', `DTYPE_MISMATCH` if one is no
 *  Float32Array.
 */
export function orderedGrads(grads: Grads, leaves: readonly ThetaLeaf[]): Float32Array[] {
  const arrays = leaves.map(({ name }) => {
    const grad = grads[name]
    if (grad === undefined) throw new OuterloopError('INVALID_OPTION', `expected \`grads.${name}\`, got none`)
    const data = grad instanceof Float32Array ? grad : grad.data
    if (!(data instanceof Float32Array)) throw wrongType(`grads.${name}`, 'Float32Array', data)
    return data
  })
  const given = Object.keys(grads)
  if (given.length !== leaves.length) {
    const known = new Set(leaves.map(({ name }) => name))
    const others = given.filter((name) => !known.has(name))
    throw new OuterloopError(
      'INVALID_OPTION',
      `expected gradients of parameters only, got ${others.join(', ')}`,
    )
  }
  return arrays
}

function leaf(name: string, { data, shape }: ParamTensor): ThetaLeaf {
  if (!(data instanceof Float32Array)) throw wrongType(`params.${name}.data`, 'Float32Array', data)
  const isShape = Array.isArray(shape) && shape.every((d) => Number.isSafeInteger(d) && d >= 1 && d < 2 ** 32)
  if (!isShape) {
    const got = JSON.stringify(shape)
    throw new OuterloopError(
      'INVALID_OPTION',
      `expected \`params.${name}.shape\` to be a list of lengths >= 1, got ${got}`,
    )
  }
  const spec = { name, shape: [...shape] }
  if (numElements(spec) !== data.length) {
    throw new OuterloopError(
      'SHAPE_MISMATCH',
      `expected \`params.${name}.data\` to have ${numElements(spec)} numbers (shape [${shape.join(', ')}]), got ${data.length}`,
    )
  }
  return spec
}

/** Depth-first order of a tree whose keys are sorted by their bytes. */
function byParts(a: string, b: string): number {
  const [x, y] = [a.split('/'), b.split('/')]
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    if (x[i] !== y[i]) return Buffer.compare(Buffer.from(x[i]!), Buffer.from(y[i]!))
  }
  return x.length - y.length
}
