/** Sub-streams of the purpose `taskSample`, so that no two uses share words. */
export const taskStreams = {
  /** Which task a particle gets; then particle, episode. */
  tasks: 0,
  /** How long an inner problem lasts; then particle, episode. */
  lengths: 1,
  /** How long a truncation lasts; then outer step. */
  truncations: 2,
  /** The tasks that candidate starts are judged on; then task. */
  start: 3,
} as const
