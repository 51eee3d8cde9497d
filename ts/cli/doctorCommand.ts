import type { Command } from 'commander'
import type { CpuName } from '../config/fields.js'
import { cpuHelp } from './optionValues.js'
import { print } from './output.js'

/** Adds `outerloop doctor`. */
export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description(
      'Print what this machine offers and what the engine uses of it: CPU features, threads, native build.',
    )
    .option('--cpu <name>', `${cpuHelp} (default: auto)`)
    .option('--json', 'print a JSON object')
    .action(runDoctor)
}

async function runDoctor(flags: { cpu?: CpuName; json?: boolean }): Promise<void> {
  // Only now: a missing native build must not keep `--help` from printing.
  const { doctor } = await import('../native.js')
  const { cpu } = flags
  const facts = { ...doctor(cpu === undefined ? {} : { cpu }), node: process.version }
  if (flags.json) {
    print(`${JSON.stringify(facts)}\n`)
    return
  }
  const lines: [string, string][] = [
    ['outerloop', `${facts.version}, native build "${facts.profile}"`],
    ['node', facts.node],
    ['system', `${facts.os} ${facts.arch}`],
    ['cpu', facts.cpuModel],
    ['features', facts.cpuFeatures.join(' ') || 'none that the engine knows'],
    ['engine', `${facts.backend}; this machine can run ${facts.backends.join(', ')}`],
    ['threads', String(facts.threads)],
  ]
  for (const [title, text] of lines) print(`${title.padEnd(11)}${text}\n`)
}
