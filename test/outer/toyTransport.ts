/** The toy of test/es as a transport, with a record of its jobs. */

import { parseTrainConfig, type TrainConfig } from '../../ts/config/trainConfig.js'
import { createEstimator } from '../../ts/es/registry.js'
import type { AdvanceResult, UnrollerState } from '../../ts/native.js'
import type { Job, Transport } from '../../ts/transport/transport.js'
import { adding, quadratic, type Toy, ToyEngine } from '../es/toy.js'

/** A config whose truncations all have five inner steps of two pairs, unless `over` says otherwise. */
export function toyRun(over: Record<string, unknown> = {}): TrainConfig {
  return parseTrainConfig({
    seed: 4,
    optimizer: { name: 'learnable_sgd' },
    tasks: { tasks: [{ config: quadratic }] },
    estimator: { name: 'pes', numParticles: 2, truncationLength: 5, std: 0.1 },
    unrollLength: { kind: 'uniform', min: 3, max: 20 },
    outerSteps: 100,
    outerOptimizer: { name: 'adam', lr: 0.1 },
    ...over,
  })
}

/** Runs jobs on a toy, at once. */
export class ToyTransport extends ToyEngine implements Transport {
  readonly jobs: Job[] = []
  /** Called before every job; may throw. */
  onSubmit: (job: Job) => void = () => {}

  constructor(config: TrainConfig, toy: Toy = adding) {
    super(config.seed, toy, 0, createEstimator(config).carry)
  }

  async submit(job: Job, signal?: AbortSignal): Promise<AdvanceResult> {
    this.onSubmit(job)
    signal?.throwIfAborted()
    this.jobs.push(job)
    return this.advance(job.plan, job.theta[0]!)
  }

  saveState(): UnrollerState {
    return { description: this.save(), numbers: new Float32Array() }
  }

  loadState({ description }: UnrollerState): void {
    this.load(description)
  }

  close(): void {}

  [Symbol.dispose](): void {}
}
