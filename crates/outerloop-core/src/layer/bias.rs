//! Column sums: the gradient of a bias.

use crate::simd::{Kernel, Simd};

/// `out[j] = Σ_i data[i * row + j]` for `rows` rows, in order of i.
/// # Panics
/// If a slice is too short: a bug of the caller.
pub fn sum_rows<'a>(
    data: &'a [f32],
    row: usize,
    rows: usize,
    out: &'a mut [f32],
) -> impl Kernel<Output = ()> {
    assert!(rows > 0 && (rows - 1) * row + out.len() <= data.len());
    SumRows { data, row, rows, out }
}

struct SumRows<'a> {
    data: &'a [f32],
    row: usize,
    rows: usize,
    out: &'a mut [f32],
}

impl Kernel for SumRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (c, out) in self.out.chunks_mut(S::WIDTH).enumerate() {
            let mut sum = s.splat(0.0);
            // SAFETY: `sum_rows` checked that every row holds `out.len()` columns.
            unsafe {
                let mut p = self.data.as_ptr().add(c * S::WIDTH);
                for _ in 0..self.rows {
                    sum = s.add(sum, s.load_first(p, out.len()));
                    p = p.wrapping_add(self.row);
                }
                s.store_first(out.as_mut_ptr(), sum, out.len());
            }
        }
    }
}
