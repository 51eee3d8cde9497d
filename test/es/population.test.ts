/** What pairs share, what they do not, and where their first problems begin. */
import test from 'ava'
import type { EstimatorState, PlannedTruncation } from '../../ts/es/estimator.js'
import type { PopulationConfig } from '../../ts/es/population.js'
import { createEstimator } from '../../ts/es/registry.js'
import { quadratic, toyConfig } from './toy.js'

/** So many truncations from a state on. */
function plans(config: PopulationConfig, count: number, from?: EstimatorState): PlannedTruncation[] {
  const estimator = createEstimator(config)
  let state = from ?? estimator.init()
  return Array.from({ length: count }, (_, outerStep) => {
    const planned = estimator.plan(state, outerStep)
    state = planned.next
    return planned
  })
}

const drawn = { kind: 'uniform', min: 3, max: 9 } as const
const random: Partial<PopulationConfig> = {
  tasks: {
    family: 'quadratic',
    dims: { min: 2, max: 50 },
    lossScale: { min: 1, max: 9 },
    outputs: ['log'],
    noiseProbability: 0.5,
  },
  resets: 'inline',
  unrollLength: drawn,
  initialOffset: { kind: 'counter', max: 5 },
}

test('pairs of one problem share everything but their noise', (t) => {
  const config = toyConfig({ name: 'gpes', perturbEvery: 4, numParticles: 3, pairsPerParticle: 2 }, random)
  for (const { particles } of plans(config, 20)) {
    t.deepEqual(
      particles.map(({ particle }) => particle),
      [0, 1, 2, 3, 4, 5],
    )
    for (const first of [0, 2, 4]) {
      const [own, other] = [particles[first]!.segments, particles[first + 1]!.segments]
      const instance = { instance: first }
      t.deepEqual(
        other,
        own.map(({ restart, ...segment }) =>
          restart === undefined ? segment : { ...segment, restart: { ...restart, ...instance } },
        ),
      )
      t.true(own.every(({ restart }) => restart?.instance === undefined))
    }
    t.notDeepEqual(particles[0]!.segments, particles[2]!.segments)
  }
})

test('a plan is a function of its arguments, and a state survives JSON', (t) => {
  const config = toyConfig({ name: 'pes' }, random)
  const estimator = createEstimator(config)
  const state = plans(config, 7).at(-1)!.next
  const copy = structuredClone(state)
  const one = estimator.plan(state, 7)
  t.deepEqual(state, copy)
  t.deepEqual(createEstimator(config).plan(JSON.parse(JSON.stringify(state)) as EstimatorState, 7), one)
})

test('workers have pairs, problems and lengths of their own', (t) => {
  const config = toyConfig({ name: 'pes', numParticles: 2 }, { ...random, truncationSchedule: drawn })
  const worker = (first: number) => plans(config, 10, createEstimator(config).init(first))
  const [one, two] = [worker(0), worker(2)]
  t.deepEqual(
    two[0]!.particles.map(({ particle }) => particle),
    [2, 3],
  )
  const tasks = (truncations: PlannedTruncation[]) =>
    truncations.flatMap(({ particles }) =>
      particles.flatMap(({ segments }) => segments.flatMap(({ restart }) => restart?.task ?? [])),
    )
  t.is(
    new Set([...tasks(one), ...tasks(two)].map((task) => JSON.stringify(task))).size,
    tasks(one).length + tasks(two).length,
  )
  const lengths = (truncations: PlannedTruncation[]) => truncations.map(({ innerSteps }) => innerSteps)
  t.notDeepEqual(lengths(one), lengths(two))
})

test('all pairs of a truncation have its length', (t) => {
  const config = toyConfig({ name: 'pes' }, { ...random, truncationSchedule: drawn })
  for (const { particles, innerSteps } of plans(config, 10)) {
    for (const { segments } of particles) {
      t.is(
        segments.reduce((sum, segment) => sum + segment.innerSteps, 0),
        innerSteps / 8,
      )
    }
  }
})

test('a counter makes first problems shorter, and nothing else', (t) => {
  const config = toyConfig(
    { name: 'pes', numParticles: 200, truncationLength: 30 },
    { resets: 'inline', initialOffset: { kind: 'counter', max: 14 } },
  )
  const { particles } = plans(config, 1)[0]!
  const lengths = particles.map(({ segments }) => segments[0]!.innerSteps)
  // 10 less an offset from 0 to 13, but one at least: each in 14 pairs of 200 or more.
  t.deepEqual(
    [...new Set(lengths)].sort((a, b) => a - b),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  )
  // Offsets 9 to 13, of 14. Four standard errors.
  const numShortest = lengths.filter((length) => length === 1).length
  const share = 5 / 14
  t.true(Math.abs(numShortest - 200 * share) < 4 * Math.sqrt(200 * share * (1 - share)), `${numShortest}`)
  for (const { segments } of particles) {
    // The optimizer is told the whole length, and the second problem has it.
    t.is(segments[0]!.restart!.numSteps, 10)
    t.is(segments[1]!.innerSteps, 10)
  }
})

test('a burn-in runs first problems to a boundary of a truncation', (t) => {
  const truncationSchedule = { kind: 'linear', from: 3, to: 3, overOuterSteps: 1 } as const
  const config = toyConfig(
    { name: 'gpes', perturbEvery: 3, numParticles: 100 },
    { resets: 'inline', initialOffset: { kind: 'burnIn' }, truncationSchedule },
  )
  const seen = new Set<number>()
  const [planned] = plans(config, 1)
  for (const { segments } of planned!.particles) {
    const [first] = segments
    const burnIn = first!.perturbation === undefined ? first!.innerSteps : 0
    seen.add(burnIn)
    t.is(first!.restart!.numSteps, 10)
    t.is(first!.restart!.episode, 0)
    const measured = burnIn === 0 ? segments : segments.slice(1)
    // The whole truncation follows, under perturbation 0 first.
    t.is(
      measured.reduce((sum, { innerSteps }) => sum + innerSteps, 0),
      3,
    )
    t.like(measured[0], { perturbation: 0, first: 0, innerSteps: burnIn === 9 ? 1 : 3 })
  }
  // Boundaries before step 10; the truncation length is the schedule's.
  t.deepEqual([...seen].sort(), [0, 3, 6, 9])
  const burnt = planned!.particles.flatMap(({ segments }) =>
    segments.filter(({ perturbation }) => perturbation === undefined),
  )
  t.is(planned!.innerSteps, 2 * (100 * 3 + burnt.reduce((sum, { innerSteps }) => sum + innerSteps, 0)))
})

test('particles are dealt to task families in turn', (t) => {
  const family = (name: string, dims: number) => ({
    name,
    weight: 1,
    tasks: { tasks: [{ config: { ...quadratic, dims }, weight: 1 }] },
  })
  const tasks = { families: [family('small', 2), family('large', 9)] }
  const estimator = { name: 'pes', numParticles: 3, pairsPerParticle: 2 } as const
  const { particles } = plans(toyConfig(estimator, { tasks }), 1)[0]!
  t.deepEqual(
    particles.map(({ family }) => family),
    [0, 0, 1, 1, 0, 0],
  )
  t.deepEqual(
    particles.map(({ segments }) => (segments[0]!.restart!.task as { dims: number }).dims),
    [2, 2, 9, 9, 2, 2],
  )
})
