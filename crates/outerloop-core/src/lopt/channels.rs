//! Features as data: an optimizer lists its channels as formulas over a tensor's arrays, and these kernels evaluate them
//! block by block. One pass measures the channels' mean squares, a second one feeds the per-parameter network.

#![expect(
    clippy::manual_map,
    reason = "a closure is not inlined into the kernel, and is compiled without its features"
)]

use super::STRIDE;
use super::factored::{DECAYS, Side};
use super::runs::{Factoring, Run};
use crate::simd::{Kernel, LANES, Simd, rsqrt};

/// Where a formula reads from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Source {
    /// The gradient.
    Gradient,
    /// The parameter.
    Param,
    /// Array i of the tensor's state.
    State(usize),
    /// Factor k: R·C of a factored tensor, else what the optimizer put there.
    Factor(usize),
    /// An earlier channel.
    Channel(usize),
}

/// One channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Formula {
    /// x.
    Copy(Source),
    /// x clipped to ± a bound.
    Clip(Source, f32),
    /// 1/√(x + floor).
    ReciprocalRoot(Source, f32),
    /// x·y.
    Product(Source, Source),
}

/// A tensor's arrays, all padded to one length.
pub(super) struct Arrays<'a> {
    pub(super) params: &'a [f32],
    pub(super) grads: &'a [f32],
    /// Arrays of the state, one after the other.
    pub(super) state: &'a [f32],
}

/// Evaluates formulas for elements `at..at + n` into `out`, rows [`STRIDE`] apart; columns from `n` to the end of their
/// register become 0.
pub(super) struct Fill<'a, 'b> {
    pub(super) formulas: &'a [Formula],
    pub(super) arrays: &'a Arrays<'b>,
    pub(super) factors: &'a [f32],
    pub(super) at: usize,
    pub(super) n: usize,
    pub(super) out: &'a mut [f32],
    /// If given, `[formulas, LANES]`: squares are added, column i to lane i mod [`LANES`].
    pub(super) squares: Option<&'a mut [f32]>,
}

/// The register at `column` of `n` columns; lanes past them are 0.
/// # Safety
/// `p` is readable for `n` floats.
#[inline(always)]
unsafe fn load<S: Simd>(s: S, p: *const f32, column: usize, n: usize) -> S::V {
    // SAFETY: the caller's promise.
    unsafe {
        if column + S::WIDTH <= n { s.load(p.add(column)) } else { s.load_first(p.add(column), n - column) }
    }
}

/// A loop over all registers of a row that stores a value and, where wanted, adds its square to the lanes. A macro,
/// because closures are not inlined into kernels.
macro_rules! fill_row {
    ($s:ident, $n:ident, $row:ident, $lanes:ident, $column:ident => $value:expr) => {{
        let mut sums = [$s.splat(0.0); 2];
        if let Some(lanes) = $lanes {
            for half in 0..LANES / S::WIDTH {
                sums[half] = $s.load(lanes.wrapping_add(half * S::WIDTH));
            }
        }
        let mut group = 0;
        while group + LANES <= $n {
            for half in 0..LANES / S::WIDTH {
                let $column = group + half * S::WIDTH;
                let x = $value;
                $s.store($row.add($column), x);
                sums[half] = $s.fma(x, x, sums[half]);
            }
            group += LANES;
        }
        for half in 0..LANES / S::WIDTH {
            let $column = group + half * S::WIDTH;
            if $column < $n {
                let x = $s.select($s.first($n - $column), $value, $s.splat(0.0));
                $s.store($row.add($column), x);
                sums[half] = $s.fma(x, x, sums[half]);
            }
        }
        if let Some(lanes) = $lanes {
            for half in 0..LANES / S::WIDTH {
                $s.store(lanes.wrapping_add(half * S::WIDTH), sums[half]);
            }
        }
    }};
}

/// What a formula's sources point into.
struct Pointers<'a> {
    arrays: &'a Arrays<'a>,
    factors: &'a [f32],
    at: usize,
    out: *const f32,
    /// Number of the channel that is computed.
    channel: usize,
}

impl Pointers<'_> {
    #[inline(always)]
    fn of(&self, source: Source) -> *const f32 {
        let (at, padded) = (self.at, self.arrays.params.len());
        match source {
            Source::Gradient => self.arrays.grads[at..].as_ptr(),
            Source::Param => self.arrays.params[at..].as_ptr(),
            Source::State(i) => self.arrays.state[i * padded + at..(i + 1) * padded].as_ptr(),
            Source::Factor(k) => self.factors[k * STRIDE..(k + 1) * STRIDE].as_ptr(),
            Source::Channel(earlier) => {
                assert!(earlier < self.channel);
                self.out.wrapping_add(earlier * STRIDE)
            }
        }
    }
}

impl Kernel for Fill<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { formulas, arrays, factors, at, n, out, mut squares } = self;
        let padded = arrays.params.len();
        assert!(n.next_multiple_of(LANES) <= STRIDE && at + n <= padded && arrays.grads.len() == padded);
        assert!(out.len() >= formulas.len() * STRIDE);
        if let Some(squares) = &squares {
            assert!(squares.len() >= formulas.len() * LANES);
        }
        let out = out.as_mut_ptr();
        for channel in 0..formulas.len() {
            let pointers = Pointers { arrays, factors, at, out, channel };
            let lanes = match &mut squares {
                Some(squares) => Some(squares.as_mut_ptr().wrapping_add(channel * LANES)),
                None => None,
            };
            // SAFETY: every source holds `n` floats from its pointer on, as does a row of `out`, up to whole registers;
            // `squares` holds LANES floats a channel.
            unsafe {
                let row = out.add(channel * STRIDE);
                match formulas[channel] {
                    Formula::Copy(x) => {
                        let x = pointers.of(x);
                        fill_row!(s, n, row, lanes, column => load(s, x, column, n));
                    }
                    Formula::Clip(x, bound) => {
                        let x = pointers.of(x);
                        fill_row!(s, n, row, lanes, column => s.clamp(load(s, x, column, n), -bound, bound));
                    }
                    Formula::ReciprocalRoot(x, floor) => {
                        let (x, floor) = (pointers.of(x), s.splat(floor));
                        fill_row!(s, n, row, lanes, column => rsqrt(s, s.add(load(s, x, column, n), floor)));
                    }
                    Formula::Product(x, y) => {
                        let (x, y) = (pointers.of(x), pointers.of(y));
                        fill_row!(s, n, row, lanes, column => s.mul(load(s, x, column, n), load(s, y, column, n)));
                    }
                }
            }
        }
    }
}

/// Where a factored tensor's runs lie.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    pub(super) factoring: &'a Factoring,
    /// The runs that meet the block.
    pub(super) runs: &'a [Run],
    /// The block's first element and number of elements.
    pub(super) at: usize,
    pub(super) n: usize,
}

/// R·C of every decay for a block: `out: [DECAYS, STRIDE]`.
pub(super) struct FillFactors<'a> {
    pub(super) places: Places<'a>,
    pub(super) sides: [&'a Side; 2],
    pub(super) out: &'a mut [f32],
}

impl Kernel for FillFactors<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { places, sides: [row, col], out } = self;
        for k in 0..DECAYS {
            fill_outer::<S, true>(
                s,
                &places,
                &row.factor[k],
                &col.factor[k],
                0.0,
                &mut out[k * STRIDE..][..STRIDE],
            );
        }
    }
}

/// Start of the first layer for a block: bias + row's share + column's share, `out: [hidden, STRIDE]`.
pub(super) struct FillStart<'a> {
    pub(super) places: Places<'a>,
    pub(super) bias: &'a [f32],
    /// What rows and columns add, `[hidden, stride]` each.
    pub(super) sides: [&'a [f32]; 2],
    pub(super) stride: usize,
    pub(super) out: &'a mut [f32],
}

impl Kernel for FillStart<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { places, bias, sides: [row, col], stride, out } = self;
        for h in 0..bias.len() {
            let [row, col] = [&row[h * stride..][..stride], &col[h * stride..][..stride]];
            fill_outer::<S, false>(s, &places, row, col, bias[h], &mut out[h * STRIDE..][..STRIDE]);
        }
    }
}

/// `out[i]` = row·col or bias + (row + col) for the values of element i's places.
#[inline(always)]
fn fill_outer<S: Simd, const IS_PRODUCT: bool>(
    s: S,
    places: &Places<'_>,
    row: &[f32],
    col: &[f32],
    bias: f32,
    out: &mut [f32],
) {
    let Places { factoring, runs, at, n } = *places;
    assert!(n + LANES <= out.len());
    let bias = s.splat(bias);
    for i in 0..runs.len() {
        let run = runs[i];
        let (first, end) = (run.start.max(at), (run.start + run.len).min(at + n));
        let offset = first - run.start;
        let rows = if factoring.is_row_constant {
            &row[run.row..][..1]
        } else {
            &row[run.row + offset..][..end - first]
        };
        let cols = if factoring.is_col_constant {
            &col[run.col..][..1]
        } else {
            &col[run.col + offset..][..end - first]
        };
        let mut j = 0;
        while j < end - first {
            let live = (end - first - j).min(S::WIDTH);
            // SAFETY: `live` values remain on a side that is spread along the run, one is there on the other; a whole
            // register fits behind a column below `n`, and what it holds past the run is overwritten or never read.
            unsafe {
                let x = if factoring.is_row_constant {
                    s.splat(*rows.as_ptr())
                } else {
                    load(s, rows.as_ptr().add(j), 0, live)
                };
                let y = if factoring.is_col_constant {
                    s.splat(*cols.as_ptr())
                } else {
                    load(s, cols.as_ptr().add(j), 0, live)
                };
                let value = if IS_PRODUCT { s.mul(x, y) } else { s.add(bias, s.add(x, y)) };
                let place = out.as_mut_ptr().add(first - at + j);
                s.store(place, value);
            }
            j += S::WIDTH;
        }
    }
}

/// `x` ← β·`x` + (1−β)·(g or g² + floor) over a whole padded array.
pub(super) struct Blend<'a> {
    pub(super) x: &'a mut [f32],
    pub(super) grads: &'a [f32],
    pub(super) beta: f32,
    pub(super) complement: f32,
    /// g² and this added to it, instead of g.
    pub(super) square: Option<f32>,
    /// Elements that are no padding.
    pub(super) len: usize,
}

impl Kernel for Blend<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { x, grads, beta, complement, square, len } = self;
        assert!(x.len() == grads.len() && len <= x.len());
        let (b, c) = (s.splat(beta), s.splat(complement));
        let mut at = 0;
        while at < len {
            let n = (len - at).min(S::WIDTH);
            // SAFETY: `n` elements remain in both.
            unsafe {
                let g = load(s, grads.as_ptr().add(at), 0, n);
                let g = match square {
                    Some(floor) => s.add(s.mul(g, g), s.splat(floor)),
                    None => g,
                };
                let p = x.as_mut_ptr().add(at);
                let y = s.fma(b, load(s, p, 0, n), s.mul(c, g));
                if n == S::WIDTH {
                    s.store(p, y)
                } else {
                    s.store_first(p, y, n)
                };
            }
            at += S::WIDTH;
        }
    }
}
