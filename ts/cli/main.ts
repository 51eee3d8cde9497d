#!/usr/bin/env node
/** The command `outerloop`. Exit codes: 0 done, 2 wrong usage or input, 130 interrupted, 1 anything else. */
import { reportFailure } from './failure.js'
import { surviveOutputFailures } from './output.js'
import { createProgram } from './program.js'

surviveOutputFailures()

const program = createProgram()
try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = reportFailure(error, program.opts<{ verbose?: boolean }>().verbose === true)
}
