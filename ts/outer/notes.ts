/** What a person should know of a run. */
export class Notes {
  /** All of them, as they came. */
  readonly messages: string[] = []
  readonly #onNote: ((message: string) => unknown) | undefined
  #told: Promise<unknown> = Promise.resolve()

  /** @param onNote - The caller's function, told of each. */
  constructor(onNote: ((message: string) => unknown) | undefined) {
    this.#onNote = onNote
  }

  /** Keeps a note and tells it. */
  readonly tell = (message: string): void => {
    this.messages.push(message)
    this.#told = Promise.all([this.#told, this.#onNote?.(message)])
    // Reported by `settled`; until then it is no unhandled rejection.
    this.#told.catch(() => undefined)
  }

  /** Waits for the caller's function, if it is asynchronous, and throws what that has thrown. */
  async settled(): Promise<void> {
    await this.#told
  }
}
