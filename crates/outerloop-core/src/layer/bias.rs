//! Sums over a batch: the gradient of a bias.

use crate::simd::{Kernel, LANES, LaneSum, Simd};

/// `out[i] = Σ_j data[i * row + j]` for j below `len`, column j in lane j mod [`LANES`].
/// # Panics
/// If the data are too short: a bug of the caller.
pub fn sum_columns<'a>(
    data: &'a [f32],
    row: usize,
    len: usize,
    out: &'a mut [f32],
) -> impl Kernel<Output = ()> {
    assert!(out.is_empty() || (out.len() - 1) * row + len <= data.len());
    SumColumns { data, row, len, out }
}

struct SumColumns<'a> {
    data: &'a [f32],
    row: usize,
    len: usize,
    out: &'a mut [f32],
}

impl Kernel for SumColumns<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let whole = self.len / LANES * LANES;
        for i in 0..self.out.len() {
            let mut sum = LaneSum::zero(s);
            // SAFETY: `sum_columns` checked that every row holds `len` columns.
            unsafe {
                let p = self.data.as_ptr().add(i * self.row);
                for at in (0..whole).step_by(LANES) {
                    for half in 0..LANES / S::WIDTH {
                        sum.add(s, half, s.load(p.add(at + half * S::WIDTH)));
                    }
                }
                for half in 0..LANES / S::WIDTH {
                    let at = whole + half * S::WIDTH;
                    if at < self.len {
                        sum.add(s, half, s.load_first(p.add(at), (self.len - at).min(S::WIDTH)));
                    }
                }
            }
            self.out[i] = sum.total(s);
        }
    }
}
