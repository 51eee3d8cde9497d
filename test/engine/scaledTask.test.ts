/** Scaled parameters through the whole engine. */
import test from 'ava'
import { parseWith } from '../../ts/config/parse.js'
import { taskConfigSchema } from '../../ts/config/taskConfig.js'
import { type CurveJob, loadDatasets, runCurves } from '../../ts/native.js'

// With u = w·s, w ← w − lr·s·∂L(u) is u ← u − lr·s²·∂L(u): SGD at rate lr/s² walks as it does on the plain task at rate lr.
// With a power of two every product is exact, so the walks are the same to the bit.
test('SGD on a task scaled by s at rate lr/s² is SGD on the plain task at rate lr', async (t) => {
  const datasets = await loadDatasets(['mnist8'], [])
  const job = (lr: number, paramScale?: number | number[]): CurveJob => ({
    task: parseWith(taskConfigSchema, { family: 'mlp', dataset: 'mnist8', hidden: [12], paramScale }),
    optimizer: { name: 'sgd', lr },
    seed: 3,
    replica: 0,
    innerSteps: 60,
    evalEvery: 20,
    evalBatches: 2,
    splits: ['train', 'outerValid'],
  })
  const lr = 0.125
  const jobs = [job(lr), job(lr / 64, 8), job(lr * 16, 0.25), job(lr / 64, [8, 8, 8, 8])]
  const [plain, ...scaled] = await runCurves(jobs, [], datasets, { threads: 1 })
  t.is(plain!.status, 'ok')
  const { train } = plain!.losses
  t.true(train!.at(-1)! < 0.9 * train![0]!, 'it learns')
  for (const curve of scaled) t.deepEqual(curve, plain!)
})
