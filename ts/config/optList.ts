/**
 * The opt_list: 1,000 settings of NAdamW with a cosine schedule, sorted so that trying them from the first on finds a
 * good one early (Metz et al. 2020, "Using a thousand optimization tasks to learn hyperparameter search strategies",
 * arXiv:2002.11887; its authors advise ten tries, a hundred at most).
 *
 * Only the order is stored. The values are drawn again as TaskSet drew them, and are the published doubles to the last
 * bit, as opt_list.json of google/learned_optimization at 96f8135 has them.
 */
import { integer } from './fields.js'
import { MersenneTwister } from './mersenneTwister.js'
import type { OptimizerConfig } from './optimizerConfig.js'
import { optListSeeds } from './optListSeeds.js'
import { parseWith } from './parse.js'

/** Settings in the opt_list. */
export const numOptListConfigs = optListSeeds.length

const indexSchema = integer(0, numOptListConfigs - 1)

/**
 * A setting of the opt_list. It needs the number of inner steps in advance, and no other weight decay or schedule. As
 * published (see `nadamw`), the l2 term of some of them pushes weights away from 0: the first such is number 13.
 *
 * @param index - Its place in the list, from 0 to 999.
 * @returns A complete config of `nadamw`.
 * @throws {OuterloopError} `INVALID_OPTION` if there is no such place.
 * @example
 * const { lr } = optList(0) // 0.0011948335721160095
 */
export function optList(index: number): Extract<OptimizerConfig, { name: 'nadamw' }> {
  return drawNadamw(optListSeeds[parseWith(indexSchema, index, 'index')]!)
}

/** Natural logarithms of the bounds of what is drawn log-uniformly. */
const LN = {
  '1e-8': -18.420680743952367,
  '1e-5': -11.512925464970229,
  '1e-3': -6.907755278982137,
  // biome-ignore lint/suspicious/noApproximativeNumericConstant: the logarithm of the double 0.1, not −ln 10
  '0.1': -2.3025850929940455,
  '1': 0,
  '1e4': 9.210340371976184,
}
type Bound = keyof typeof LN

/** What TaskSet's family of NAdamW adds to a seed. */
const SEED_OFFSET = 14_358

/** A member of the family. The order of the draws is part of it. */
function drawNadamw(seed: number): Extract<OptimizerConfig, { name: 'nadamw' }> {
  const random = new MersenneTwister(seed + SEED_OFFSET)
  const logUniform = (low: Bound, high: Bound) => exp(LN[low] + (LN[high] - LN[low]) * random.uniform())
  const lr = logUniform('1e-5', '1')
  const beta1 = 1 - logUniform('1e-3', '1')
  const beta2 = 1 - logUniform('1e-5', '1')
  const eps = logUniform('1e-8', '1e4')
  const nesterov = random.uniform() > 0.5
  const kind = random.uniform()
  const weightDecay = kind < 0.3333 || kind >= 0.6666 ? logUniform('1e-5', '0.1') : 0
  const l2 = kind >= 0.3333 ? logUniform('1e-5', '0.1') : 0
  const warmupFraction = random.uniform() > 0.5 ? logUniform('1e-5', '0.1') : 0
  const minLrMult = random.uniform() > 0.5 ? 0 : logUniform('1e-5', '1')
  const constantFraction = random.uniform()
  return {
    name: 'nadamw',
    lr,
    beta1,
    beta2,
    eps,
    weightDecay,
    l2,
    nesterov,
    minLrMult,
    constantFraction,
    warmupFraction,
    l2Fixed: false,
    warmupMin: false,
    arrayBetas: true,
  }
}

/** Bits after the point, and ln 2 with as many. */
const POINT = 120
const LN2 = 921350637599661305226344307672478454n

/** eˣ for |x| < 100, correctly rounded: `Math.exp` may differ between machines, and from the published values in the last bit. */
function exp(x: number): number {
  const fixed = BigInt(Math.trunc(x * 2 ** 100)) << BigInt(POINT - 100)
  const twos = Math.round(x / Math.LN2)
  const rest = fixed - BigInt(twos) * LN2
  let sum = 0n
  let term = 1n << BigInt(POINT)
  for (let n = 1n; term !== 0n && term !== -1n; n++) {
    sum += term
    term = ((term * rest) >> BigInt(POINT)) / n
  }
  return Number(sum) * 2 ** (twos - POINT)
}
