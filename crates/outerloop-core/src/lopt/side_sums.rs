//! Sums of a tensor's squared gradients by row and by column.

use super::features::{load, store};
use super::runs::{Factoring, Run};
use crate::simd::{Kernel, LANES, LaneSum, Simd, Workers};
use std::ops::Range;

/// Most parts of a tensor that have sums of their own.
const MAX_PARTS: usize = 64;

/// Clips gradients, if there is a bound, and sums g² by row and by column into `sums`. A tensor of several blocks is summed
/// in parts of some blocks each, and the parts are added in order.
pub(crate) fn sum_squares(
    workers: Workers<'_>,
    grads: &mut [f32],
    (runs, blocks): (&[Run], &[Range<usize>]),
    factoring: &Factoring,
    bound: Option<f32>,
    [row, col]: [&mut [f32]; 2],
) {
    let cpu = workers.cpu();
    if let [_] = blocks {
        cpu.run(SumSquares { bound, grads, start: 0, runs, factoring, row, col });
        return;
    }
    let mut parts = vec![];
    let mut rest = grads;
    for blocks in blocks.chunks(blocks.len().div_ceil(MAX_PARTS)) {
        let runs = &runs[blocks[0].start..blocks[blocks.len() - 1].end];
        let (first, last) = (runs[0], runs[runs.len() - 1]);
        let (grads, after) = rest.split_at_mut(last.start + last.len - first.start);
        rest = after;
        parts.push((runs, grads, vec![0.0; row.len()], vec![0.0; col.len()]));
    }
    workers.each_mut(&mut parts, |_, (runs, grads, row, col)| {
        cpu.run(SumSquares { bound, grads, start: runs[0].start, runs, factoring, row, col });
    });
    for (total, which) in [(row, 0), (col, 1)] {
        total.fill(0.0);
        for (_, _, row, col) in &parts {
            total.iter_mut().zip([row, col][which]).for_each(|(total, x)| *total += x);
        }
    }
}

/// Clips gradients, if there is a bound, and sums g² by row and by column.
struct SumSquares<'a> {
    bound: Option<f32>,
    grads: &'a mut [f32],
    /// Of `grads[0]` in the tensor.
    start: usize,
    runs: &'a [Run],
    factoring: &'a Factoring,
    row: &'a mut [f32],
    col: &'a mut [f32],
}

impl Kernel for SumSquares<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let f = self.factoring;
        self.row.fill(0.0);
        self.col.fill(0.0);
        let (row, col) = (self.row.len(), self.col.len());
        assert!(row >= f.row_len && col >= f.col_len);
        match (f.is_row_constant, f.is_col_constant) {
            (true, _) => self.lines::<S, true, false>(s),
            (_, true) => self.lines::<S, false, true>(s),
            _ => self.lines::<S, false, false>(s),
        }
    }
}

impl SumSquares<'_> {
    /// All runs; `ROW` and `COL` say which side is constant along them.
    #[inline(always)]
    fn lines<S: Simd, const ROW: bool, const COL: bool>(&mut self, s: S) {
        let bound = self.bound;
        for run in self.runs {
            let line = &mut self.grads[run.start - self.start..][..run.len];
            // SAFETY: a run's places are inside the sides, whose lengths were checked.
            let (row, col) =
                unsafe { (self.row.as_mut_ptr().add(run.row), self.col.as_mut_ptr().add(run.col)) };
            let mut total = LaneSum::zero(s);
            for (group, values) in line.chunks_mut(LANES).enumerate() {
                let places =
                    [values.as_mut_ptr(), row.wrapping_add(group * LANES), col.wrapping_add(group * LANES)];
                // SAFETY: as many elements remain in the run, and in a side it is spread along.
                unsafe {
                    if values.len() == LANES {
                        add_group::<S, ROW, COL>(s, bound, places, [S::WIDTH; 2], &mut total);
                    } else {
                        let n = values.len();
                        let live = [n.min(S::WIDTH), n.saturating_sub(S::WIDTH)];
                        add_group::<S, ROW, COL>(s, bound, places, live, &mut total);
                    }
                }
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
    }
}

/// Adds a group of [`LANES`] gradients, of whose registers so many elements are `live`, to the run's sum and to a side that
/// the run is spread along.
/// # Safety
/// The live elements can be read and written, and those of such a side.
#[inline(always)]
unsafe fn add_group<S: Simd, const ROW: bool, const COL: bool>(
    s: S,
    bound: Option<f32>,
    [g, row, col]: [*mut f32; 3],
    live: [usize; 2],
    total: &mut LaneSum<S>,
) {
    let registers = LANES / S::WIDTH;
    // SAFETY: the caller's promise.
    unsafe {
        let mut x = [s.splat(0.0); 2];
        for half in 0..registers {
            x[half] = load(s, g.wrapping_add(half * S::WIDTH), live[half]);
        }
        if let Some(bound) = bound {
            let mut is_beyond = false;
            for half in 0..registers {
                is_beyond |= s.any(s.gt(s.abs(x[half]), s.splat(bound)));
            }
            // Seldom so: what is within the bound is only read.
            if is_beyond {
                for half in 0..registers {
                    x[half] = s.clamp(x[half], -bound, bound);
                    store(s, g.wrapping_add(half * S::WIDTH), x[half], live[half]);
                }
            }
        }
        for half in 0..registers {
            let square = s.mul(x[half], x[half]);
            total.add(s, half, square);
            for (is_spread, side) in [(!ROW, row), (!COL, col)] {
                if is_spread {
                    let side = side.wrapping_add(half * S::WIDTH);
                    store(s, side, s.add(load(s, side, live[half]), square), live[half]);
                }
            }
        }
    }
}
