import type { CompletePreset } from './presets.js'

/**
 * The recipe of Metz, Maheswaranathan, Freeman, Poole, Sohl-Dickstein 2020 (arXiv:2009.11243), on bundled data.
 *
 * As in the paper: the hierarchical optimizer, antithetic truncated ES with std 0.01, truncations of 240 to 360
 * inner steps, outer-validation loss of 5 minibatches, unrolls that grow linearly from 300 to 10,000 inner steps
 * over 10,000 outer steps, each weight's gradient clipped to ±0.1, Adam at a constant rate.
 *
 * Different from the paper:
 * - 16 antithetic pairs in one synchronous batch, where the paper has 1,024 asynchronous workers;
 * - the outer learning rate is 3e-4, inside the range 3e-5…3e-3 that the paper sweeps;
 * - the outer-validation loss is taken every 10 inner steps; the paper does not say how often;
 * - tasks are MLPs on three bundled 8×8 data sets, drawn as in TaskSet's `mlp` family but without image
 *   augmentation; the paper has about 6,000 tasks of many families;
 * - losses are normalised by the task (clipped at 1.5·ln of the number of classes), not by the best baseline's loss;
 * - growth starts at once: no first phase at constant length, hence no outer steps at rate 0 between the phases.
 */
export const paper2020 = {
  optimizer: { name: 'hierarchical', variant: 'paper' },
  tasks: {
    family: 'mlp',
    // The paper's ranges end at 55,000 and 50,000 examples; these end where the bundled train splits do.
    datasets: [
      { name: 'mnist8', batchSize: { min: 8, max: 512 }, numTrain: { min: 1000, max: 14_000 } },
      { name: 'fashion8', batchSize: { min: 8, max: 512 }, numTrain: { min: 1000, max: 14_000 } },
      { name: 'cifar8', batchSize: { min: 8, max: 256 }, numTrain: { min: 1000, max: 6062 } },
    ],
  },
  estimator: {
    name: 'truncatedEs',
    numParticles: 16,
    truncationLength: 300,
    std: 0.01,
    carry: 'unperturbed',
  },
  truncationSchedule: { kind: 'uniform', min: 240, max: 360 },
  unrollLength: { kind: 'linear', from: 300, to: 10_000, overOuterSteps: 10_000 },
  metaLoss: { source: 'outerValid', every: 10, batches: 5 },
  outerSteps: 10_000,
  outerOptimizer: { name: 'adam', lr: 3e-4, schedule: { kind: 'constant' } },
  clip: { kind: 'value', max: 0.1 },
  thetaAverage: 0,
  start: { candidates: 1, innerSteps: 200 },
} satisfies CompletePreset
