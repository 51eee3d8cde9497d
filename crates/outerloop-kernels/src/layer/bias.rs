//! Sums over a batch: the gradient of a bias.

use super::Grid;
use crate::simd::{Kernel, LANES, LaneSum, Simd};

/// Examples that are summed side by side; half of [`LANES`], for which a register each is at hand.
const SIDE_BY_SIDE: usize = LANES / 2;

/// `out[f]` = sum over the examples of feature f, example b in lane b mod [`LANES`].
/// # Panics
/// If a length does not fit: a bug of the caller.
pub fn sum_examples<'a>(grid: Grid, data: &'a [f32], out: &'a mut [f32]) -> impl Kernel<Output = ()> {
    assert!(data.len() >= grid.len() && out.len() == grid.features);
    SumExamples { grid, data, out }
}

struct SumExamples<'a> {
    grid: Grid,
    data: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for SumExamples<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { grid, data, out } = self;
        let (row, batch) = (grid.row(), grid.batch);
        if grid.is_by_example() {
            for at in (0..out.len()).step_by(S::WIDTH) {
                // SAFETY: `sum_examples` checked the data: rows of whole registers, one for each of `batch` examples.
                unsafe {
                    let sums = sum_rows(s, data.as_ptr().add(at), row, batch);
                    s.store_first(out.as_mut_ptr().add(at), sums, (out.len() - at).min(S::WIDTH));
                }
            }
            return;
        }
        for f in 0..out.len() {
            // SAFETY: as above, with one row for each feature.
            out[f] = unsafe { sum_row(s, data.as_ptr().add(f * row), batch) };
        }
    }
}

/// Sum of `len` floats.
/// # Safety
/// `p` is readable for `len` floats.
#[inline(always)]
unsafe fn sum_row<S: Simd>(s: S, p: *const f32, len: usize) -> f32 {
    let whole = len / LANES * LANES;
    let mut sum = LaneSum::zero(s);
    // SAFETY: the caller's promise.
    unsafe {
        for at in (0..whole).step_by(LANES) {
            for half in 0..LANES / S::WIDTH {
                sum.add(s, half, s.load(p.add(at + half * S::WIDTH)));
            }
        }
        for half in 0..LANES / S::WIDTH {
            let at = whole + half * S::WIDTH;
            if at < len {
                sum.add(s, half, s.load_first(p.add(at), (len - at).min(S::WIDTH)));
            }
        }
    }
    sum.total(s)
}

/// Sums of a register's width of columns over `len` rows: what [`sum_row`] gives for each, lane by lane and through the same
/// tree, with the columns side by side.
/// # Safety
/// `p` is readable for a register at each of `len` rows, `row` apart.
#[inline(always)]
unsafe fn sum_rows<S: Simd>(s: S, p: *const f32, row: usize, len: usize) -> S::V {
    let mut halves = [[s.splat(0.0); SIDE_BY_SIDE]; 2];
    for half in 0..2 {
        let mut lanes = [s.splat(0.0); SIDE_BY_SIDE];
        let mut first = half * SIDE_BY_SIDE;
        while first < len {
            let p = p.wrapping_add(first * row);
            if first + SIDE_BY_SIDE <= len {
                for i in 0..SIDE_BY_SIDE {
                    // SAFETY: the caller's promise.
                    lanes[i] = s.add(lanes[i], unsafe { s.load(p.wrapping_add(i * row)) });
                }
            } else {
                for i in 0..SIDE_BY_SIDE {
                    if first + i < len {
                        // SAFETY: as above.
                        lanes[i] = s.add(lanes[i], unsafe { s.load(p.wrapping_add(i * row)) });
                    }
                }
            }
            first += LANES;
        }
        halves[half] = lanes;
    }
    let [mut sums, high] = halves;
    for i in 0..SIDE_BY_SIDE {
        sums[i] = s.add(sums[i], high[i]);
    }
    let mut width = SIDE_BY_SIDE / 2;
    while width > 0 {
        for i in 0..width {
            sums[i] = s.add(sums[i], sums[i + width]);
        }
        width /= 2;
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use super::super::Order;
    use super::*;
    use crate::rng::{Key, Purpose};
    use crate::simd::{Backend, Cpu};

    /// Both orders give the same bits on every backend, and those are the sum's, to 3e-7 of the terms' size.
    #[test]
    fn the_order_changes_no_bit() {
        for (features, batch) in [(32, 64), (7, 1), (48, 15), (16, 33), (5, 129)] {
            let rows = Grid { features, batch, order: Order::ByExample };
            let columns = rows.transposed();
            let (mut by_example, mut by_feature) = (vec![0.0; rows.len()], vec![0.0; columns.len()]);
            Key::new(features as u64, Purpose::TaskContent).fill_normal(&mut by_example);
            rows.transpose(Cpu::portable(), &by_example, &mut by_feature);
            let mut results = vec![];
            for cpu in Backend::ALL.into_iter().filter_map(|b| Cpu::new(b).ok()) {
                for (grid, data) in [(rows, &by_example), (columns, &by_feature)] {
                    let mut out = vec![0.0; features];
                    cpu.run(sum_examples(grid, data, &mut out));
                    results.push(out);
                }
            }
            for f in 0..features {
                let terms = by_feature[f * columns.row()..][..batch].iter().map(|&x| f64::from(x));
                let (sum, size) = (terms.clone().sum::<f64>(), terms.map(f64::abs).sum::<f64>());
                assert!((f64::from(results[0][f]) - sum).abs() <= 3e-7 * size);
            }
            assert!(results.windows(2).all(|w| w[0] == w[1]), "{features} x {batch}");
        }
    }
}
