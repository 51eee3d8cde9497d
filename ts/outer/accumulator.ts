/** Several gradients averaged for one update. */

/** Gradients waiting for the next update. */
export interface Accumulated {
  sum: Float32Array
  count: number
}

/** Averages every `size` gradients. */
export class GradientAccumulator {
  readonly #size: number
  readonly #sum: Float32Array
  #count: number

  constructor(size: number, thetaLength: number, saved?: Accumulated) {
    this.#size = size
    this.#sum = saved?.sum.slice() ?? new Float32Array(thetaLength)
    this.#count = saved?.count ?? 0
  }

  /** Adds a gradient; returns the mean once there are enough, and starts again. */
  add(grad: Float32Array): Float32Array | undefined {
    if (this.#size === 1) return grad
    for (let i = 0; i < grad.length; i++) this.#sum[i] = this.#sum[i]! + grad[i]!
    this.#count += 1
    if (this.#count < this.#size) return undefined
    const mean = this.#sum.map((sum) => sum / this.#size)
    this.#sum.fill(0)
    this.#count = 0
    return mean
  }

  /** The state, copied. */
  state(): Accumulated {
    return { sum: this.#sum.slice(), count: this.#count }
  }
}
