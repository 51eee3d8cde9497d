/**
 * A run on a disk that it fills itself: tsx diskFullRun.ts DIRECTORY CONFIG FREED_AT
 *
 * A program of its own, for nobody else sees its disk. It prints a `Told` as JSON.
 */
import { appendFileSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type TrainResult, train } from '../../ts/outer/train.js'
import { UnsavedRunError } from '../../ts/outer/unsavedRunError.js'
import { events } from './eventFile.js'

/** What there is to tell of the run. */
export interface Told {
  notes: string[]
  /** Why the run was not saved, if so. */
  error?: { code: string; message: string }
  theta: number[]
  names: string[]
  metrics: string
  /** The metrics while the disk was full. */
  metricsWhenFull: string
  /** Steps of all event files that are not torn. */
  eventSteps: number[]
}

const [directory, config, freedAt] = process.argv.slice(2) as [string, string, string]
const filler = join(directory, 'filler')
const text = (name: string) => readFileSync(join(directory, name), 'utf8')
let metricsWhenFull = ''
const notes: string[] = []

/** Block by block, until there is none left. */
function fillDisk(): void {
  try {
    for (;;) appendFileSync(filler, Buffer.alloc(4096))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
}

function onStep({ outerStep }: { outerStep: number }): void {
  if (outerStep === 3) fillDisk()
  if (outerStep === 12) metricsWhenFull = text('metrics.jsonl')
  if (outerStep === Number(freedAt)) rmSync(filler)
}

let error: UnsavedRunError | undefined
let result: TrainResult
try {
  result = await train(JSON.parse(config), { out: directory, onNote: (note) => notes.push(note), onStep })
} catch (failure) {
  if (!(failure instanceof UnsavedRunError)) throw failure
  error = failure
  result = failure.result
}
const told: Told = {
  notes,
  ...(error && { error: { code: error.code, message: error.message } }),
  theta: [...result.theta],
  names: readdirSync(directory).sort(),
  metrics: text('metrics.jsonl'),
  metricsWhenFull,
  eventSteps: error === undefined ? eventSteps() : [],
}
process.stdout.write(JSON.stringify(told))

function eventSteps(): number[] {
  const place = join(directory, 'tensorboard')
  return readdirSync(place)
    .sort()
    .flatMap((name) => events(readFileSync(join(place, name))))
    .flatMap(({ step, scalars }) => (scalars === undefined ? [] : [step]))
}
