/** Progress of a long command: a bar with rate and ETA on a terminal, a plain line every few seconds elsewhere. */
import { SingleBar } from 'cli-progress'
import { printableName } from '../printable.js'
import { printError } from './output.js'
import { formatDuration } from './quantities.js'

/** Time between two plain lines. */
const LINE_INTERVAL_MS = 5000

/** Shows how far a command is. */
export interface Progress {
  /** @param done - Units done; `facts` - what else to show, such as rate and loss. */
  update(done: number, facts: string): void
  /** Writes a line of its own to stderr. */
  note(message: string): void
  /** Ends the display; the stream is then free for other text. */
  stop(): void
}

/** What is counted. */
export interface ProgressOptions {
  /** Units in all. */
  total: number
  /** Plural name of the unit, such as `outer steps`. */
  unit: string
  /** Units done before the start: they do not count in the rate. Default 0. */
  from?: number
}

/** Starts a display on `stream`, in the form that suits it. */
export function startProgress(stream: NodeJS.WriteStream, options: ProgressOptions): Progress {
  return stream.isTTY ? startBar(stream, options) : startLines(stream, options)
}

function startBar(stream: NodeJS.WriteStream, { total, unit, from = 0 }: ProgressOptions): Progress {
  const bar = new SingleBar({
    stream,
    format: `{bar} {value}/{total} ${unit}  {facts}`,
    barsize: 24,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    hideCursor: true,
    // Ctrl-C is the command's business.
    gracefulExit: false,
  })
  const eta = createEta(total, from)
  bar.start(total, from, { facts: '' })
  return {
    update: (done, facts) => bar.update(done, { facts: `${printableName(facts)}  ${eta(done)}` }),
    note: (message) => {
      stream.write('\r\u001b[K')
      printError(`${message}\n`)
    },
    stop: () => bar.stop(),
  }
}

function startLines(stream: NodeJS.WriteStream, { total, unit, from = 0 }: ProgressOptions): Progress {
  const eta = createEta(total, from)
  let lastLine = Number.NEGATIVE_INFINITY
  let unwritten: string | undefined
  const write = (line: string) => {
    stream.write(line)
    lastLine = performance.now()
    unwritten = undefined
  }
  return {
    update(done, facts) {
      const line = `${done}/${total} ${unit}  ${printableName(facts)}  ${eta(done)}\n`
      if (performance.now() - lastLine >= LINE_INTERVAL_MS) write(line)
      else unwritten = line
    },
    note: (message) => printError(`${message}\n`),
    stop: () => unwritten !== undefined && write(unwritten),
  }
}

/** Tells the time left, from the mean speed so far. */
function createEta(total: number, from: number): (done: number) => string {
  const start = performance.now()
  return (done) => {
    const seconds = (performance.now() - start) / 1000
    if (done >= total) return `took ${formatDuration(seconds)}`
    return done <= from ? 'ETA –' : `ETA ${formatDuration((seconds / (done - from)) * (total - done))}`
  }
}
