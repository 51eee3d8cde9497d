//! A tensor of any rank as runs along its last axis, with the places of its factored accumulators.

use crate::simd::LANES;
use std::ops::Range;

/// Elements of a tensor that are processed together: their features stay in the first-level cache. A multiple of three
/// registers of every instruction set.
pub(crate) const BLOCK: usize = 192;

/// Up to [`BLOCK`] neighbours along the last axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Run {
    /// First element in the tensor.
    pub(crate) start: usize,
    /// Elements.
    pub(crate) len: usize,
    /// Place of the first element in the row accumulator.
    pub(crate) row: usize,
    /// Place of the first element in the column accumulator.
    pub(crate) col: usize,
}

/// Elements that have a place of their own in [`places_of`]: the narrowest register of several lanes, half of [`LANES`].
pub(crate) const PLACED: usize = LANES / 2;

/// Where every [`PLACED`] elements of aligned runs start on the two sides, the one that is constant along the runs first.
/// # Panics
/// If a side has more than 2³² elements: its tensor has more, and no memory holds it.
pub(crate) fn places_of(runs: &[Run], factoring: &Factoring) -> Vec<[u32; 2]> {
    let place = |x: usize| u32::try_from(x).expect("a side's length fits 32 bits");
    let of_run = |run: &Run| {
        let (constant, spread) =
            if factoring.is_col_constant { (run.col, run.row) } else { (run.row, run.col) };
        (0..run.len).step_by(PLACED).map(move |j| [place(constant), place(spread + j)])
    };
    if factoring.is_aligned { runs.iter().flat_map(of_run).collect() } else { vec![] }
}

/// How a tensor of rank ≥ 2 is factored: the axes rule of spec learned_optimizers §1.3.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Factoring {
    /// Elements of the row accumulator: the shape without the largest axis d0.
    pub(crate) row_len: usize,
    /// Elements of the column accumulator: the shape without the second largest axis d1.
    pub(crate) col_len: usize,
    /// Whether all elements of a run share one row (else they are neighbours in the row accumulator).
    pub(crate) is_row_constant: bool,
    /// Whether all elements of a run share one column.
    pub(crate) is_col_constant: bool,
    /// Whether one side is constant along every run, and every run has whole groups of lanes.
    pub(crate) is_aligned: bool,
    /// Whether the two factored axes are the last two: every matrix of them has rows and columns of its own.
    pub(crate) is_by_matrix: bool,
    /// Elements averaged into one row, and into one column.
    pub(crate) row_count: usize,
    /// See `row_count`.
    pub(crate) col_count: usize,
    /// The row accumulator seen as [outer, axis d1, inner]: its mean is taken over the middle.
    pub(crate) row_mean: [usize; 3],
}

/// Axes (d0, d1): the largest and second largest; of equal ones the later counts as larger.
fn factored_axes(shape: &[usize]) -> Option<(usize, usize)> {
    let mut order: Vec<usize> = (0..shape.len()).collect();
    order.sort_by_key(|&axis| (shape[axis], axis));
    match order[..] {
        [.., d1, d0] => Some((d0, d1)),
        _ => None,
    }
}

/// Row-major strides of `shape` without `axis`, 0 at `axis`.
fn strides_without(shape: &[usize], axis: usize) -> Vec<usize> {
    let mut strides = vec![0; shape.len()];
    let mut step = 1;
    for i in (0..shape.len()).rev().filter(|&i| i != axis) {
        strides[i] = step;
        step *= shape[i];
    }
    strides
}

/// The runs of a tensor, and how it is factored if its rank is at least 2.
pub(crate) fn runs_of(shape: &[usize]) -> (Vec<Run>, Option<Factoring>) {
    let len: usize = shape.iter().product();
    let last = shape.last().copied().unwrap_or(1);
    let Some((d0, d1)) = factored_axes(shape) else {
        return (split(0, last, 0, 0, [0, 0]), None);
    };
    let (row, col) = (strides_without(shape, d0), strides_without(shape, d1));
    let end = shape.len() - 1;
    let inner: usize = (d1 + 1..shape.len()).filter(|&i| i != d0).map(|i| shape[i]).product();
    let factoring = Factoring {
        row_len: len / shape[d0],
        col_len: len / shape[d1],
        is_row_constant: d0 == end,
        is_col_constant: d1 == end,
        is_aligned: (d0 == end || d1 == end) && last.is_multiple_of(LANES),
        is_by_matrix: d0.min(d1) + 1 == end,
        row_count: shape[d0],
        col_count: shape[d1],
        row_mean: [len / shape[d0] / shape[d1] / inner, shape[d1], inner],
    };
    let mut runs = vec![];
    let mut index = vec![0; end];
    for line in 0..len / last {
        let mut rest = line;
        for axis in (0..end).rev() {
            index[axis] = rest % shape[axis];
            rest /= shape[axis];
        }
        let place = |strides: &[usize]| index.iter().zip(strides).map(|(i, s)| i * s).sum::<usize>();
        runs.extend(split(line * last, last, place(&row), place(&col), [row[end], col[end]]));
    }
    (runs, Some(factoring))
}

/// Elements of a tensor below which threads do not share it.
pub(crate) const SHARED: usize = 1 << 17;
/// Elements that a thread takes at a time.
pub(crate) const SHARE: usize = 1 << 15;

/// Cuts `part` of the runs into blocks that threads may share: one, or such of about [`SHARE`] elements. It depends on the
/// shape alone, and so do sums over the blocks.
pub(crate) fn blocks_of(runs: &[Run], part: Range<usize>) -> Vec<Range<usize>> {
    let all = &runs[part.clone()];
    let (Some(first), Some(last)) = (all.first(), all.last()) else { return vec![] };
    if last.start + last.len - first.start < SHARED {
        return vec![part];
    }
    let (mut blocks, mut begin) = (vec![], part.start);
    for i in part.clone() {
        if runs[i].start + runs[i].len - runs[begin].start >= SHARE || i + 1 == part.end {
            blocks.push(begin..i + 1);
            begin = i + 1;
        }
    }
    blocks
}

/// Cuts one line into runs of at most [`BLOCK`].
fn split(start: usize, len: usize, row: usize, col: usize, step: [usize; 2]) -> Vec<Run> {
    (0..len)
        .step_by(BLOCK)
        .map(|at| Run {
            start: start + at,
            len: (len - at).min(BLOCK),
            row: row + at * step[0],
            col: col + at * step[1],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places by brute force: the flat index in the shape without one axis.
    #[test]
    fn places_are_those_of_the_reduced_shapes() {
        for shape in
            [vec![4, 5], vec![5, 5], vec![6, 2], vec![3, 3, 2, 3], vec![2, 3, 4], vec![1, 1], vec![2, 600]]
        {
            let (runs, factoring) = runs_of(&shape);
            let f = factoring.expect("rank 2 or more");
            let (d0, d1) = factored_axes(&shape).expect("rank 2 or more");
            let mut seen = 0;
            for run in &runs {
                assert_eq!(run.start, seen);
                for j in 0..run.len {
                    let mut rest = run.start + j;
                    let mut index = vec![0; shape.len()];
                    for axis in (0..shape.len()).rev() {
                        index[axis] = rest % shape[axis];
                        rest /= shape[axis];
                    }
                    let flat = |drop: usize| {
                        (0..shape.len()).filter(|&a| a != drop).fold(0, |at, a| at * shape[a] + index[a])
                    };
                    assert_eq!(run.row + if f.is_row_constant { 0 } else { j }, flat(d0), "{shape:?}");
                    assert_eq!(run.col + if f.is_col_constant { 0 } else { j }, flat(d1), "{shape:?}");
                }
                seen += run.len;
            }
            assert_eq!(seen, shape.iter().product::<usize>());
            assert_eq!(f.row_mean.iter().product::<usize>(), f.row_len);
        }
    }

    /// Every element's places as its run has them; none where runs are not aligned.
    #[test]
    fn places_are_those_of_the_runs() {
        for shape in [vec![4, 32], vec![64, 16], vec![16, 16], vec![3, 5, 32], vec![2, 608]] {
            let (runs, factoring) = runs_of(&shape);
            let f = factoring.expect("rank 2 or more");
            let places = places_of(&runs, &f);
            assert_eq!(places.len() * PLACED, shape.iter().product::<usize>());
            for run in &runs {
                for j in 0..run.len {
                    let [a, b] = places[(run.start + j) / PLACED].map(|x| x as usize);
                    let b = b + j % PLACED;
                    let want =
                        if f.is_row_constant { [run.row, run.col + j] } else { [run.col, run.row + j] };
                    assert_eq!([a, b], want, "{shape:?} at {}", run.start + j);
                }
            }
        }
        let (runs, factoring) = runs_of(&[4, 20]);
        assert!(places_of(&runs, &factoring.expect("rank 2")).is_empty());
    }

    /// Ties: the later axis is d0 (spec §1.3).
    #[test]
    fn square_matrices_average_columns_into_rows() {
        assert_eq!(factored_axes(&[5, 5]), Some((1, 0)));
        assert_eq!(factored_axes(&[3, 3, 2, 3]), Some((3, 1)));
        assert_eq!(runs_of(&[7]).1, None);
        assert_eq!(runs_of(&[]).0, vec![Run { start: 0, len: 1, row: 0, col: 0 }]);
    }
}
