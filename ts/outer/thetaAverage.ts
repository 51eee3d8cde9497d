/** The moving average of theta that is saved and evaluated. */

/**
 * Moves `average` towards `theta` in place: average ← d·average + (1−d)·theta with
 * d = min(decay, (1 + t)/(10 + t)) at the t-th update, so that a short run is not dominated by its start.
 *
 * @param decay - In [0, 1); 0 makes the average equal to theta.
 * @param update - Number of this update, from 1.
 */
export function updateAverage(
  average: Float32Array,
  theta: Float32Array,
  decay: number,
  update: number,
): void {
  const d = Math.min(decay, (1 + update) / (10 + update))
  for (let i = 0; i < theta.length; i++) average[i] = d * average[i]! + (1 - d) * theta[i]!
}
