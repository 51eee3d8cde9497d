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
    fn run<S: Simd>(mut self, s: S) {
        // Several registers of columns at once: a sum waits for itself from row to row.
        let (len, w) = (self.out.len(), S::WIDTH);
        let mut at = 0;
        while at + 4 * w <= len {
            self.columns::<S, 4>(s, at);
            at += 4 * w;
        }
        while at + w <= len {
            self.columns::<S, 1>(s, at);
            at += w;
        }
        if at < len {
            self.columns::<S, 1>(s, at);
        }
    }
}

impl SumRows<'_> {
    /// `V` registers of columns from `at`, or what remains of one.
    #[inline(always)]
    fn columns<S: Simd, const V: usize>(&mut self, s: S, at: usize) {
        let live = (self.out.len() - at).min(S::WIDTH);
        let mut sums = [s.splat(0.0); V];
        // SAFETY: `sum_rows` checked that every row holds `out.len()` columns; `V` is 1 unless all are there.
        unsafe {
            let mut p = self.data.as_ptr().add(at);
            for _ in 0..self.rows {
                for v in 0..V {
                    sums[v] = s.add(sums[v], s.load_first(p.add(v * S::WIDTH), live));
                }
                p = p.wrapping_add(self.row);
            }
            for v in 0..V {
                s.store_first(self.out.as_mut_ptr().add(at + v * S::WIDTH), sums[v], live);
            }
        }
    }
}
