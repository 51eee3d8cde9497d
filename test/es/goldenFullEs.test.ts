/** Numbers of published full ES; see test/fixtures/golden/README.md. The engine reduces losses (Rust tests); here a stand-in does. */
import test, { type ExecutionContext } from 'ava'
import { createEstimator } from '../../ts/es/registry.js'
import { estimatorsFile, type FullRun, joined, type Output, rows, specFile } from './golden.js'
import { goldenSummer, isGradient } from './replay.js'
import { toyConfig } from './toy.js'

/** How the losses of an unroll become one. `Math.min` gives NaN if any is, as the published minimum does. */
const reductions = {
  avg: (losses: number[]) => losses.reduce((a, b) => a + b, 0) / losses.length,
  min: (losses: number[]) => Math.min(...losses),
  last: (losses: number[]) => losses.at(-1)!,
}

interface Case {
  std: number
  /** `[step][particle]`. */
  pos: number[][]
  neg: number[][]
  eps: number[][]
  reduce: keyof typeof reductions
  clipDelta?: number | undefined
  signDelta?: number | undefined
  /** Length as drawn, and the one of which it becomes a multiple. */
  drawn?: number
  truncationLength?: number
}

async function isPublished(
  t: ExecutionContext,
  { std, pos, neg, eps, reduce, clipDelta, signDelta, ...lengths }: Case,
  expected: Output,
): Promise<number> {
  const { drawn = pos.length, truncationLength = pos.length } = lengths
  const shared = { numParticles: eps.length, truncationLength, std, clipDelta, signDelta }
  const unrollLength = { kind: 'constant', innerSteps: drawn } as const
  const estimator = createEstimator(toyConfig({ name: 'fullEs', ...shared }, { unrollLength }))
  const planned = estimator.plan(estimator.init(), 0)
  for (const { segments } of planned.particles) {
    t.deepEqual(
      segments.map(({ innerSteps }) => innerSteps),
      [pos.length],
    )
  }
  const reduced = (losses: number[][]) =>
    Float64Array.from(eps, (_, i) => reductions[reduce](losses.map((row) => row[i]!)))
  const result = { pos: reduced(pos), neg: reduced(neg), diverged: new Uint8Array(eps.length) }
  const estimate = await estimator.estimate(planned, result, goldenSummer(eps.map((own) => [own])))
  const numBroken = eps.filter((_, i) => !Number.isFinite(result.pos[i]! - result.neg[i]!)).length
  t.is(estimate.info.numNonFinitePairs, numBroken)
  const isCancelling = reduce === 'avg' && signDelta === undefined
  const { grad, mean_loss: meanLoss } = expected
  return isGradient(t, estimate, { std, eps, isCancelling, grad, meanLoss })
}

const option = (text: string) => (text === 'None' ? undefined : Number(text))
const parse = (losses: (number | 'inf' | null)[][]) =>
  losses.map((row) => row.map((x) => (x === null ? Number.NaN : x === 'inf' ? Number.POSITIVE_INFINITY : x)))

for (const [call, formula] of estimatorsFile.formulas.entries()) {
  test(`full ES, call ${call}`, async (t) => {
    const pos = parse(formula.full_loss_pos)
    const neg = parse(formula.full_loss_neg)
    const errors: number[] = []
    for (const [name, output] of Object.entries(formula)) {
      const [, reduce, clip, sign] = /^full_(avg|min|last)_clip_(.*)_sign_(.*)$/.exec(name) ?? []
      if (reduce === undefined) continue
      const rules = { clipDelta: option(clip!), signDelta: option(sign!) }
      const losses = { std: formula.sigma, pos, neg, eps: rows(formula.eps) }
      const outcome = { ...losses, ...rules, reduce: reduce as Case['reduce'] }
      errors.push(await isPublished(t, outcome, output as Output))
    }
    t.is(errors.length, 12)
    t.log(`off by ${Math.max(...errors).toExponential(1)} of the largest entry`)
  })
}

test('full ES, the hand-made call', async (t) => {
  const { estimators } = specFile
  const { sigma: std, eps } = estimators.inputs
  const [pos, neg] = [parse(estimators.full_inputs.loss_pos), parse(estimators.full_inputs.loss_neg)]
  const errors: number[] = []
  for (const [name, output] of Object.entries(estimators)) {
    const [, reduce, clip, sign] = /^full_(avg|min|last)_clip(.*)_sign(.*)$/.exec(name) ?? []
    if (reduce === undefined) continue
    const rules = { clipDelta: option(clip!), signDelta: option(sign!) }
    const outcome = { std, pos, neg, eps, ...rules, reduce: reduce as Case['reduce'] }
    errors.push(await isPublished(t, outcome, output as Output))
  }
  t.is(errors.length, 9)
  t.log(`off by ${Math.max(...errors).toExponential(1)} of the largest entry`)
})

for (const run of estimatorsFile.end_to_end.filter((run): run is FullRun => 'loss_pos' in run)) {
  test(`a run of full ES, ${run.loss_type}`, async (t) => {
    const { sigma: std, drawn_length: drawn, steps_per_jit: truncationLength, loss_type: reduce } = run
    const [pos, neg] = [rows(run.loss_pos), rows(run.loss_neg)]
    const lengths = { drawn, truncationLength }
    const expected = { mean_loss: run.mean_loss, grad: run.grad.flatMap(({ data }) => data) }
    await isPublished(t, { std, pos, neg, eps: joined(run.eps), reduce, ...lengths }, expected)
  })
}
