/** Which files of a run are kept. */
import { spawnSync } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { train } from '../../ts/outer/train.js'
import { loadTheta } from '../../ts/weights/thetaFile.js'
import { tinyEvaluation, tinyRun } from '../engine/tiny.js'
import { temporaryDirectory } from '../program.js'

async function checkpoints(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name.startsWith('checkpoint-')).sort()
}

test('the best theta is that of the outer step with the lowest held-out loss', async (t) => {
  // A learning rate so large that theta gets worse, so that the best is not the last.
  const config = tinyRun({
    outerSteps: 12,
    evaluation: tinyEvaluation,
    outerOptimizer: { lr: 0.3 },
    thetaAverage: 0,
  })
  const out = await temporaryDirectory(t)
  const { best, records } = await train(config, { out })
  const measured = records.filter(({ heldOutLoss }) => heldOutLoss !== undefined)
  t.deepEqual(
    measured.map(({ outerStep }) => outerStep),
    [2, 4, 6, 8, 10, 12],
  )
  const lowest = measured.reduce((a, b) => (b.heldOutLoss! < a.heldOutLoss! ? b : a))
  t.is(best?.outerStep, lowest.outerStep)
  t.is(best?.heldOutLoss, lowest.heldOutLoss!)
  t.true(lowest.outerStep < 12, 'the last must not be the best')
  const { theta, metadata } = await loadTheta(join(out, 'theta-best.safetensors'))
  t.is(metadata.outerSteps, String(lowest.outerStep))
  t.is(metadata.heldOutLoss, String(lowest.heldOutLoss))
  // The same run, stopped there.
  const stopped = await train(config, { maxInnerSteps: lowest.innerSteps })
  t.is(stopped.outerStepsDone, lowest.outerStep)
  t.deepEqual(theta, stopped.theta)
  t.deepEqual(best?.theta, stopped.theta)
  t.is((await loadTheta(join(out, 'theta.safetensors'))).metadata.heldOutLoss, undefined)
})

test('a checkpoint that was passed over as damaged does not push out a good one', async (t) => {
  const out = await temporaryDirectory(t)
  const { theta } = await train(tinyRun(), { out })
  const names = await checkpoints(out)
  t.deepEqual(
    names.map((name) => Number(/\d+/.exec(name)?.[0])),
    [4, 6],
  )
  await writeFile(join(out, names[1]!), 'damaged')
  // One outer step, then its checkpoint: 5, older than 6.
  const one = await train(undefined, { resume: out, timeBudgetSeconds: 1e-6 })
  t.is(one.outerStepsDone, 5)
  t.deepEqual(await checkpoints(out), [names[0]!, names[0]!.replace('4', '5'), names[1]!])
  const notes: string[] = []
  const end = await train(undefined, { resume: out, onNote: (note) => notes.push(note) })
  t.true(notes[0]!.includes('Using checkpoint-00000005'), notes[0])
  t.deepEqual(end.theta, theta)
  t.deepEqual(await checkpoints(out), [names[0]!.replace('4', '5'), names[1]!])
})

test('a checkpoint that a killed process did not come to delete is deleted, also at the end of a run', async (t) => {
  const out = await temporaryDirectory(t)
  await train(tinyRun(), { out })
  const names = await checkpoints(out)
  await writeFile(join(out, names[0]!.replace('4', '2')), 'an old one')
  await train(undefined, { resume: out })
  t.deepEqual(await checkpoints(out), names)
})

test('temporary files of killed writers are deleted, those of living ones are not', async (t) => {
  const out = await temporaryDirectory(t)
  const dead = spawnSync(process.execPath, ['--version']).pid
  // Our own: a restarted container has the process id of the one before.
  const names = [dead, process.pid, process.ppid].map((pid) => `.theta.safetensors.${pid}.tmp`)
  const leave = () => Promise.all([...names, '.hidden.tmp'].map((name) => writeFile(join(out, name), 'half')))
  const left = async () => (await readdir(out)).filter((name) => name.startsWith('.')).sort()
  await leave()
  await train(tinyRun({ outerSteps: 1 }), { out })
  t.deepEqual(await left(), [names[2]!, '.hidden.tmp', '.lock'].sort())
  await leave()
  await train(undefined, { resume: out })
  t.deepEqual(await left(), [names[2]!, '.hidden.tmp', '.lock'].sort())
  t.is(await readFile(join(out, '.hidden.tmp'), 'utf8'), 'half')
})
