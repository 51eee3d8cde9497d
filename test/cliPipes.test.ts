/**
 * Readers that go away, and a stdout that cannot be written. No command hangs or shows a stack, its work is done, and its exit
 * code is one of those that `--help` names.
 */
import { closeSync, existsSync, openSync } from 'node:fs'
import { mkdir, readdir, readlink, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { tinyRun, tinyTask } from './engine/tiny.js'
import { type Outcome, outerloop, releasedCelo, startWith, temporaryDirectory } from './program.js'

const full = '/dev/full'
const isFullThere = existsSync(full)

type Stream = 'stdout' | 'stderr'

/** Runs the program with these streams closed by their reader, before it has begun or after what it says first. */
function closed(streams: Stream[], when: 'at once' | 'later', args: string[]): Promise<Outcome> {
  const { child, finished } = startWith(['pipe', 'pipe'], args)
  for (const name of streams) {
    const stream = child[name]!
    if (when === 'at once') stream.destroy()
    else stream.once('data', () => stream.destroy())
  }
  return finished
}

/** Runs the program with these streams on a disk that is full. */
async function onFullDisk(streams: Stream[], args: string[]): Promise<Outcome> {
  const descriptor = openSync(full, 'w')
  const place = (name: Stream) => (streams.includes(name) ? descriptor : 'pipe')
  const run = startWith([place('stdout'), place('stderr')], args)
  closeSync(descriptor)
  return run.finished
}

function fullTest(title: string, body: (t: ExecutionContext) => Promise<void>) {
  if (isFullThere) test.serial(title, body)
  else test.skip(`${title} (skipped: no ${full} here)`, body)
}

/** What a command says when its output is lost: one line, which names the stream. */
const lost = /^outerloop: expected stdout to be writable, got a full disk \(ENOSPC\)\n$/

const printers: string[][] = [
  ['--help'],
  ['--version'],
  ['train', '--help'],
  ['presets', 'list'],
  ['presets', 'show', 'quick'],
  ['tasks', 'list'],
  ['tasks', 'show', 'mlp-64-32-10'],
  ['tasks', 'sample', '--count', '3'],
  ['doctor'],
  ['weights', 'inspect', releasedCelo],
]

for (const args of printers) {
  const name = args.slice(0, 2).join(' ')
  test.serial(
    `${name}: a reader that is gone is no failure, a full disk is one line and exit code 1`,
    async (t) => {
      const unread = closed(['stdout', 'stderr'], 'at once', args)
      if (isFullThere) {
        const { code, stderr } = await onFullDisk(['stdout'], args)
        t.is(code, 1)
        t.regex(stderr, lost)
      } else t.log(`no ${full} here`)
      t.is((await unread).code, 0)
    },
  )
}

test.serial('wrong usage and wrong input are exit code 2 without a reader too', async (t) => {
  t.is((await closed(['stdout', 'stderr'], 'at once', ['trian'])).code, 2)
  t.is((await closed(['stderr'], 'at once', ['eval', 'no.safetensors'])).code, 2)
})

const evaluation = ['eval', '--optimizer', '{"name":"adam","lr":0.01}', '--tasks', '1', '--seeds', '1']
const evalArgs = [...evaluation, '--inner-steps', '25', '--threads', '1']
const isScored = (text: string) => /^adam .*\.\d{3}/m.test(text)

test.serial('eval: scores are printed when nobody reads the progress', async (t) => {
  for (const when of ['at once', 'later'] as const) {
    const { code, stdout } = await closed(['stderr'], when, evalArgs)
    t.is(code, 0, when)
    t.true(isScored(stdout), when)
  }
})

test.serial('eval: scores that reach nobody are a failure, unless --out has them', async (t) => {
  const out = join(await temporaryDirectory(t), 'scores')
  const { code, stderr } = await closed(['stdout'], 'at once', evalArgs)
  t.is(code, 1)
  t.regex(stderr, /\nouterloop: expected stdout to be writable, got a pipe without a reader\n$/)
  t.is((await closed(['stdout', 'stderr'], 'at once', [...evalArgs, '--out', out])).code, 0)
  t.deepEqual((await readdir(out)).sort(), [
    'evaluation.json',
    'learning-curves.svg',
    'report.html',
    'scores.svg',
  ])
})

fullTest(
  'eval: a full disk under the progress costs nothing, under the scores it is exit code 1',
  async (t) => {
    const progress = await onFullDisk(['stderr'], evalArgs)
    t.is(progress.code, 0)
    t.true(isScored(progress.stdout))
    const scores = await onFullDisk(['stdout'], evalArgs)
    t.is(scores.code, 1)
    t.is(scores.stderr.match(/outerloop: /g)?.length, 1, scores.stderr)
  },
)

test.serial('eval: scores are printed when --cache and --out cannot be written', async (t) => {
  const directory = await temporaryDirectory(t)
  const file = join(directory, 'file')
  await writeFile(file, '')
  const cached = await outerloop(...evalArgs, '--cache', join(file, 'cache'))
  t.is(cached.code, 0, cached.stderr)
  t.true(isScored(cached.stdout))
  t.regex(cached.stderr, /The baselines are not kept: expected .* to be writable/)
  // It is there when the work begins, and full of what is no file at the end.
  await mkdir(join(directory, 'out', 'evaluation.json'), { recursive: true })
  const kept = await outerloop(...evalArgs, '--out', join(directory, 'out'))
  t.is(kept.code, 1)
  t.true(isScored(kept.stdout))
  t.regex(kept.stderr, /\nouterloop: expected .*evaluation\.json to be a file, got a directory\n$/)
  const refused = await outerloop(...evalArgs, '--out', join(file, 'out'))
  t.is(refused.code, 1)
  t.regex(refused.stderr, /^outerloop: expected .* to be writable, got .*\(ENOTDIR\)\n$/)
})

/** Arguments of a training of three outer steps, and the file it must leave. */
async function training(t: ExecutionContext): Promise<{ args: string[]; theta: string }> {
  const directory = await temporaryDirectory(t)
  const [config, out] = [join(directory, 'config.json'), join(directory, 'run')]
  await writeFile(
    config,
    JSON.stringify(tinyRun({ outerSteps: 3, tasks: { tasks: [{ config: tinyTask }] } })),
  )
  return { args: ['train', '--config', config, '--out', out], theta: join(out, 'theta.safetensors') }
}

for (const when of ['at once', 'later'] as const) {
  test.serial(`train: readers that are gone ${when} end nothing`, async (t) => {
    const { args, theta } = await training(t)
    t.is((await closed(['stdout', 'stderr'], when, args)).code, 0)
    t.true(existsSync(theta))
  })
}

fullTest('train: on a full disk it goes on, and says in one line that its output is lost', async (t) => {
  const { args, theta } = await training(t)
  const { code, stderr } = await onFullDisk(['stdout'], args)
  t.is(code, 1)
  t.regex(stderr, lost)
  t.true(existsSync(theta))
})

test.serial(
  'weights convert: the file is written whether or not anybody reads what is said of it',
  async (t) => {
    const to = join(await temporaryDirectory(t), 'celo.safetensors')
    const args = ['weights', 'convert', releasedCelo, to, '--optimizer', '{"phase":2}']
    t.is((await closed(['stdout', 'stderr'], 'at once', args)).code, 0)
    t.true(existsSync(to))
  },
)

test.serial(
  'weights convert: a link to a device, as /dev/stdout is one, is not replaced by a file',
  async (t) => {
    // The link, and not the device: what goes wrong here must not cost this machine a device.
    const link = join(await temporaryDirectory(t), 'link')
    await symlink('/dev/null', link)
    const args = ['weights', 'convert', releasedCelo, link, '--to', 'flax', '--optimizer', '{"phase":2}']
    const { code, stderr } = await outerloop(...args)
    t.is(code, 1)
    t.is(stderr, `outerloop: expected ${link} to be a file, got a device\n`)
    t.is(await readlink(link), '/dev/null')
  },
)

test.serial('names with control characters are escaped in what is said of them', async (t) => {
  const name = 'no\u001b[2J\u009b2J'
  const shown = 'no\\u001b[2J\\u009b2J'
  for (const args of [[name], ['train', '--config', name], ['eval', name, '--verbose']]) {
    const { code, stderr } = await outerloop(...args)
    t.is(code, 2)
    t.true(stderr.includes(shown), stderr)
    t.notRegex(stderr, /[^\P{Cc}\n]/u)
  }
})
