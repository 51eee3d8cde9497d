/** When to try again what has failed. */

const FIRST_WAIT_MS = 1000
const LONGEST_WAIT_MS = 60_000

/** A wait after every failure, twice as long each time. */
export class Backoff {
  #waitMs = 0
  #endsAt = 0

  /** Whether the wait is not over yet. */
  get isWaiting(): boolean {
    return performance.now() < this.#endsAt
  }

  /** Begins the next wait. */
  failed(): void {
    this.#waitMs = Math.min(LONGEST_WAIT_MS, Math.max(FIRST_WAIT_MS, 2 * this.#waitMs))
    this.#endsAt = performance.now() + this.#waitMs
  }

  /** Ends the wait; the next failure begins with the shortest again. */
  succeeded(): void {
    this.#waitMs = 0
    this.#endsAt = 0
  }
}
