/** Sums over arrays as long as theta, in f64. */

/** Σ aᵢ·bᵢ. */
export function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

/** √Σ aᵢ². */
export function norm(a: Float32Array): number {
  return Math.sqrt(dot(a, a))
}

/** a·b/(‖a‖·‖b‖); 0 where either is zero. */
export function cosine(a: Float32Array, b: Float32Array): number {
  const norms = norm(a) * norm(b)
  return norms > 0 ? dot(a, b) / norms : 0
}
