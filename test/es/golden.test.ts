/** Numbers of the published estimators; see test/fixtures/golden/README.md. */
import test from 'ava'
import type { EstimatorState } from '../../ts/es/estimator.js'
import { freshParticles, type PopulationConfig } from '../../ts/es/population.js'
import { createEstimator } from '../../ts/es/registry.js'
import { estimatorsFile, formulaCalls, type GoldenCall, type Run, runCalls, specFile } from './golden.js'
import { replay } from './replay.js'
import { type EstimatorInput, toyConfig } from './toy.js'

const published = { name: 'pes', compatBoundary: true } as const
const truncatedEs = { name: 'truncatedEs' } as const

function config(estimator: EstimatorInput, length: number): PopulationConfig {
  return toyConfig(estimator, {
    unrollLength: { kind: 'constant', innerSteps: length },
    resets: 'slots',
  })
}

/** First problems that count as begun by so many inner steps: what the published random offset does. */
function begun(innerSteps: number[], unrollLength: number): EstimatorState {
  const fresh = freshParticles(innerSteps.length, 0)
  const particles = fresh.particles.map((particle, i) => ({
    ...particle,
    episode: 0,
    innerStep: innerSteps[i]!,
    unrollLength,
  }))
  return { ...fresh, particles }
}

for (const [sign, options] of [
  ['None', {}],
  ['2.0', { signDelta: 2 }],
] as const) {
  const shared = { ...options, numParticles: 4, truncationLength: 7, std: 0.01 }
  // Problems of six steps; the first ones end with slots 4, 2, 4 and 2.
  const before = begun([1, 3, 1, 3], 6)

  test(`PES, three calls, sign ${sign}`, async (t) => {
    const estimator = createEstimator(config({ ...published, ...shared }, 6))
    await replay(t, estimator, before, formulaCalls(`pes_sign_${sign}`))
  })

  test(`truncated ES, three calls, sign ${sign}`, async (t) => {
    const estimator = createEstimator(config({ ...truncatedEs, ...shared }, 6))
    await replay(t, estimator, before, formulaCalls(`tes_sign_${sign}`))
  })
}

for (const run of estimatorsFile.end_to_end.filter((run): run is Run => 'calls' in run)) {
  test(`a run of ${run.estimator}`, async (t) => {
    const { sigma: std, slots: truncationLength, episode_length: length, initial_inner_step: offsets } = run
    const shared = { numParticles: offsets.length, truncationLength, std }
    const estimator = createEstimator(
      config({ ...(run.estimator === 'pes' ? published : truncatedEs), ...shared }, length),
    )
    await replay(t, estimator, begun(offsets, length), runCalls(run))
  })
}

// One call of six slots after another: what was accumulated before is perturbation 0. Problems of 20 steps, of which the
// second ends with slot 2 and the third with the last one.
const { estimators: spec } = specFile
const { inputs } = spec
const running: EstimatorState = begun([6, 17, 14], 20)
for (const particle of running.particles) {
  Object.assign(particle, { isStarted: true, perturbation: 0, firstPerturbation: 0 })
}

for (const [output, estimator] of [
  ['pes_sign_None', published],
  ['pes_sign_1.0', { ...published, signDelta: 1 }],
  ['pes_exclusive_fix', { name: 'pes' }],
  ['tes_sign_None', truncatedEs],
  ['tes_sign_1.0', { ...truncatedEs, signDelta: 1 }],
] as const) {
  test(`the hand-made call: ${output}`, async (t) => {
    const { grad, mean_loss: meanLoss = null, new_acc: accumulators } = spec[output]!
    const call: GoldenCall = {
      std: inputs.sigma,
      pos: inputs.loss_pos,
      neg: inputs.loss_neg,
      mask: inputs.mask,
      isDone: inputs.is_done,
      eps: inputs.eps,
      isCancelling: output === 'tes_sign_None',
      meanLoss,
      grad,
      ...(accumulators && { accumulators }),
    }
    const shared = { numParticles: 3, truncationLength: 6, std: inputs.sigma }
    await replay(t, createEstimator(config({ ...estimator, ...shared }, 20)), running, [call], [inputs.acc])
  })
}
