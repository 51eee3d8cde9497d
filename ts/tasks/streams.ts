/** Sub-streams of the purpose `taskSample`, so that no two uses share words. */
export const taskStreams = {
  /** Which task a particle gets; then particle, episode. */
  tasks: 0,
  /** How long an inner problem lasts; then particle, episode. */
  lengths: 1,
  /** How long a truncation lasts; then truncation and, but for the first worker's, first particle. */
  truncations: 2,
  /** The tasks that candidate starts are judged on; then task. */
  start: 3,
  /** How far the first problem of a particle is begun; then particle. */
  offsets: 4,
  /** How long truncations take in a simulation of several workers; then worker, truncation. */
  durations: 5,
} as const
