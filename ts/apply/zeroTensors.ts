/** A warning for tensors of zeros that an optimizer will hardly move. */
import type { OptimizerConfig } from '../config/optimizerConfig.js'
import type { ThetaLeaf } from '../native.js'

/** `code` of the warning. */
const CODE = 'OUTERLOOP_ZERO_TENSOR'

let isTold = false

/**
 * Warns once a process where it is certain that tensors which start at zero stay near it. Celo's step is a share of a
 * tensor's root mean square, which counts as 3.2e-5 for zeros, and its network has no larger steps for such tensors. VeLO
 * has the same factor, but its LSTM sees the size and may answer to it; `lamb`, `lars` and `fromage` have an exception or a
 * least norm that grows, `adafactor` a least scale of 0.001, and Celo2 and Celo-Adam do not look at the size.
 */
export function warnOfZeroTensors(
  config: OptimizerConfig,
  leaves: readonly ThetaLeaf[],
  arrays: readonly Float32Array[],
): void {
  if (isTold || innermost(config) !== 'celo') return
  const zeros = leaves.filter((_, i) => arrays[i]!.every((x) => x === 0)).map(({ name }) => name)
  if (zeros.length === 0) return
  isTold = true
  const [first] = zeros
  const others = zeros.length > 1 ? ` and ${zeros.length - 1} more` : ''
  process.emitWarning(
    `celo steps by a share of a tensor's size: \`${first}\`${others}, all zeros, will hardly move. Start it at other ` +
      'numbers, or use an optimizer whose step does not depend on the size, such as celo2.',
    { code: CODE },
  )
}

/** The rule inside all wrappers of one optimizer; of two, whichever has steps of its own moves the tensor. */
function innermost(config: OptimizerConfig): string {
  return 'inner' in config ? innermost(config.inner as OptimizerConfig) : config.name
}
