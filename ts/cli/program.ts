/** The command line as a tree of commands; one file adds each. */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { addDoctorCommand } from './doctorCommand.js'
import { addEvalCommand } from './evalCommand.js'
import { print, printError } from './output.js'
import { addPresetsCommand } from './presetsCommand.js'
import { addTasksCommand } from './tasksCommand.js'
import { addTrainCommand } from './trainCommand.js'
import { addWeightsCommand } from './weightsCommand.js'

/** Builds the program. Errors of usage are thrown, after their message is on stderr. */
export function createProgram(): Command {
  const program = new Command('outerloop')
    .description('Meta-trains learned optimizers, and measures them against tuned SGD, momentum and Adam.')
    .version(packageVersion(), '--version', 'print the version')
    .option('--verbose', 'print the stack trace of an error')
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 2 wrong usage or input, 130 interrupted (state saved), 1 anything else.',
    )
    .configureOutput({ writeOut: print, writeErr: printError })
    .exitOverride()
  addTrainCommand(program)
  addEvalCommand(program)
  addPresetsCommand(program)
  addTasksCommand(program)
  addWeightsCommand(program)
  addDoctorCommand(program)
  return program
}

function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
