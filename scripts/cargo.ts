/**
 * Runs cargo in the profile and for the target that `napi build` uses, so that all of them share one build:
 * npx tsx scripts/cargo.ts test|clippy|bench|doc ARGUMENTS
 */
import { spawnSync } from 'node:child_process'

const [command = 'build', ...rest] = process.argv.slice(2)
const described = spawnSync('rustc', ['-vV'], { encoding: 'utf8' })
const host = /^host: (.*)$/m.exec(described.stdout ?? '')?.[1]
if (host === undefined) {
  console.error('scripts/cargo.ts: expected `rustc -vV` to name its host: is Rust (stable) installed?')
  process.exit(1)
}
const env = command === 'doc' ? { ...process.env, RUSTDOCFLAGS: '-D warnings' } : process.env
const { status } = spawnSync('cargo', [command, '--profile', 'ci', '--target', host, ...rest], {
  stdio: 'inherit',
  env,
})
process.exit(status ?? 1)
