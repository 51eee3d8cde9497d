/** TensorBoard's own reader in Python: of the environment's `OUTERLOOP_PYTHON`, else `python3`. */
import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'

const python = process.env.OUTERLOOP_PYTHON || 'python3'

// JSON has no NaN and no infinity: values travel as text.
const script = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0}).Reload()
value = lambda number: repr(number).replace("inf", "Infinity").replace("nan", "NaN")
print(json.dumps({
    tag: [[e.step, value(e.value), e.wall_time] for e in events.Scalars(tag)]
    for tag in events.Tags()["scalars"]
}))
`

/** Why TensorBoard cannot be asked here, if so. */
export function tensorBoardIsAbsent(): string | undefined {
  const { error, status } = spawnSync(python, ['-c', 'import tensorboard'], { stdio: 'ignore' })
  if (error) return `there is no ${python}; OUTERLOOP_PYTHON may name another`
  return status === 0 ? undefined : `${python} has no package tensorboard; OUTERLOOP_PYTHON may name another`
}

/** Step, value and wall time of every scalar in a directory of event files, by tag, as TensorBoard shows them. */
export async function scalarsOfTensorBoard(
  directory: string,
): Promise<Record<string, [step: number, value: number, wallTime: number][]>> {
  const { stdout } = await promisify(execFile)(python, ['-c', script, directory])
  const read = JSON.parse(stdout) as Record<string, [number, string, number][]>
  return Object.fromEntries(
    Object.entries(read).map(([tag, points]) => [
      tag,
      points.map(([step, value, wallTime]) => [step, Number(value), wallTime]),
    ]),
  )
}
