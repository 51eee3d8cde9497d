//! Sums of squares of f32 arrays that may be of any size: squares leave f32 from 1.8e19 and are lost below 1e-19.
//!
//! An array is summed in f32. If the sum is out of the range where that is sound, it is summed again with all elements
//! scaled by a power of two, which is exact. So ordinary arrays pay nothing, and the sums are right for any finite input.

use super::Tensors;
use crate::params::ParamLayout;
use crate::simd::{Cpu, Kernel, LANES, LaneSum, Simd, Workers};
use std::sync::atomic::{AtomicU64, Ordering};

/// Longest array that is summed as a whole.
const WHOLE: usize = 1 << 18;
/// Elements of a block of a longer one.
const BLOCK: usize = 1 << 16;
/// Sums from which on the squares that f32 lost, below 1.2e-38 each, are less than a rounding: 2⁻⁸⁰.
const SMALLEST: f32 = f32::from_bits((127 - 80) << 23);

/// Σ(scale·x)², element i in lane i mod [`LANES`].
struct SumSquares<'a, const SCALED: bool> {
    x: &'a [f32],
    scale: f32,
}

impl<const SCALED: bool> Kernel for SumSquares<'_, SCALED> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let (mut sum, scale) = (LaneSum::zero(s), s.splat(self.scale));
        let (x, len) = (self.x.as_ptr(), self.x.len());
        let mut at = 0;
        while at < len {
            for half in 0..LANES / S::WIDTH {
                let from = at + half * S::WIDTH;
                if from < len {
                    // SAFETY: only what remains is read.
                    let v = unsafe { s.load_first(x.add(from), (len - from).min(S::WIDTH)) };
                    let v = if SCALED { s.mul(scale, v) } else { v };
                    sum.fma(s, half, v, v);
                }
            }
            at += LANES;
        }
        sum.total(s)
    }
}

/// The largest |x|; NaN is passed over.
struct Largest<'a>(&'a [f32]);

impl Kernel for Largest<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let mut largest = s.splat(0.0);
        for part in self.0.chunks(S::WIDTH) {
            // SAFETY: only the part is read.
            largest = s.max(s.abs(unsafe { s.load_first(part.as_ptr(), part.len()) }), largest);
        }
        let mut lanes = [0.0; LANES];
        // SAFETY: a register has at most so many lanes.
        unsafe { s.store(lanes.as_mut_ptr(), largest) };
        lanes.iter().fold(0.0, |largest, x| x.max(largest))
    }
}

/// The largest |x|; NaN is passed over.
pub fn largest(cpu: Cpu, x: &[f32]) -> f32 {
    cpu.run(Largest(x))
}

/// Σx² as f32 sums it: infinite or 0 where the squares leave it.
pub(crate) fn sum_in_range(cpu: Cpu, x: &[f32]) -> f32 {
    cpu.run(SumSquares::<false> { x, scale: 1.0 })
}

/// Σx².
pub(crate) fn sum_squares(cpu: Cpu, x: &[f32]) -> f64 {
    let sum = sum_in_range(cpu, x);
    if (SMALLEST..=f32::MAX).contains(&sum) {
        return f64::from(sum);
    }
    let largest = largest(cpu, x);
    if !(largest > 0.0 && largest.is_finite()) || sum.is_nan() {
        return f64::from(sum);
    }
    // A power of two that brings the largest near 1, as far as f32 has it and its inverse.
    let exponent = (127 - (largest.to_bits() >> 23).cast_signed()).clamp(-126, 126);
    let scale = f32::from_bits((127 + exponent).cast_unsigned() << 23);
    f64::from(cpu.run(SumSquares::<true> { x, scale })) / f64::from(scale).powi(2)
}

/// The root of a sum of squares: as f32 has it where it holds the sum.
pub(crate) fn norm_of(sum: f64) -> f32 {
    let in_f32 = sum as f32;
    if (f32::MIN_POSITIVE..=f32::MAX).contains(&in_f32) { in_f32.sqrt() } else { sum.sqrt() as f32 }
}

/// Sums of squares of arrays up to a certain length. Long ones are cut into blocks that threads share; their sums are
/// added in order, so that the result does not depend on the number of threads.
pub(crate) struct Squares {
    blocks: Vec<AtomicU64>,
}

impl Squares {
    /// For arrays of at most `len` elements.
    pub(crate) fn up_to(len: usize) -> Self {
        let count = if len > WHOLE { len.div_ceil(BLOCK) } else { 0 };
        Self { blocks: (0..count).map(|_| AtomicU64::new(0)).collect() }
    }

    /// For every tensor of `params`.
    pub(crate) fn of(params: &ParamLayout) -> Self {
        let lens = (0..params.num_tensors()).map(|i| params.padded_range(i).len());
        Self::up_to(lens.max().unwrap_or(0))
    }

    /// Σx².
    pub(crate) fn sum(&self, workers: Workers<'_>, x: &[f32]) -> f64 {
        if x.len() <= WHOLE {
            return sum_squares(workers.cpu(), x);
        }
        let count = x.len().div_ceil(BLOCK);
        workers.each(count, |i| {
            let block = &x[i * BLOCK..((i + 1) * BLOCK).min(x.len())];
            self.blocks[i].store(sum_squares(workers.cpu(), block).to_bits(), Ordering::Relaxed);
        });
        self.blocks[..count].iter().map(|b| f64::from_bits(b.load(Ordering::Relaxed))).sum()
    }

    /// √Σx².
    pub(crate) fn norm(&self, workers: Workers<'_>, x: &[f32]) -> f32 {
        self.sum(workers, x).sqrt() as f32
    }

    /// √Σx² over all tensors of `x`: their sums are added in order.
    pub(crate) fn global_norm(&self, workers: Workers<'_>, params: &ParamLayout, x: &mut Tensors<'_>) -> f64 {
        let of_tensor = |i| self.sum(workers, x.get(i, &params.padded_range(i)));
        (0..params.num_tensors()).map(of_tensor).sum::<f64>().sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Backend;

    /// Blocks hold whole numbers whose squares and sums f32 has exactly.
    #[test]
    fn long_sums_do_not_depend_on_threads() {
        let cpu = Cpu::detect().expect("some backend");
        let x: Vec<f32> = (0..WHOLE + 1000).map(|i| (i % 3) as f32).collect();
        let squares = Squares::up_to(x.len());
        let expected: f64 = x.iter().map(|x| f64::from(x * x)).sum();
        assert_eq!(squares.sum(Workers::one(cpu), &x), expected);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("threads");
        assert_eq!(squares.sum(Workers::of(cpu, &pool), &x), expected);
        assert_eq!(squares.sum(Workers::one(cpu), &x[..5]), 6.0);
    }

    /// Against f64. Tolerance: one rounding of f32 for every element that a lane adds, and one more for its square.
    #[test]
    fn sums_are_right_for_any_finite_size() {
        for cpu in Backend::ALL.into_iter().filter_map(|backend| Cpu::new(backend).ok()) {
            for size in
                [f32::MIN_POSITIVE, 1e-30, 1e-20, 1e-19, 1e-10, 1.0, 1e10, 1e18, 1e19, 1e20, 1e30, 3e38]
            {
                for len in [1, 3, 16, 100, 1000] {
                    let x: Vec<f32> = (0..len).map(|i| size * (1.0 - 0.5 * (i % 7) as f32 / 7.0)).collect();
                    let expected: f64 = x.iter().map(|&x| f64::from(x).powi(2)).sum();
                    let got = sum_squares(cpu, &x);
                    let tolerance = (len as f64 / 16.0 + 2.0) / f64::from(1 << 24);
                    assert!((got / expected - 1.0).abs() < tolerance, "{size} {len} {got} {expected}");
                }
            }
            assert_eq!(sum_squares(cpu, &[0.0; 20]), 0.0);
            assert!(sum_squares(cpu, &[1.0, f32::NAN, 1e30]).is_nan());
            assert_eq!(sum_squares(cpu, &[1.0, f32::INFINITY]), f64::INFINITY);
        }
    }

    #[test]
    fn roots_are_finite_where_only_the_sum_leaves_f32() {
        assert_eq!(norm_of(9.0), 3.0);
        assert_eq!(norm_of(1e40), 1e20);
        assert_eq!(norm_of(1e-40), 1e-20);
        assert_eq!(norm_of(0.0), 0.0);
        assert!(norm_of(f64::NAN).is_nan());
    }
}
