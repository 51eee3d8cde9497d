/** The gradient sources by config. */
import type { AsynchronousConfig } from '../config/trainConfig.js'
import type { PopulationConfig } from '../es/population.js'
import type { Transport } from '../transport/transport.js'
import { AsynchronousSource } from './asynchronousSource.js'
import type { GradientSource } from './gradientSource.js'
import { SynchronousSource } from './synchronousSource.js'

/** The source that a config names. `saved`: what its `state` gave. */
export function createGradientSource(
  config: PopulationConfig & { asynchronous?: AsynchronousConfig | undefined },
  transport: Transport,
  saved?: unknown,
): GradientSource {
  return config.asynchronous === undefined
    ? new SynchronousSource(config, transport, saved)
    : new AsynchronousSource(config, config.asynchronous, transport, saved)
}
