/** Names of the presets, which a train config may be laid over. */

/** Names of the presets: the phases of the recipes. */
export const presetNames = Object.freeze([
  'quick',
  'broad',
  'paper2020',
  'paper2020-2',
  'paper2020-2-pes',
  'velo',
  'velo-2',
  'velo-3',
  'velo-4',
  'celo',
  'celo-2',
  'celo2',
  'celo2-base',
] as const)

/** Name of a preset. */
export type PresetName = (typeof presetNames)[number]
