/** A stand-in for the engine whose inner problem is one number and whose theta is one number, so that gradients have closed forms. */
import { type EstimatorConfig, estimatorSchema } from '../../ts/config/estimatorConfig.js'
import { advancePlan, type PerturbationSummer } from '../../ts/es/estimator.js'
import type { PopulationConfig } from '../../ts/es/population.js'
import { createEstimator } from '../../ts/es/registry.js'
import type {
  AdvancePlan,
  AdvanceResult,
  Carry,
  PerturbationSum,
  PerturbationTerm,
  Segment,
} from '../../ts/native.js'

/** An inner problem: where it starts, what an inner step does, and the loss before it. */
export interface Toy {
  start: number
  step(x: number, theta: number): number
  loss(x: number): number
}

/** x' = x + theta, loss x: step s of a problem has gradient s. */
export const adding: Toy = { start: 0, step: (x, theta) => x + theta, loss: (x) => x }

/** A task for configs; the toy does not look at it. */
export const quadratic = {
  family: 'quadratic',
  dims: 1,
  matrix: { kind: 'normal', mean: 0, std: 1 },
  start: { kind: 'normal', mean: 0, std: 1 },
  output: 'identity',
  lossScale: 1,
  noise: null,
  instanceSeed: 0,
} as const

/** 1,000 pairs; a hundred share a problem, which costs less and leaves their noise independent. */
export const manyPairs = { numParticles: 10, pairsPerParticle: 100 }

/** Options of an estimator as a user writes them. */
export type EstimatorInput = { name: EstimatorConfig['name'] } & Record<string, unknown>

/** A config of problems of 10 inner steps, four pairs, truncations of 5 and std 0.1, but for what is given. */
export function toyConfig(estimator: EstimatorInput, over: Partial<PopulationConfig> = {}): PopulationConfig {
  return {
    seed: 3,
    tasks: { tasks: [{ config: quadratic, weight: 1 }] },
    estimator: estimatorSchema.parse({ numParticles: 4, truncationLength: 5, std: 0.1, ...estimator }),
    unrollLength: { kind: 'constant', innerSteps: 10 },
    resets: 'boundary',
    initialOffset: { kind: 'none' },
    ...over,
  }
}

/** The standard normal number that the three name: a hash and Box-Muller, cheap enough for millions of draws. */
export function unitNoise(seed: number, particle: number, perturbation: number): number {
  const first = hash(hash(hash(seed) ^ particle) ^ perturbation)
  const radius = Math.sqrt(-2 * Math.log((first + 1) / 2 ** 32))
  return radius * Math.cos((2 * Math.PI * hash(first)) / 2 ** 32)
}

/** The last rounds of MurmurHash3, after a step that moves zero. */
function hash(word: number): number {
  let h = (word + 0x9e3779b9) >>> 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** Sums {@link unitNoise} in f64, and remembers every pair's part of the last sum. */
export class NoiseSummer implements PerturbationSummer {
  readonly seed: number
  parts = new Map<number, number>()

  constructor(seed: number) {
    this.seed = seed
  }

  async sumPerturbations(std: number, terms: PerturbationTerm[]): Promise<PerturbationSum> {
    this.parts = new Map()
    let squares = 0
    for (const { particle, first, last, weight } of terms) {
      let part = 0
      for (let k = first; k <= last; k++) part += weight * std * unitNoise(this.seed, particle, k)
      this.parts.set(particle, (this.parts.get(particle) ?? 0) + part)
      squares += part * part
    }
    const sum = [...this.parts.values()].reduce((a, b) => a + b, 0)
    return { sum: Float32Array.of(sum), squares }
  }
}

/** Runs plans on a toy, as the engine does on tasks. */
export class ToyEngine extends NoiseSummer {
  readonly #toy: Toy
  readonly #theta: number
  readonly #carry: Carry
  readonly #lanes = new Map<number, number[]>()

  constructor(seed: number, toy: Toy, theta: number, carry: Carry) {
    super(seed)
    this.#toy = toy
    this.#theta = theta
    this.#carry = carry
  }

  /** `theta`: another than the engine's own. */
  advance({ std, particles }: AdvancePlan, theta: number = this.#theta): AdvanceResult {
    const [pos, neg]: [number[], number[]] = [[], []]
    for (const { particle, segments } of particles) {
      for (const segment of segments) {
        const losses = this.#run(std, theta, particle, segment)
        pos.push(losses[0])
        neg.push(losses[1])
      }
    }
    return { pos: Float64Array.from(pos), neg: Float64Array.from(neg), diverged: new Uint8Array(pos.length) }
  }

  /** The inner problems between truncations. */
  save(): string {
    return JSON.stringify([...this.#lanes])
  }

  load(saved: string): void {
    this.#lanes.clear()
    for (const [particle, lanes] of JSON.parse(saved) as [number, number[]][])
      this.#lanes.set(particle, lanes)
  }

  /** Mean losses of both halves. */
  #run(
    std: number,
    theta: number,
    particle: number,
    { innerSteps, perturbation, restart }: Segment,
  ): readonly [number, number] {
    const lanes = restart === undefined ? this.#lanes.get(particle) : [this.#toy.start]
    if (lanes === undefined) throw new Error(`particle ${particle} has no problem`)
    const noise = perturbation === undefined ? 0 : std * unitNoise(this.seed, particle, perturbation)
    const pos = this.#unroll(lanes[0]!, theta + noise, innerSteps)
    const neg = this.#unroll(lanes[1] ?? lanes[0]!, theta - noise, innerSteps)
    this.#lanes.set(particle, this.#kept(pos.x, neg.x, lanes[0]!, theta, innerSteps))
    return [pos.loss, neg.loss]
  }

  #kept(pos: number, neg: number, start: number, theta: number, innerSteps: number): number[] {
    if (this.#carry === 'both') return [pos, neg]
    return [this.#carry === 'pos' ? pos : this.#unroll(start, theta, innerSteps).x]
  }

  #unroll(start: number, theta: number, innerSteps: number): { x: number; loss: number } {
    let [x, sum] = [start, 0]
    for (let t = 0; t < innerSteps; t++) {
      sum += this.#toy.loss(x)
      x = this.#toy.step(x, theta)
    }
    return { x, loss: sum / innerSteps }
  }
}

/**
 * Every pair's own gradient at every outer step, `[outerStep][pair]`; the mean over pairs is the estimator's.
 *
 * Pairs are independent of each other, where the truncations of one are not.
 */
export async function runToy(
  config: PopulationConfig,
  { toy = adding, theta = 0, outerSteps }: { toy?: Toy; theta?: number; outerSteps: number },
): Promise<Float64Array[]> {
  const estimator = createEstimator(config)
  const engine = new ToyEngine(config.seed, toy, theta, estimator.carry)
  let state = estimator.init()
  const gradients: Float64Array[] = []
  for (let outerStep = 0; outerStep < outerSteps; outerStep++) {
    const planned = estimator.plan(state, outerStep)
    const { info } = await estimator.estimate(planned, engine.advance(advancePlan(planned)), engine)
    const { parts } = engine
    gradients.push(
      Float64Array.from(planned.particles, ({ particle }) => info.numPairs * (parts.get(particle) ?? 0)),
    )
    state = planned.next
  }
  return gradients
}
