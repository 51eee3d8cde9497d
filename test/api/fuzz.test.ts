/**
 * Calls with arguments that are right but for one to three places, drawn at random from a seed. Whatever comes, a call ends as
 * documented: it does its work or throws an `OuterloopError`.
 *
 * `OUTERLOOP_FUZZ_SEED` and `OUTERLOOP_FUZZ_CALLS` choose others than the fixed ones.
 */
import test from 'ava'
import type { RandomInteger } from '../../ts/evaluate/statistics.js'
import { testRandom } from '../evaluate/syntheticEvaluation.js'
import { temporaryDirectory } from '../program.js'
import { type Call, calls } from './calls.js'
import { mutate } from './mutate.js'
import { outcomeOf } from './outcome.js'

const seed = Number(process.env.OUTERLOOP_FUZZ_SEED ?? 1)
const numCalls = Number(process.env.OUTERLOOP_FUZZ_CALLS ?? 20_000)

test(`${numCalls} calls with wrong arguments (seed ${seed}) end as documented`, async (t) => {
  t.timeout(600_000)
  // Some of the wrong values are the name of a directory that is then written.
  process.chdir(await temporaryDirectory(t))
  const random = testRandom(seed)
  const fuzzed = calls.filter((call) => call.args().length > 0)
  const counts = { done: 0, refused: 0 }
  const faults = new Map<string, string>()
  for (let i = 0; i < numCalls; i++) {
    const call = drawn(fuzzed, random)
    const args = call.args()
    const changes = Array.from({ length: 1 + random(3) }, () => mutate(args, random))
    const outcome = await outcomeOf(call, args)
    if (typeof outcome === 'string') counts[outcome] += 1
    else {
      const kind = `${call.name}: ${outcome.fault.slice(0, 120)}`
      if (!faults.has(kind))
        faults.set(kind, `call ${i}, ${call.name}, ${changes.join('; ')}: ${outcome.fault}`)
    }
  }
  t.log(`${counts.refused} refused, ${counts.done} done`)
  t.deepEqual([...faults.values()], [])
  // Most changes are wrong, and not all: else the arguments or the changes have gone stale.
  t.true(counts.refused > numCalls / 2 && counts.done > numCalls / 100)
})

/** A call, in proportion to the weights. */
function drawn(all: readonly Call[], random: RandomInteger): Call {
  const total = all.reduce((sum, { weight = 1 }) => sum + weight, 0)
  let left = (random(1_000_000) / 1_000_000) * total
  for (const call of all) {
    left -= call.weight ?? 1
    if (left < 0) return call
  }
  return all[0]!
}
