/**
 * The schemas of task and optimizer configs against fixtures written by hand. The core tests its own schemas on the
 * same files, so that what TypeScript lets through is what Rust understands.
 */
import { readdirSync, readFileSync } from 'node:fs'
import test from 'ava'
import type { z } from 'zod'
import { optimizerConfigSchema } from '../ts/config/optimizerConfig.js'
import { parseWith } from '../ts/config/parse.js'
import { taskConfigSchema } from '../ts/config/taskConfig.js'

interface Fixture {
  valid: { what: string; input: unknown; complete: unknown }[]
  invalid: { why: string; input: unknown }[]
}

const directory = new URL('fixtures/optimizer-configs/', import.meta.url)
const schemas: Record<string, z.ZodType> = { 'task-configs.json': taskConfigSchema }
for (const file of readdirSync(directory)) schemas[`optimizer-configs/${file}`] = optimizerConfigSchema

for (const [file, schema] of Object.entries(schemas)) {
  const text = readFileSync(new URL(`fixtures/${file}`, import.meta.url), 'utf8')
  const fixture = JSON.parse(text) as Fixture

  for (const { what, input, complete } of fixture.valid) {
    test(`${file} accepts ${what}`, (t) => {
      t.deepEqual(parseWith(schema, input), complete)
      t.deepEqual(parseWith(schema, complete), complete)
    })
  }

  for (const { why, input } of fixture.invalid) {
    test(`${file} refuses ${why}`, (t) => {
      t.throws(() => parseWith(schema, input), { code: 'INVALID_OPTION' })
    })
  }
}
