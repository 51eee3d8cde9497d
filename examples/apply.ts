/**
 * Trains a small net written in plain TypeScript with any optimizer:
 * tsx examples/apply.ts ['{"name":"adam","lr":0.01}' | THETA.safetensors]
 */
import { createOptimizer, loadOptimizer, type Params } from 'outerloop'

const argument = process.argv[2] ?? '{"name":"adam","lr":0.01}'
const optimizer = argument.startsWith('{')
  ? createOptimizer(JSON.parse(argument))
  : await loadOptimizer(argument)

// Two interleaved spirals: which of them a point of the plane belongs to.
const [numPoints, hidden, numSteps] = [200, 32, 500]
const points = Array.from({ length: numPoints }, (_, i) => {
  const label = i % 2
  const t = 0.5 + (3 * i) / numPoints
  const angle = 2 * t + Math.PI * label
  return { x: [t * Math.cos(angle), t * Math.sin(angle)], label }
})

const wave = (length: number, scale: number, phase: number) =>
  Float32Array.from({ length }, (_, i) => scale * Math.sin(12.9898 * (i + 1) + phase))
const params = {
  'hidden0/b': { data: wave(hidden, 1, 5), shape: [hidden] },
  'hidden0/w': { data: wave(2 * hidden, 1, 1), shape: [2, hidden] },
  'hidden1/b': { data: new Float32Array(hidden), shape: [hidden] },
  'hidden1/w': { data: wave(hidden * hidden, 0.25, 2), shape: [hidden, hidden] },
  'output/b': { data: new Float32Array(1), shape: [1] },
  'output/w': { data: wave(hidden, 0.25, 3), shape: [hidden, 1] },
} satisfies Params

/** Mean logistic loss of a net with two layers of tanh units, and its gradient by hand. */
function lossAndGrads() {
  const [b0, w0, b1, w1, b2, w2] = Object.values(params).map(({ data }) => data) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ]
  const grads = [b0, w0, b1, w1, b2, w2].map((array) => new Float32Array(array.length))
  const [gb0, gw0, gb1, gw1, gb2, gw2] = grads as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ]
  let loss = 0
  for (const { x, label } of points) {
    const h0 = Array.from(b0, (b, j) => Math.tanh(b + x[0]! * w0[j]! + x[1]! * w0[hidden + j]!))
    const h1 = Array.from(b1, (b, k) => Math.tanh(h0.reduce((sum, h, j) => sum + h * w1[j * hidden + k]!, b)))
    const logit = h1.reduce((sum, h, k) => sum + h * w2[k]!, b2[0]!)
    const probability = 1 / (1 + Math.exp(-logit))
    loss -= Math.log(label === 1 ? probability : 1 - probability) / numPoints
    const error = (probability - label) / numPoints
    gb2[0]! += error
    const e0 = new Float64Array(hidden)
    for (let k = 0; k < hidden; k++) {
      gw2[k]! += error * h1[k]!
      const e1 = error * w2[k]! * (1 - h1[k]! ** 2)
      gb1[k]! += e1
      for (let j = 0; j < hidden; j++) {
        gw1[j * hidden + k]! += e1 * h0[j]!
        e0[j]! += e1 * w1[j * hidden + k]!
      }
    }
    for (let j = 0; j < hidden; j++) {
      const e = e0[j]! * (1 - h0[j]! ** 2)
      gb0[j]! += e
      gw0[j]! += e * x[0]!
      gw0[hidden + j]! += e * x[1]!
    }
  }
  const names = Object.keys(params)
  return { loss, grads: Object.fromEntries(names.map((name, i) => [name, grads[i]!])) }
}

const state = optimizer.init(params, { numSteps })
for (let step = 0; step <= numSteps; step++) {
  const { loss, grads } = lossAndGrads()
  if (step % 100 === 0) console.log(`step ${String(step).padStart(3)}  loss ${loss.toFixed(4)}`)
  if (step < numSteps) state.update(grads, { loss })
}
