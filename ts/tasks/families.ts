/** The distributions of tasks that particles are dealt to. */
import type { SingleMixture, TaskMixture } from '../config/taskMixture.js'

/** One distribution, and its share in the gradient. */
export interface TaskFamily {
  name: string
  /** Its weight, as a share of all weights. */
  share: number
  tasks: SingleMixture
}

/** The families of a mixture; a mixture without families is one. */
export function taskFamilies(mixture: TaskMixture): TaskFamily[] {
  if (!('families' in mixture)) return [{ name: 'all', share: 1, tasks: mixture }]
  const total = mixture.families.reduce((sum, { weight }) => sum + weight, 0)
  return mixture.families.map(({ name, weight, tasks }) => ({ name, share: weight / total, tasks }))
}
