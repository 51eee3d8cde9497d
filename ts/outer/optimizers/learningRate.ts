/** Learning rates of outer optimizers over the outer steps. */
import type { OuterOptimizerConfig } from '../../config/outerOptimizerConfig.js'

/** A learning rate and its schedule. */
export type LearningRateConfig = Pick<
  OuterOptimizerConfig & { name: 'adam' },
  'lr' | 'schedule' | 'warmupOuterSteps' | 'warmup'
>

/**
 * Learning rate of outer step `outerStep` of `outerSteps`.
 *
 * A linear warm-up has lr·(outerStep + 1)/warmupOuterSteps, so that no step is of rate 0 (optax starts at 0). The cosine is
 * rounded to nine digits, so that machines whose cosine differs in the last bit agree.
 */
export function learningRateAt(
  { lr, schedule, warmupOuterSteps, warmup }: LearningRateConfig,
  outerStep: number,
  outerSteps: number,
): number {
  if (outerStep < warmupOuterSteps) return warmup === 'zero' ? 0 : (lr * (outerStep + 1)) / warmupOuterSteps
  if (schedule.kind === 'constant') return lr
  const progress = (outerStep - warmupOuterSteps) / Math.max(1, outerSteps - warmupOuterSteps)
  const half = (1 + Math.cos(Math.PI * Math.min(1, progress))) / 2
  return Number((lr * (schedule.finalFraction + (1 - schedule.finalFraction) * half)).toPrecision(9))
}
