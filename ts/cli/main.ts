#!/usr/bin/env node
/** The command `outerloop`. Exit codes: 0 done, 2 wrong usage or input, 130 interrupted, 1 anything else. */
import { reportFailure } from './failure.js'
import { createProgram } from './program.js'

// A reader that has seen enough, such as `head`, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

const program = createProgram()
try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = reportFailure(error, program.opts<{ verbose?: boolean }>().verbose === true)
}
