//! Sums of a tensor's squared gradients by row and by column.

use super::clip::clip;
use super::edge::{load, store};
use super::runs::{Factoring, Run};
use crate::simd::{Kernel, LANES, LaneSum, Simd, Workers};
use std::ops::Range;

/// Most parts of a tensor that have sums of their own.
const MAX_PARTS: usize = 64;

/// Clips gradients, if there is a bound, and sums g² by row and by column into `sums`; returns the largest |g|, NaN passed
/// over. Where there is a bound, `grads` are whole groups of lanes.
pub(crate) fn sum_squares(
    workers: Workers<'_>,
    grads: &mut [f32],
    runs: (&[Run], &[Range<usize>]),
    factoring: &Factoring,
    bound: Option<f32>,
    [row, col]: [&mut [f32]; 2],
) -> f32 {
    let largest = sum(workers, grads, runs, factoring, [&mut *row, &mut *col]);
    let Some(bound) = bound.filter(|bound| largest > *bound) else { return largest };
    // Seldom so: the squares are summed anew.
    clip(workers, grads, bound);
    sum(workers, grads, runs, factoring, [row, col])
}

/// [`sum_squares`] without a bound. A tensor of several blocks is summed in parts of some blocks each, and the parts are added
/// in order.
fn sum(
    workers: Workers<'_>,
    grads: &[f32],
    (runs, blocks): (&[Run], &[Range<usize>]),
    factoring: &Factoring,
    [row, col]: [&mut [f32]; 2],
) -> f32 {
    let cpu = workers.cpu();
    if let [_] = blocks {
        return cpu.run(SumSquares { grads, runs, factoring, row, col });
    }
    let parts = blocks.chunks(blocks.len().div_ceil(MAX_PARTS)).map(|blocks| {
        let runs = &runs[blocks[0].start..blocks[blocks.len() - 1].end];
        (runs, [vec![0.0; row.len()], vec![0.0; col.len()]], 0.0)
    });
    let mut parts: Vec<_> = parts.collect();
    workers.each_mut(&mut parts, |_, (runs, [row, col], largest)| {
        *largest = cpu.run(SumSquares { grads, runs, factoring, row, col });
    });
    for (which, total) in [row, col].into_iter().enumerate() {
        total.fill(0.0);
        for (_, sums, _) in &parts {
            total.iter_mut().zip(&sums[which]).for_each(|(total, x)| *total += x);
        }
    }
    parts.iter().fold(0.0, |largest, part| part.2.max(largest))
}

/// Sums g² of the elements of `runs` by row and by column; returns the largest |g|.
struct SumSquares<'a> {
    grads: &'a [f32],
    runs: &'a [Run],
    factoring: &'a Factoring,
    row: &'a mut [f32],
    col: &'a mut [f32],
}

impl Kernel for SumSquares<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) -> f32 {
        let f = self.factoring;
        self.row.fill(0.0);
        self.col.fill(0.0);
        assert!(self.row.len() >= f.row_len && self.col.len() >= f.col_len);
        let largest = match (f.is_row_constant, f.is_col_constant) {
            (true, _) => self.lines::<S, true, false>(s),
            (_, true) => self.lines::<S, false, true>(s),
            _ => self.lines::<S, false, false>(s),
        };
        let mut lanes = [0f32; LANES];
        // SAFETY: a register has at most so many lanes.
        unsafe { s.store(lanes.as_mut_ptr(), largest) };
        lanes.iter().fold(0.0, |largest, x| x.max(largest))
    }
}

impl SumSquares<'_> {
    /// All runs; `ROW` and `COL` say which side is constant along them. Returns every lane's largest |g|.
    #[inline(always)]
    fn lines<S: Simd, const ROW: bool, const COL: bool>(&mut self, s: S) -> S::V {
        let mut largest = s.splat(0.0);
        for run in self.runs {
            let line = &self.grads[run.start..][..run.len];
            let (groups, rest) = line.as_chunks::<LANES>();
            // SAFETY: a run's places are inside the sides, whose lengths were checked.
            let mut places =
                unsafe { [self.row.as_mut_ptr().add(run.row), self.col.as_mut_ptr().add(run.col)] };
            let [row, col] = places;
            let mut total = LaneSum::zero(s);
            for group in groups {
                let g = group.as_ptr();
                // SAFETY: a whole group remains in the run, and in a side it is spread along.
                largest =
                    unsafe { add_group::<S, ROW, COL>(s, g, places, [S::WIDTH; 2], &mut total, largest) };
                places = places.map(|place| place.wrapping_add(LANES));
            }
            if !rest.is_empty() {
                let (g, n) = (rest.as_ptr(), rest.len());
                let live = [n.min(S::WIDTH), n.saturating_sub(S::WIDTH)];
                // SAFETY: as many elements remain.
                largest = unsafe { add_group::<S, ROW, COL>(s, g, places, live, &mut total, largest) };
            }
            // SAFETY: as above.
            unsafe {
                if ROW {
                    *row += total.total(s);
                } else if COL {
                    *col += total.total(s);
                }
            }
        }
        largest
    }
}

/// Adds a group of [`LANES`] gradients, of whose registers so many elements are `live`, to the run's sum and to a side that
/// the run is spread along; returns the lanes' largest |g| so far.
/// # Safety
/// The live elements can be read, and those of such a side be written.
#[inline(always)]
unsafe fn add_group<S: Simd, const ROW: bool, const COL: bool>(
    s: S,
    g: *const f32,
    [row, col]: [*mut f32; 2],
    live: [usize; 2],
    total: &mut LaneSum<S>,
    mut largest: S::V,
) -> S::V {
    for half in 0..LANES / S::WIDTH {
        // SAFETY: the caller's promise.
        unsafe {
            let x = load(s, g.wrapping_add(half * S::WIDTH), live[half]);
            let square = s.mul(x, x);
            largest = s.max(s.abs(x), largest);
            total.add(s, half, square);
            for (is_spread, side) in [(!ROW, row), (!COL, col)] {
                if is_spread {
                    let side = side.wrapping_add(half * S::WIDTH);
                    store(s, side, s.add(load(s, side, live[half]), square), live[half]);
                }
            }
        }
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::super::runs::{blocks_of, runs_of};
    use super::*;
    use crate::simd::Cpu;

    /// What a tensor's gradients, of the given size but for one of `spike`, become, their sums, and whether one is beyond 0.1.
    fn sums(shape: &[usize], size: f32, spike: f32) -> (Vec<f32>, Vec<f32>, Vec<f32>, bool) {
        let (runs, factoring) = runs_of(shape);
        let f = factoring.expect("rank 2");
        let mut grads = vec![size; shape.iter().product::<usize>().next_multiple_of(LANES)];
        grads[shape[1] + 2] = spike;
        let (mut row, mut col) = (vec![9.0; f.row_len], vec![9.0; f.col_len]);
        let blocks = blocks_of(&runs, 0..runs.len());
        let workers = Workers::one(Cpu::detect().expect("a backend"));
        let largest =
            sum_squares(workers, &mut grads, (&runs, &blocks), &f, Some(1000.0), [&mut row, &mut col]);
        (grads, row, col, largest > 0.1)
    }

    /// Of one block and of several, with runs that fill groups of lanes and that do not. Tolerance: a few roundings, as the
    /// gradients are powers of two but for the clipped one.
    #[test]
    fn sums_are_of_clipped_gradients() {
        for shape in [[3, 32], [4, 21], [400, 400]] {
            for (spike, clipped, beyond) in [
                (0.0625, 0.0625, false),
                (-0.125, -0.125, true),
                (4096.0, 1000.0, true),
                (-1e30, -1000.0, true),
            ] {
                let (grads, row, col, is_beyond) = sums(&shape, 0.0625, spike);
                assert_eq!(is_beyond, beyond, "{shape:?} {spike}");
                assert_eq!(grads[shape[1] + 2], clipped);
                let square = |n: usize| n as f32 * 0.0625 * 0.0625;
                for (i, got) in row.iter().enumerate() {
                    let want =
                        square(shape[1] - usize::from(i == 1)) + if i == 1 { clipped * clipped } else { 0.0 };
                    assert!((got - want).abs() <= 1e-6 * want, "row {i} of {shape:?} {spike}: {got}");
                }
                for (j, got) in col.iter().enumerate() {
                    let want =
                        square(shape[0] - usize::from(j == 2)) + if j == 2 { clipped * clipped } else { 0.0 };
                    assert!((got - want).abs() <= 1e-6 * want, "column {j} of {shape:?} {spike}: {got}");
                }
            }
        }
        // The bound itself is within; NaN is passed over.
        assert!(!sums(&[3, 32], 0.0625, 0.1).3);
        assert!(!sums(&[3, 32], 0.0625, f32::NAN).3);
        assert!(sums(&[3, 32], f32::NAN, 0.2).3);
    }
}
