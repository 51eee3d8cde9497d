/** A config in which options with defaults may be left out. */
export type WithDefaults<Config, Optional extends keyof Config> = Omit<Config, Optional> & {
  [Key in Optional]?: Config[Key] | undefined
}
