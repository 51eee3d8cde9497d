/**
 * Meta-trains preset `quick` and measures the result: npx tsx scripts/quickstart.ts (after npm run build)
 *
 * Options: --outer-steps N, --seed N, --threads N and --cpu NAME as for `outerloop train`; --tasks N, --seeds N and
 * --inner-steps LIST as for `outerloop eval`; --out DIR (default runs/quickstart). A run that is in DIR already is
 * continued, or evaluated if it is finished.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    'outer-steps': { type: 'string' },
    seed: { type: 'string' },
    threads: { type: 'string' },
    cpu: { type: 'string' },
    tasks: { type: 'string' },
    seeds: { type: 'string' },
    'inner-steps': { type: 'string' },
    out: { type: 'string', default: join('runs', 'quickstart') },
  },
})

type Name = keyof typeof values

/** The flags that were given, of those that a command takes. */
function given(names: Name[]): string[] {
  return names.flatMap((name) => (values[name] === undefined ? [] : [`--${name}`, values[name]]))
}

/** Runs the command line as a user would; ends this script with the same exit code if it fails. */
function outerloop(...args: string[]): void {
  console.log(`\n$ outerloop ${args.join(' ')}`)
  const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
  const { status } = spawnSync(process.execPath, [main, ...args], { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

// Ctrl-C goes to the whole group: the child saves its state, and its exit code ends this script.
process.on('SIGINT', () => {})

const { out } = values
if (existsSync(join(out, 'config.json'))) {
  console.log(`${out} holds a run: continuing it. Delete the directory to train anew.`)
  outerloop('train', '--resume', out)
} else {
  outerloop('train', '--preset', 'quick', '--out', out, ...given(['outer-steps', 'seed', 'threads', 'cpu']))
}
outerloop(
  'eval',
  join(out, 'theta.safetensors'),
  '--out',
  out,
  ...given(['tasks', 'seeds', 'inner-steps', 'threads', 'cpu']),
)
