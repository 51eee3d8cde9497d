/** Runs jobs in this process: one engine holds all workers' pairs. */
import {
  type AdvanceResult,
  type Dataset,
  type PerturbationSum,
  type PerturbationTerm,
  Unroller,
  type UnrollerOptions,
  type UnrollerState,
} from '../native.js'
import type { Job, Transport } from './transport.js'

/** The embedded engine as a transport. */
export class LocalTransport implements Transport {
  readonly #unroller: Unroller

  constructor(options: UnrollerOptions, datasets: Dataset[]) {
    this.#unroller = new Unroller(options, datasets)
  }

  async submit({ theta, plan }: Job, signal?: AbortSignal): Promise<AdvanceResult> {
    return this.#unroller.advance(theta, plan, signal && { signal })
  }

  async sumPerturbations(std: number, terms: PerturbationTerm[]): Promise<PerturbationSum> {
    return this.#unroller.sumPerturbations(std, terms)
  }

  saveState(): UnrollerState {
    return this.#unroller.saveState()
  }

  loadState(state: UnrollerState): void {
    this.#unroller.loadState(state)
  }

  close(): void {
    this.#unroller.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
