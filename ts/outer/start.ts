/** The first theta: the best of several random ones, or that of a file. */
import type { TrainConfig } from '../config/trainConfig.js'
import { OuterloopError } from '../errors.js'
import {
  type CurveJob,
  type Dataset,
  initTheta,
  type JobOptions,
  numElements,
  runCurves,
  thetaLayout,
} from '../native.js'
import { taskFamilies } from '../tasks/families.js'
import { Key, purposes } from '../tasks/key.js'
import { taskStreams } from '../tasks/streams.js'
import { sampleTask } from '../tasks/taskSampler.js'
import { loadWeights } from '../weights/weightFile.js'

/** Tasks that every candidate is judged on. */
const NUM_TASKS = 8

/** The chosen theta and what it cost. */
export interface Start {
  theta: Float32Array
  /** Mean normalised train loss of its unrolls. */
  meanLoss: number
  innerSteps: number
}

/** What the choice of a start depends on. */
type StartConfig = Pick<TrainConfig, 'seed' | 'tasks' | 'optimizer' | 'start' | 'maxMemoryBytes'>

/**
 * Draws `start.candidates` thetas and keeps the one with the lowest mean train loss over unrolls of
 * `start.innerSteps` inner steps on eight tasks, the same for all. A theta from a file is the only candidate.
 *
 * @throws {OuterloopError} `CHECKPOINT_INVALID` if the file is unusable, or of an optimizer with other leaves;
 *  `INVALID_OPTION` if it needs `start.decayOffsets` and they are not given, or the other way round.
 */
export async function chooseStart(
  config: StartConfig,
  datasets: Dataset[],
  options: JobOptions,
): Promise<Start> {
  const { innerSteps } = config.start
  const key = new Key(config.seed, purposes.taskSample).fold(taskStreams.start)
  const families = taskFamilies(config.tasks)
  const tasks = Array.from({ length: NUM_TASKS }, (_, i) =>
    sampleTask(families[i % families.length]!.tasks, key.fold(i)),
  )
  const thetas = await candidateThetas(config)
  const jobs: CurveJob[] = thetas.flatMap((_, theta) =>
    tasks.map((task, replica) => ({
      task,
      optimizer: config.optimizer,
      theta,
      seed: config.seed,
      replica,
      innerSteps,
      evalEvery: innerSteps,
      evalBatches: 1,
      splits: [],
    })),
  )
  const curves = await runCurves(jobs, thetas, datasets, options)
  const losses = thetas.map((_, c) => {
    const own = curves.slice(c * NUM_TASKS, (c + 1) * NUM_TASKS)
    return own.reduce((sum, { meanTrainLoss }) => sum + meanTrainLoss, 0) / NUM_TASKS
  })
  // A loss that is not finite (tasks without a clipping normaliser) never wins, unless all are.
  const best = losses.reduce((a, loss, c) => (loss < losses[a]! || !Number.isFinite(losses[a]) ? c : a), 0)
  return { theta: thetas[best]!, meanLoss: losses[best]!, innerSteps: jobs.length * innerSteps }
}

async function candidateThetas(config: StartConfig): Promise<Float32Array[]> {
  const { optimizer, seed, start, maxMemoryBytes } = config
  if (start.theta === undefined) {
    const length = thetaLayout(optimizer).reduce((sum, leaf) => sum + numElements(leaf), 0)
    const wanted = 4 * length * start.candidates
    if (wanted > maxMemoryBytes) {
      const message = `expected ${start.candidates} candidates of ${length} weights to take at most ${maxMemoryBytes} bytes of memory (\`maxMemoryBytes\`), got ${wanted}`
      throw new OuterloopError('INVALID_OPTION', message)
    }
    return Array.from({ length: start.candidates }, (_, i) => initTheta(optimizer, seed, i))
  }
  // The config comes before what the file says; the file must hold the leaves of its optimizer.
  const { theta, decayOffsets } = start
  return [(await loadWeights(theta, { optimizer, ...(decayOffsets && { decayOffsets }) })).theta]
}
