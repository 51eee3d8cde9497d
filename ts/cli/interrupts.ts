/** What Ctrl-C and a service manager's stop mean to a command. */
export interface Interrupts extends Disposable {
  /** Fires at the first SIGINT or SIGTERM: finish what is begun, save, return. */
  readonly stopSignal: AbortSignal
  /** Fires at the second: give up now. */
  readonly abortSignal: AbortSignal
}

/**
 * Listens for SIGINT and SIGTERM until disposed.
 *
 * @param onStop - Called at the first, to tell the user what happens.
 */
export function listenForInterrupts(onStop: () => void): Interrupts {
  const stop = new AbortController()
  const abort = new AbortController()
  const onSignal = () => {
    if (stop.signal.aborted) {
      abort.abort()
    } else {
      stop.abort()
      onStop()
    }
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return {
    stopSignal: stop.signal,
    abortSignal: abort.signal,
    [Symbol.dispose]() {
      process.off('SIGINT', onSignal)
      process.off('SIGTERM', onSignal)
    },
  }
}
