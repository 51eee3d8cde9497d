/** Several workers at their own pace, on a toy in place of the engine. */
import test from 'ava'
import type { TrainConfig } from '../../ts/config/trainConfig.js'
import type { GradientSource, SourcedGradient } from '../../ts/outer/gradientSource.js'
import { createGradientSource } from '../../ts/outer/gradientSources.js'
import { ToyTransport, toyRun } from './toyTransport.js'

/** A gradient without wall times. */
type Timeless = Omit<SourcedGradient, 'seconds'>

/** Outer steps `from` to `to`, each moving theta as a trainer might. */
async function run(source: GradientSource, from: number, to: number): Promise<Timeless[]> {
  const gradients: Timeless[] = []
  for (let outerStep = from; outerStep < to; outerStep++) {
    const { seconds: _seconds, ...rest } = await source.next(Float32Array.of(outerStep / 100), outerStep)
    gradients.push(rest)
  }
  return gradients
}

function fresh(config: TrainConfig): { transport: ToyTransport; source: GradientSource } {
  const transport = new ToyTransport(config)
  return { transport, source: createGradientSource(config, transport) }
}

const uneven = { workers: 4, speedSpread: 9, jitter: 0.5, maxStaleness: 2 }

/** Workers and thetas of the jobs, `worker@thetaVersion`. */
const inWords = ({ jobs }: ToyTransport) =>
  jobs.map(({ worker, thetaVersion }) => `${worker}@${thetaVersion}`)

// Worker 1 takes two units of time, worker 0 one; at equal times worker 0 comes first. Arrivals: 0 at 1 (theta 0), 0 at 2
// (theta 1), 1 at 2 (theta 0), 0 at 3 (theta 2), 0 at 4 (theta 4), 1 at 4 (theta 3), 0 at 5 (theta 5).
test('gradients arrive when the clock says', async (t) => {
  const asynchronous = { workers: 2, speedSpread: 1, jitter: 0, maxStaleness: 5 }
  const { transport, source } = fresh(toyRun({ asynchronous }))
  const gradients = await run(source, 0, 7)
  t.deepEqual(
    gradients.map(({ staleness }) => staleness),
    [0, 0, 2, 1, 0, 2, 1],
  )
  t.deepEqual(inWords(transport), ['0@0', '1@0', '0@1', '0@2', '1@3', '0@4', '0@5', '1@6'])
  t.true(gradients.every(({ numStale }) => numStale === 0))
})

// As above, but what worker 1 began under theta 0 comes at outer step 2 and is dropped: it starts anew, ends at 4, and in the
// meantime worker 0 comes at 3; and so on.
test('a gradient whose theta is too old is dropped and counted', async (t) => {
  const asynchronous = { workers: 2, speedSpread: 1, jitter: 0, maxStaleness: 1 }
  const { transport, source } = fresh(toyRun({ asynchronous }))
  const gradients = await run(source, 0, 6)
  t.deepEqual(inWords(transport), ['0@0', '1@0', '0@1', '0@2', '1@2', '0@3', '0@4', '1@4', '0@5'])
  t.deepEqual(
    gradients.map(({ numStale }) => numStale),
    [0, 0, 1, 0, 1, 0],
  )
  t.true(gradients.every(({ staleness }) => staleness === 0))
})

test('staleness is bounded, and every job is delivered, dropped or under way', async (t) => {
  const gradientsPerStep = 2
  const { transport, source } = fresh(toyRun({ asynchronous: { ...uneven, gradientsPerStep } }))
  const gradients = await run(source, 0, 60)
  t.true(gradients.every(({ staleness }) => staleness >= 0 && staleness <= 2))
  t.true(gradients.some(({ staleness }) => staleness > 0))
  const total = (of: (gradient: Timeless) => number) => gradients.reduce((sum, g) => sum + of(g), 0)
  t.true(total(({ numStale }) => numStale) > 10)
  const { workers } = source.state() as { workers: { flight: unknown }[] }
  const numFlying = workers.filter(({ flight }) => flight !== null).length
  t.is(transport.jobs.length, 60 * gradientsPerStep + total(({ numStale }) => numStale) + numFlying)
  // Two lanes of two pairs, five inner steps each.
  t.is(
    total(({ innerSteps }) => innerSteps),
    20 * transport.jobs.length,
  )
  t.true(gradients.every(({ info }) => info.numPairs === 2 * gradientsPerStep))
})

test('the same config gives the same sequence, another seed another', async (t) => {
  const config = toyRun({ asynchronous: uneven })
  const [one, two] = [fresh(config), fresh(config)]
  t.deepEqual(await run(one.source, 0, 30), await run(two.source, 0, 30))
  t.deepEqual(inWords(one.transport), inWords(two.transport))
  const other = fresh({ ...config, seed: 5 })
  await run(other.source, 0, 30)
  t.notDeepEqual(inWords(other.transport), inWords(one.transport))
})

test('no two jobs share a perturbation', async (t) => {
  const { transport, source } = fresh(toyRun({ asynchronous: uneven }))
  await run(source, 0, 60)
  const names = transport.jobs.flatMap(({ plan }) =>
    plan.particles.flatMap(({ particle, segments }) =>
      segments.map(({ perturbation }) => `${particle} ${perturbation}`),
    ),
  )
  t.is(new Set(names).size, names.length)
  for (const { worker, plan } of transport.jobs) {
    t.deepEqual(
      plan.particles.map(({ particle }) => particle),
      [2 * worker, 2 * worker + 1],
    )
  }
})

/** Losses of some pairs are no numbers. */
class BrokenTransport extends ToyTransport {
  override async submit(...args: Parameters<ToyTransport['submit']>) {
    const { pos, neg, diverged } = await super.submit(...args)
    const broken = (losses: Float64Array, at: number, by: number) =>
      losses.map((loss) => (Math.abs(loss) > at ? by : loss))
    return {
      pos: broken(pos, 0.5, Number.NaN),
      neg: broken(neg, 0.6, Number.POSITIVE_INFINITY),
      diverged: diverged.map((_, i) => Number(Math.abs(pos[i]!) > 0.5)),
    }
  }
}

test('a source goes on from JSON, with losses that are no numbers under way', async (t) => {
  const config = toyRun({ asynchronous: { ...uneven, gradientsPerStep: 2 } })
  const transport = new BrokenTransport(config)
  const source = createGradientSource(config, transport)
  const before = await run(source, 0, 20)
  t.true(before.some(({ info }) => info.numNonFinitePairs > 0))
  const saved = JSON.stringify(source.state())
  t.regex(saved, /"(pos|neg)":\[[^\]]*null/)
  const other = new BrokenTransport(config)
  other.loadState(transport.saveState())
  const restored = createGradientSource(config, other, JSON.parse(saved))
  t.deepEqual(restored.state(), source.state())
  const after = await run(source, 20, 40)
  t.deepEqual(await run(restored, 20, 40), after)
  t.true(after.some(({ info }) => info.numNonFinitePairs > 0 && info.numDiverged > 0))
})

test('an abort between two workers loses nothing', async (t) => {
  const config = toyRun({ asynchronous: { ...uneven, gradientsPerStep: 3 } })
  const whole = await run(fresh(config).source, 0, 12)
  const { transport, source } = fresh(config)
  let numAborts = 0
  // Every job is refused once, whoever has started before it.
  let refused = 0
  transport.onSubmit = () => {
    if (transport.jobs.length < refused) return
    refused += 1
    throw new DOMException('stopped', 'AbortError')
  }
  let going = source
  for (const expected of whole) {
    const outerStep = whole.indexOf(expected)
    for (;;) {
      try {
        const [got] = await run(going, outerStep, outerStep + 1)
        t.deepEqual(got, expected)
        break
      } catch (error) {
        if ((error as Error).name !== 'AbortError') throw error
        numAborts += 1
        // What is saved after an abort goes on as well.
        going = createGradientSource(config, transport, JSON.parse(JSON.stringify(going.state())))
      }
    }
  }
  t.is(numAborts, transport.jobs.length)
})

// With one worker nothing overtakes: each truncation starts with the theta that it moves.
test('one worker is the synchronous source, however slow', async (t) => {
  const one = fresh(toyRun({ asynchronous: { workers: 1, speedSpread: 9, jitter: 3, maxStaleness: 0 } }))
  const synchronous = fresh(toyRun())
  t.deepEqual(await run(one.source, 0, 20), await run(synchronous.source, 0, 20))
  t.deepEqual(inWords(one.transport), inWords(synchronous.transport))
})

test('several gradients of a step are averaged', async (t) => {
  const two = fresh(toyRun({ asynchronous: { workers: 1, gradientsPerStep: 2 } }))
  const single = fresh(toyRun())
  for (let outerStep = 0; outerStep < 10; outerStep++) {
    const theta = Float32Array.of(outerStep / 100)
    const mean = await two.source.next(theta, outerStep)
    const [a, b] = [await single.source.next(theta, outerStep), await single.source.next(theta, outerStep)]
    t.is(mean.grad[0], Math.fround((a.grad[0]! + b.grad[0]!) / 2))
    t.is(mean.meanLoss, (a.meanLoss + b.meanLoss) / 2)
    t.is(mean.innerSteps, a.innerSteps + b.innerSteps)
    t.is(mean.info.numPairs, 4)
  }
})
