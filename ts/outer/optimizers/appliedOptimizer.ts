/** The optimizer that an outer optimizer `apply` names. */
import { createHash } from 'node:crypto'
import { createOptimizer, type Optimizer } from '../../apply/optimizer.js'
import type { LearnedOptimizerConfig, OptimizerConfig } from '../../config/optimizerConfig.js'
import type { OuterOptimizerConfig } from '../../config/outerOptimizerConfig.js'
import { scaleSteps } from '../../config/scaleSteps.js'
import { OuterloopError } from '../../errors.js'
import { thetaLayout } from '../../native.js'
import { loadWeights } from '../../weights/weightFile.js'

/** An optimizer that may change as theta does. */
export interface AppliedOptimizer {
  /** The optimizer of the next update. */
  at(theta: Float32Array): Optimizer
  /** A number that is another one for other options or weights of a file. */
  identity: number
}

/**
 * Settles options and weights.
 *
 * @param trained - The optimizer whose theta is moved: that of the weights `self`.
 * @throws {OuterloopError} `INVALID_OPTION` naming `outerOptimizer.weights` if they are not the optimizer's.
 */
export async function appliedOptimizer(
  { optimizer, weights, factor }: OuterOptimizerConfig & { name: 'apply' },
  trained: LearnedOptimizerConfig,
): Promise<AppliedOptimizer> {
  if (weights === 'self') {
    const config = scaleSteps(optimizer ?? trained, factor)
    checkLeaves(config, trained)
    return { at: (theta) => createOptimizer(config, theta), identity: identityOf(config) }
  }
  const loaded = await read(weights, optimizer)
  const config = scaleSteps(loaded.optimizer, factor)
  const applied = createOptimizer(config, loaded.theta)
  return { at: () => applied, identity: identityOf(config, loaded.theta) }
}

function checkLeaves(applied: OptimizerConfig, trained: LearnedOptimizerConfig): void {
  const [got, expected] = [applied, trained].map((config) => JSON.stringify(thetaLayout(config)))
  if (got === expected) return
  const reason = `the leaves of ${applied.name} are not those of ${trained.name}, which is trained`
  throw new OuterloopError(
    'INVALID_OPTION',
    `expected \`outerOptimizer.weights\` to be a file, since ${reason}, got "self"`,
  )
}

async function read(
  path: string | undefined,
  optimizer: OptimizerConfig | undefined,
): Promise<{ optimizer: OptimizerConfig; theta: Float32Array }> {
  if (path === undefined) {
    // The schema sees to it that an optimizer without weights is given, and hand-designed.
    return { optimizer: optimizer!, theta: new Float32Array(0) }
  }
  try {
    return await loadWeights(path, optimizer && { optimizer })
  } catch (cause) {
    if (!(cause instanceof OuterloopError)) throw cause
    const of = optimizer?.name ?? 'a learned optimizer'
    const message = `expected \`outerOptimizer.weights\` to be a file with weights of ${of}, got ${path}: ${cause.message}`
    throw new OuterloopError('INVALID_OPTION', message, { cause })
  }
}

/** 48 bits of a checksum. */
function identityOf(config: OptimizerConfig, theta: Float32Array = new Float32Array(0)): number {
  const bytes = new Uint8Array(theta.buffer, theta.byteOffset, theta.byteLength)
  return createHash('sha256').update(JSON.stringify(config)).update(bytes).digest().readUIntBE(0, 6)
}
