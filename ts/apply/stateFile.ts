/** States of optimizers as bytes: a safetensors file with one array and a checksum. */
import { createHash } from 'node:crypto'
import type { OptimizerConfig } from '../config/optimizerConfig.js'
import { OuterloopError } from '../errors.js'
import { decodeTensors, encodeTensors, engineVersion, type ThetaLeaf } from '../native.js'
import { differences, structural } from './hyperparameters.js'

const FORMAT = 'outerloop-state-1'

/** What changes with every update. */
export interface StateNumbers {
  data: Float32Array
  iteration: number
  /** 0 if nobody said. */
  numSteps: number
}

/** Whose state it is. */
export interface StateOwner {
  readonly config: OptimizerConfig
  readonly theta: Float32Array
}

/** Equal states give equal bytes. */
export function encodeState(
  { data, iteration, numSteps }: StateNumbers,
  optimizer: StateOwner,
  leaves: readonly ThetaLeaf[],
): Uint8Array {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  const metadata = {
    format: FORMAT,
    version: engineVersion(),
    ...identity(optimizer, leaves),
    iteration: String(iteration),
    numSteps: String(numSteps),
  }
  const tensors = [{ name: 'state', shape: [data.length], dtype: 'F32' as const, data: bytes }]
  return encodeTensors(tensors, { ...metadata, sha256: sha256(JSON.stringify(metadata), bytes) })
}

/**
 * The inverse of {@link encodeState}.
 *
 * @param allows - Whether options that leave the arrays of the state as they are may differ from the saved ones.
 * @throws {OuterloopError} `CHECKPOINT_INVALID` if the bytes are damaged, or of another optimizer, theta or parameters.
 */
export function decodeState(
  bytes: Uint8Array,
  optimizer: StateOwner,
  leaves: readonly ThetaLeaf[],
  allows: { hyperparameters: boolean },
): StateNumbers {
  const { tensors, metadata } = decodeTensors(bytes)
  if (metadata.format !== FORMAT)
    throw invalid(`expected format ${FORMAT}, got ${metadata.format ?? 'another'}`)
  const state = tensors.find(({ name }) => name === 'state')
  if (tensors.length !== 1 || state === undefined || state.dtype !== 'F32') {
    throw invalid('expected one array `state` of F32')
  }
  const { sha256: expected, ...rest } = metadata
  if (expected !== sha256(JSON.stringify(rest), state.data))
    throw invalid('the checksum is wrong: the bytes are damaged')
  if (rest.version !== engineVersion())
    throw invalid(`expected version ${engineVersion()}, got ${rest.version}`)
  const own = identity(optimizer, leaves)
  if (rest.params !== own.params) throw invalid(`expected params ${own.params}, got ${rest.params}`)
  checkOptions(JSON.parse(rest.optimizer ?? 'null') as OptimizerConfig, optimizer, leaves, allows)
  if (rest.theta !== own.theta) throw invalid(`expected theta ${own.theta}, got ${rest.theta}`)
  return {
    // A copy: the bytes need not be aligned.
    data: new Float32Array(state.data.slice().buffer),
    iteration: Number(rest.iteration),
    numSteps: Number(rest.numSteps),
  }
}

/** Differences that an error names. */
const MOST_TOLD = 10

function checkOptions(
  saved: OptimizerConfig,
  { config }: StateOwner,
  leaves: readonly ThetaLeaf[],
  { hyperparameters }: { hyperparameters: boolean },
): void {
  const all = differences(saved, config)
  if (all.length === 0) return
  const refused = hyperparameters ? structural(all, saved, config, leaves) : all
  if (refused.length === 0) return
  const told = refused.slice(0, MOST_TOLD).map(({ path, saved, own }) => {
    return `expected ${path} ${JSON.stringify(own) ?? 'unset'}, got ${JSON.stringify(saved) ?? 'unset'}`
  })
  const isStructural = hyperparameters || structural(all, saved, config, leaves).length > 0
  const hint = isStructural ? '' : " (`allow: 'hyperparameters'` continues with the optimizer's own)"
  throw invalid(`${told.join('; ')}${hint}`)
}

function invalid(what: string): OuterloopError {
  return new OuterloopError('CHECKPOINT_INVALID', `optimizer state: ${what}`)
}

/** What a state belongs to. */
function identity(optimizer: StateOwner, leaves: readonly ThetaLeaf[]): Record<string, string> {
  const { theta } = optimizer
  return {
    optimizer: JSON.stringify(optimizer.config),
    theta: sha256('', new Uint8Array(theta.buffer, theta.byteOffset, theta.byteLength)),
    params: JSON.stringify(leaves.map(({ name, shape }) => [name, shape])),
  }
}

function sha256(text: string, bytes: Uint8Array): string {
  return createHash('sha256').update(text).update(bytes).digest('hex')
}
