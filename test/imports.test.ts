/** No two rooms import each other, no two files either: what one reads of a file does not lead back to it. */
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { byRoom, circles, rustGraph, typescriptGraph } from './importGraph.js'

const at = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url))
const typescript = typescriptGraph(at('ts'))
const crates = ['outerloop-kernels', 'outerloop-optim', 'outerloop-core', 'outerloop-node'].map(
  (name) => [name, rustGraph(at(`crates/${name}/src`))] as const,
)

test('TypeScript files and rooms form no circle', (t) => {
  t.true(typescript.size > 100)
  t.deepEqual(circles(typescript), [])
  t.deepEqual(circles(byRoom(typescript)), [])
})

for (const [name, graph] of crates) {
  test(`${name}: rooms form no circle, nor do files but the parts of one folder in a room`, (t) => {
    t.true(graph.size > 9)
    t.deepEqual(circles(byRoom(graph)), [])
    const folder = (module: string) => module.split('/').slice(0, -1).join('/')
    // An engine is many things.
    const isOneThing = (circle: string[]) =>
      folder(circle[0]!).includes('/') &&
      !folder(circle[0]!).endsWith('/engine') &&
      circle.every((module) => folder(module) === folder(circle[0]!))
    t.deepEqual(
      circles(graph).filter((circle) => !isOneThing(circle)),
      [],
    )
  })
}

test('circles are found', (t) => {
  const graph = new Map(
    Object.entries({ 'a/x': ['b/y'], 'b/y': ['b/z'], 'b/z': ['a/x', 'c/w'], 'c/w': [] }).map(
      ([from, targets]) => [from, new Set(targets)],
    ),
  )
  t.deepEqual(circles(graph), [['a/x', 'b/y', 'b/z']])
  t.deepEqual(circles(byRoom(graph)), [['a', 'b']])
})

test('imports are read through lists and re-exports', (t) => {
  const [kernels, optim, core] = crates.map(([, graph]) => graph)
  t.true(optim!.get('zoo/registry')!.has('lopt/celo2/config'))
  t.true(optim!.get('lopt/celo2/bound')!.has('tensor/edge'))
  t.true(core!.get('unroll/unroller')!.has('task/registry'))
  t.true(kernels!.get('layer/dense')!.has('simd/gemm'))
  t.false(byRoom(optim!).get('optim')!.has('lopt'))
  t.true(typescript.get('outer/train.ts')!.has('outer/trainResult.ts'))
})
