/** The same optimizer with longer or shorter steps. */
import type { OptimizerConfig } from './optimizerConfig.js'

/** Multiplies `lr` or `stepMult`; an optimizer that has neither is wrapped in `scaled`. */
export function scaleSteps(optimizer: OptimizerConfig, factor: number): OptimizerConfig {
  if ('lr' in optimizer) return { ...optimizer, lr: optimizer.lr * factor }
  if ('stepMult' in optimizer) return { ...optimizer, stepMult: optimizer.stepMult * factor }
  return { name: 'scaled', inner: optimizer, factor, tensors: [], mupBaseWidth: null }
}
