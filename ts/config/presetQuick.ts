import type { CompletePreset } from './presets.js'

const mlp = (dataset: string, hidden: number[], batchSize = 64) =>
  ({ config: { family: 'mlp', dataset, hidden, batchSize } }) as const

/**
 * A small learned optimizer, 833 outer steps (4 million inner steps): minutes on two cores.
 *
 * Six small MLPs, half of the unrolls with random labels; the gradient's norm is clipped before Adam, since it
 * falls from about 65 to about 10 in a run and Adam's second moment would remember the beginning.
 */
export const quick = {
  optimizer: { name: 'adafac_mlp', hidden: 4, stepMult: 0.001 },
  tasks: {
    tasks: [
      mlp('mnist8', [32]),
      mlp('mnist8', [16, 16]),
      mlp('mnist8', [64, 64]),
      mlp('cifar8', [32]),
      mlp('cifar8', [16]),
      mlp('cifar8', [64], 32),
    ],
    labelNoise: { probability: 0.5, max: 0.9 },
  },
  estimator: { name: 'pes', numParticles: 48, truncationLength: 50, std: 0.01 },
  unrollLength: { kind: 'logUniform', min: 100, max: 1000 },
  metaLoss: { source: 'train' },
  outerSteps: 833,
  outerOptimizer: {
    name: 'adam',
    lr: 3e-3,
    beta1: 0.9,
    beta2: 0.999,
    epsRoot: 0,
    schedule: { kind: 'cosine', finalFraction: 0.03 },
  },
  clip: { kind: 'globalNorm', max: 1 },
  thetaAverage: 0.98,
  start: { candidates: 16, innerSteps: 200 },
} satisfies CompletePreset
