import type { Command } from 'commander'

/** Adds `outerloop doctor`. */
export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description(
      'Print what this machine offers and what the engine uses of it: CPU features, threads, native build.',
    )
    .option('--json', 'print a JSON object')
    .action(runDoctor)
}

async function runDoctor(flags: { json?: boolean }): Promise<void> {
  // Only now: a missing native build must not keep `--help` from printing.
  const { doctor } = await import('../native.js')
  const facts = { ...doctor(), node: process.version }
  if (flags.json) {
    process.stdout.write(`${JSON.stringify(facts)}\n`)
    return
  }
  const lines: [string, string][] = [
    ['outerloop', `${facts.version}, native build "${facts.profile}"`],
    ['node', facts.node],
    ['system', `${facts.os} ${facts.arch}`],
    ['cpu', facts.cpuModel],
    ['features', facts.cpuFeatures.join(' ') || 'none that the engine knows'],
    ['engine', `${facts.backend}, best of ${facts.backends.join(', ')} that this CPU can run`],
    ['threads', String(facts.threads)],
  ]
  for (const [title, text] of lines) process.stdout.write(`${title.padEnd(11)}${text}\n`)
}
