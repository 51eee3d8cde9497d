/** Which source file imports which, in TypeScript and in Rust, read from their text. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'

/** What a node imports. */
export type Graph = Map<string, Set<string>>

/** Imports between the files below `directory`, type imports too. Paths are relative to it. */
export function typescriptGraph(directory: string): Graph {
  const graph: Graph = new Map()
  for (const file of sourcesBelow(directory, '.ts')) {
    const text = readFileSync(join(directory, file), 'utf8')
    const specifiers = [...text.matchAll(/(?:from|import)\s+'(\.[^']+)'/g)].map(([, path]) => path!)
    const targets = specifiers.map((path) => posix.join(posix.dirname(file), path).replace(/\.js$/, '.ts'))
    graph.set(file, new Set(targets.filter((target) => !target.startsWith('..') && target !== file)))
  }
  return graph
}

/**
 * Imports between the modules of a crate, unit tests left out. A module is named by its path, `lopt/celo2/bound`; what a
 * `mod.rs` re-exports counts as what it is, not as the `mod.rs`.
 */
export function rustGraph(directory: string): Graph {
  const texts = new Map<string, string>()
  for (const file of sourcesBelow(directory, '.rs')) {
    const text = readFileSync(join(directory, file), 'utf8').split(/#\[cfg\(test\)\]\s*mod /)[0]!
    texts.set(file.replace(/\.rs$/, '').replace(/(^|\/)(mod|lib)$/, ''), text.replace(/\/\/.*/g, ''))
  }
  const graph: Graph = new Map()
  for (const [module, text] of texts) {
    const targets = new Set<string>()
    for (const path of pathsIn(text)) {
      const target = resolve(module, path, texts)
      // A module declares its children and re-exports what they have: that is no import.
      if (target === undefined || target === module || isWithin(target, module)) continue
      targets.add(target)
    }
    graph.set(module, targets)
  }
  return graph
}

/** The graph of the first parts of the names. */
export function byRoom(graph: Graph): Graph {
  const room = (name: string) => name.split('/')[0]!
  const rooms: Graph = new Map()
  for (const [from, targets] of graph) {
    const own = rooms.get(room(from)) ?? new Set()
    for (const target of targets) if (room(target) !== room(from)) own.add(room(target))
    rooms.set(room(from), own)
  }
  return rooms
}

/** Nodes that reach each other: strongly connected components of more than one node (Tarjan). */
export function circles(graph: Graph): string[][] {
  const index = new Map<string, number>()
  const low = new Map<string, number>()
  const stack: string[] = []
  const found: string[][] = []
  const visit = (node: string): void => {
    index.set(node, index.size)
    low.set(node, index.get(node)!)
    stack.push(node)
    for (const next of graph.get(node) ?? []) {
      if (!index.has(next)) visit(next)
      if (stack.includes(next)) low.set(node, Math.min(low.get(node)!, low.get(next)!))
    }
    if (low.get(node) !== index.get(node)) return
    const circle = stack.splice(stack.indexOf(node))
    if (circle.length > 1) found.push(circle.sort())
  }
  for (const node of graph.keys()) if (!index.has(node)) visit(node)
  return found
}

function sourcesBelow(directory: string, extension: string): string[] {
  const all = readdirSync(directory, { recursive: true, encoding: 'utf8' })
  return all.filter((file) => file.endsWith(extension)).map((file) => file.split('\\').join('/'))
}

function isWithin(inner: string, outer: string): boolean {
  return outer === '' || inner.startsWith(`${outer}/`)
}

/** Paths of `use` items, and of expressions that begin with `crate` or `super`. */
function pathsIn(text: string): string[][] {
  const uses = /\buse\s+([^;]+);/g
  const inUses = [...text.matchAll(uses)].flatMap(([, tree]) => expand(tree!))
  const inBody = text.replace(uses, '').matchAll(/\b(?:crate|super)(?:::\w+)+/g)
  return [...inUses, ...[...inBody].map(([path]) => path.split('::'))]
}

/** `a::{b, c::d}` as `a::b` and `a::c::d`. */
function expand(tree: string): string[][] {
  const brace = tree.indexOf('{')
  const parts = (path: string) =>
    path
      .split(/\s+as\s+/)[0]!
      .split('::')
      .map((part) => part.trim())
      .filter((part) => part !== '')
  if (brace < 0) return [parts(tree)]
  const head = parts(tree.slice(0, brace))
  const inner = tree.slice(brace + 1, tree.lastIndexOf('}'))
  const items: string[] = ['']
  let depth = 0
  for (const letter of inner) {
    if (letter === ',' && depth === 0) items.push('')
    else {
      items[items.length - 1] += letter
      depth += letter === '{' ? 1 : letter === '}' ? -1 : 0
    }
  }
  return items
    .filter((item) => item.trim() !== '')
    .flatMap((item) => expand(item).map((path) => [...head, ...path]))
}

/** The module that a path leads to, past re-exports. */
function resolve(
  module: string,
  path: readonly string[],
  texts: ReadonlyMap<string, string>,
): string | undefined {
  const own = module === '' ? [] : module.split('/')
  const rest = [...path]
  let base: string[]
  if (rest[0] === 'crate') {
    rest.shift()
    base = []
  } else if (rest[0] === 'super' || rest[0] === 'self') {
    base = own
    for (; rest[0] === 'super' || rest[0] === 'self'; rest.shift()) {
      if (rest[0] === 'super') base = base.slice(0, -1)
    }
  } else if (texts.has([...own, rest[0]!].join('/'))) {
    base = own
  } else {
    return undefined
  }
  const full = [...base, ...rest]
  let length = full.length
  while (length > 0 && !texts.has(full.slice(0, length).join('/'))) length -= 1
  const target = full.slice(0, length).join('/')
  const item = full[length]
  if (item === undefined || target === module) return target
  const exported = [...texts.get(target)!.matchAll(/\bpub(?:\([^)]*\))?\s+use\s+([^;]+);/g)]
    .flatMap(([, tree]) => expand(tree!))
    .find((one) => one.at(-1) === item && one.length > 1)
  return exported === undefined ? target : (resolve(target, exported, texts) ?? target)
}
