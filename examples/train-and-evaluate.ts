import { evaluate, loadTheta, train } from 'outerloop'

// 20 updates of theta take seconds; preset `quick` has 833.
const { records } = await train({ preset: 'quick', seed: 7, outerSteps: 20 }, { out: 'runs/example' })
console.log(`meta-loss ${records[0]!.metaLoss.toFixed(3)} -> ${records.at(-1)!.metaLoss.toFixed(3)}`)

const { theta, optimizer } = await loadTheta('runs/example/theta.safetensors')
console.log(`${optimizer.name}, ${theta.length} weights`)

// Two tasks it was not trained on, 200 inner steps; mean loss over training, 0 = best baseline, 1 = untrained.
const evaluation = await evaluate({ theta, optimizer }, { tasks: 2, innerSteps: [200] })
for (const { label, normalized } of evaluation.horizons[0]!.rows) {
  console.log(label.padEnd(28), normalized.curve.mean.value.toFixed(3))
}
