//! Gradients held to ± a bound, element by element.

use super::runs::{SHARE, SHARED};
use crate::simd::{Kernel, LANES, LaneSum, Simd, Workers};

/// Clips gradients to ±`bound` in place and returns Σg²: for large tensors the sum of chunks.
pub(crate) fn clip(workers: Workers<'_>, grads: &mut [f32], bound: f32) -> f32 {
    let cpu = workers.cpu();
    if grads.len() < SHARED {
        return cpu.run(Clip { grads, bound });
    }
    let mut chunks: Vec<_> = grads.chunks_mut(SHARE).map(|grads| (grads, 0.0)).collect();
    workers.each_mut(&mut chunks, |_, (grads, sum)| *sum = cpu.run(Clip { grads, bound }));
    chunks.iter().map(|(_, sum)| f64::from(*sum)).sum::<f64>() as f32
}

/// Clips gradients to ±`bound` in place and returns Σg².
struct Clip<'a> {
    grads: &'a mut [f32],
    bound: f32,
}

impl Kernel for Clip<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let mut sum = LaneSum::zero(s);
        for group in self.grads.chunks_exact_mut(LANES) {
            for half in 0..LANES / S::WIDTH {
                // SAFETY: `half * WIDTH + WIDTH <= LANES`.
                unsafe {
                    let p = group.as_mut_ptr().add(half * S::WIDTH);
                    let mut g = s.load(p);
                    // Seldom so: what is within the bound is only read.
                    if s.any(s.gt(s.abs(g), s.splat(self.bound))) {
                        g = s.clamp(g, -self.bound, self.bound);
                        s.store(p, g);
                    }
                    sum.fma(s, half, g, g);
                }
            }
        }
        sum.total(s)
    }
}
