/** Plans of single pairs, written out by hand. */
import test, { type ExecutionContext } from 'ava'
import { advancePlan, type PlannedSegment } from '../../ts/es/estimator.js'
import type { PopulationConfig } from '../../ts/es/population.js'
import { createEstimator } from '../../ts/es/registry.js'
import { type EstimatorInput, runToy, toyConfig } from './toy.js'

/** `new 1: 3 under 4 (2-4), end`: of problem 1 three steps under perturbation 4, credited to 2 to 4, and it ends. */
function inWords({ innerSteps, perturbation, first, restart, isEnd }: PlannedSegment): string {
  const start = restart === undefined ? '' : `new ${restart.episode}: `
  const noise =
    perturbation === undefined ? 'unperturbed' : `under ${perturbation} (${first}-${perturbation})`
  return `${start}${innerSteps} ${noise}${isEnd ? ', end' : ''}`
}

/** The first pair's truncations. */
function isPlanned(t: ExecutionContext, config: PopulationConfig, expected: string[][]): void {
  const estimator = createEstimator(config)
  let state = estimator.init()
  const seen = expected.map((_, outerStep) => {
    const planned = estimator.plan(state, outerStep)
    state = planned.next
    return planned.particles[0]!.segments.map(inWords)
  })
  t.deepEqual(seen, expected)
}

/** Problems of `length` steps in truncations of `truncationLength`. */
function short(
  estimator: EstimatorInput,
  [length, truncationLength]: [number, number],
  over: Partial<PopulationConfig> = {},
): PopulationConfig {
  return toyConfig(
    { numParticles: 1, truncationLength, ...estimator },
    { unrollLength: { kind: 'constant', innerSteps: length }, ...over },
  )
}

const pes = { name: 'pes' } as const
const published = { ...pes, compatBoundary: true } as const
const slots = { resets: 'slots' } as const
const inline = { resets: 'inline' } as const

test('PES: problems end with truncations', (t) => {
  isPlanned(t, short(pes, [8, 5]), [
    ['new 0: 5 under 0 (0-0)'],
    ['5 under 1 (0-1), end'],
    ['new 1: 5 under 2 (2-2)'],
    ['5 under 3 (2-3), end'],
  ])
})

// The steps that round a problem's length up belong to it: its last one is alone, and alone an end.
test('PES as published: the last step apart, the old perturbation kept', (t) => {
  isPlanned(t, short(published, [8, 5]), [
    ['new 0: 5 under 0 (0-0)'],
    ['4 under 1 (0-1)', '1 under 1 (0-1), end'],
    ['new 1: 5 under 2 (1-2)'],
    ['4 under 3 (1-3)', '1 under 3 (1-3), end'],
  ])
  isPlanned(t, short(published, [2, 1]), [
    ['new 0: 1 under 0 (0-0)'],
    ['1 under 1 (0-1), end'],
    ['new 1: 1 under 2 (1-2)'],
  ])
})

// Slots of truncations of three, ends marked by !, empty slots by -: 000 0!-1 111! -22 22!- 333
test('PES: empty slots between problems', (t) => {
  isPlanned(t, short(pes, [4, 3], slots), [
    ['new 0: 3 under 0 (0-0)'],
    ['1 under 1 (0-1), end', 'new 1: 1 under 1 (1-1)'],
    ['3 under 2 (1-2), end'],
    ['new 2: 2 under 3 (3-3)'],
    ['2 under 4 (3-4), end'],
    // Its empty slot was under perturbation 4, which no step of it has felt.
    ['new 3: 3 under 5 (5-5)'],
  ])
  isPlanned(t, short(published, [4, 3], slots), [
    ['new 0: 3 under 0 (0-0)'],
    ['1 under 1 (0-1), end', 'new 1: 1 under 1 (1-1)'],
    ['2 under 2 (1-2)', '1 under 2 (1-2), end'],
    ['new 2: 2 under 3 (2-3)'],
    ['1 under 4 (2-4)', '1 under 4 (2-4), end'],
    ['new 3: 3 under 5 (4-5)'],
  ])
})

test('PES: problems follow each other inside truncations', (t) => {
  isPlanned(t, short(pes, [4, 3], inline), [
    ['new 0: 3 under 0 (0-0)'],
    ['1 under 1 (0-1), end', 'new 1: 2 under 1 (1-1)'],
    ['2 under 2 (1-2), end', 'new 2: 1 under 2 (2-2)'],
    ['3 under 3 (2-3), end'],
    ['new 3: 3 under 4 (4-4)'],
  ])
  isPlanned(t, short(pes, [2, 5], inline), [
    ['new 0: 2 under 0 (0-0), end', 'new 1: 2 under 0 (0-0), end', 'new 2: 1 under 0 (0-0)'],
    ['1 under 1 (0-1), end', 'new 3: 2 under 1 (1-1), end', 'new 4: 2 under 1 (1-1), end'],
  ])
})

test('truncated ES: every truncation has its own perturbation', (t) => {
  isPlanned(t, short({ name: 'truncatedEs' }, [4, 3], inline), [
    ['new 0: 3 under 0 (0-0)'],
    ['1 under 1 (0-1), end', 'new 1: 2 under 1 (1-1)'],
  ])
})

test('NRES: every problem has its own perturbation', (t) => {
  isPlanned(t, short({ name: 'nres' }, [4, 3], inline), [
    ['new 0: 3 under 0 (0-0)'],
    ['1 under 0 (0-0), end', 'new 1: 2 under 1 (1-1)'],
    ['2 under 1 (1-1), end', 'new 2: 1 under 2 (2-2)'],
  ])
  isPlanned(t, short({ name: 'nres' }, [4, 3]), [
    ['new 0: 3 under 0 (0-0)'],
    ['3 under 0 (0-0), end'],
    ['new 1: 3 under 1 (1-1)'],
  ])
})

test('GPES: a new perturbation after every second step of a problem, wherever truncations begin', (t) => {
  isPlanned(t, short({ name: 'gpes', perturbEvery: 2 }, [5, 4], inline), [
    ['new 0: 2 under 0 (0-0)', '2 under 1 (0-1)'],
    ['1 under 2 (0-2), end', 'new 1: 2 under 3 (3-3)', '1 under 4 (3-4)'],
    ['1 under 4 (3-4)', '1 under 5 (3-5), end', 'new 2: 2 under 6 (6-6)'],
  ])
})

test('GPES with windows as long as problems is NRES, and with those of truncations PES', (t) => {
  const segments = (estimator: EstimatorInput, over: Partial<PopulationConfig>) => {
    const { plan, init } = createEstimator(short(estimator, [10, 4], over))
    let state = init()
    return Array.from({ length: 10 }, (_, outerStep) => {
      const planned = plan(state, outerStep)
      state = planned.next
      return planned.particles
    })
  }
  const gpes = (perturbEvery: number, over: Partial<PopulationConfig>) =>
    segments({ name: 'gpes', perturbEvery }, over)
  t.deepEqual(gpes(10, inline), segments({ name: 'nres' }, inline))
  t.deepEqual(gpes(4, {}), segments(pes, {}))
})

test('full ES: whole problems', (t) => {
  isPlanned(t, short({ name: 'fullEs' }, [11, 4]), [
    ['new 0: 8 under 0 (0-0), end'],
    ['new 1: 8 under 1 (1-1), end'],
  ])
  // Shorter than a truncation: one of them.
  isPlanned(t, short({ name: 'fullEs' }, [3, 4]), [['new 0: 4 under 0 (0-0), end']])
})

test('lengths follow the schedule from truncation to truncation', (t) => {
  const linear = { kind: 'linear', from: 2, to: 4, overOuterSteps: 2 } as const
  isPlanned(t, short(pes, [6, 5], { ...inline, truncationSchedule: linear }), [
    ['new 0: 2 under 0 (0-0)'],
    ['3 under 1 (0-1)'],
    ['1 under 2 (0-2), end', 'new 1: 3 under 2 (2-2)'],
  ])
  // A problem keeps the length that was in force when it began.
  isPlanned(t, { ...short(pes, [6, 2], inline), unrollLength: linear }, [
    ['new 0: 2 under 0 (0-0), end'],
    ['new 1: 2 under 1 (1-1)'],
    ['1 under 2 (1-2), end', 'new 2: 1 under 2 (2-2)'],
  ])
})

test('a truncation that only has an empty slot sends nothing', async (t) => {
  const config = short(pes, [2, 1], slots)
  isPlanned(t, config, [['new 0: 1 under 0 (0-0)'], ['1 under 1 (0-1), end'], [], ['new 1: 1 under 3 (3-3)']])
  const estimator = createEstimator(config)
  let state = estimator.init()
  for (let i = 0; i < 2; i++) state = estimator.plan(state, i).next
  const planned = estimator.plan(state, 2)
  t.deepEqual(advancePlan(planned).particles, [])
  t.is(planned.innerSteps, 0)
  // The toy refuses to go on with what was never started.
  t.deepEqual(
    (await runToy(config, { outerSteps: 6 })).map(([gradient]) => gradient === 0),
    // The first step of a problem has no effect, the third truncation has no step.
    [true, false, true, true, false, true],
  )
})

test('inner steps are counted over all lanes', (t) => {
  const steps = (estimator: EstimatorInput) => {
    const { plan, init } = createEstimator(short({ ...estimator, numParticles: 3 }, [8, 5]))
    return plan(init(), 0).innerSteps
  }
  t.is(steps(pes), 2 * 3 * 5)
  t.is(steps({ name: 'truncatedEs' }), 3 * 3 * 5)
  t.is(steps({ name: 'truncatedEs', carry: 'pos' }), 2 * 3 * 5)
})
