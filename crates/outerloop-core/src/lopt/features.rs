//! The two passes over a tensor that per-parameter optimizers share: one updates accumulators and measures every
//! channel, the other writes a block's channels for the network. An optimizer says what its accumulators are and gives
//! one function from a register of inputs to its channels ([`Features`]); it needs no kernel of its own.

use super::STRIDE;
use super::factored::{DECAYS, Side};
use super::runs::{Factoring, Run};
use crate::simd::{AlignedVec, Kernel, LANES, LaneSum, Simd, totals};

/// Most arrays of state an element has.
pub(super) const MAX_STATE: usize = 8;
/// Most channels.
pub(super) const MAX_CHANNELS: usize = 20;

/// One register's worth of elements.
pub(super) struct Inputs<S: Simd> {
    /// Gradient.
    pub(super) g: S::V,
    /// Parameter.
    pub(super) p: S::V,
    /// Arrays of the state after their update; momenta first.
    pub(super) state: [S::V; MAX_STATE],
    /// R·C of a factored tensor, else 0.
    pub(super) factors: [S::V; DECAYS],
}

/// The features of an optimizer.
pub(super) trait Features {
    /// Arrays of the state that average the gradient.
    const MOMENTA: usize;
    /// Arrays after those that average its square.
    const SQUARES: usize;
    /// Number of channels, at most [`MAX_CHANNELS`].
    const CHANNELS: usize;

    /// The channels; what is beyond their number is ignored. `#[inline(always)]`, as all that runs in kernels.
    fn evaluate<S: Simd>(s: S, x: &Inputs<S>) -> [S::V; MAX_CHANNELS];
}

/// How one array of the state is updated: x ← β·x + (1−β)·(g or g² + floor).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Decay {
    pub(super) beta: f32,
    /// Added to the squared gradient.
    pub(super) floor: f32,
}

/// A tensor's arrays, all padded to one length.
pub(super) struct Arrays<'a> {
    pub(super) params: &'a [f32],
    pub(super) grads: &'a [f32],
    /// Arrays of the state, one after the other.
    pub(super) state: &'a mut [f32],
}

/// Where a block's or span's elements lie.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    /// The runs that meet the elements.
    pub(super) runs: &'a [Run],
    /// First element and number of elements.
    pub(super) at: usize,
    pub(super) n: usize,
    /// Factors of rows and columns, if there are any.
    pub(super) factored: Option<(&'a Factoring, [&'a Side; 2])>,
}

/// A part of a run, with what its elements find on the two sides. Sums and products of two sides do not depend on their
/// order, so what matters is only whether one of them is the same for the whole run.
#[derive(Clone, Copy)]
struct Piece<'a> {
    /// First element in the tensor.
    first: usize,
    len: usize,
    /// Factors and place of the first element, one side after the other; a side that is constant comes first.
    factors: [(&'a [AlignedVec; DECAYS], usize); 2],
    /// What the sides add to the first layer, likewise.
    starts: [(&'a [f32], usize); 2],
}

/// Nothing is factored.
const PLAIN: u8 = 0;
/// One side is constant along a run.
const ONE_CONSTANT: u8 = 1;
/// Both sides are spread along a run.
const BOTH_SPREAD: u8 = 2;

impl<'a> Places<'a> {
    fn kind(&self) -> u8 {
        match self.factored {
            None => PLAIN,
            Some((f, _)) if f.is_row_constant || f.is_col_constant => ONE_CONSTANT,
            Some(_) => BOTH_SPREAD,
        }
    }

    /// Part of run `i`; checks that all its places are there.
    fn piece(&self, i: usize, starts: [&'a [f32]; 2], side_stride: usize) -> Piece<'a> {
        let run = self.runs[i];
        let first = run.start.max(self.at);
        let len = (run.start + run.len).min(self.at + self.n) - first;
        let Some((factoring, [row, col])) = self.factored else {
            return Piece { first, len, factors: [(&NO_FACTORS, 0); 2], starts: [(&[], 0); 2] };
        };
        let is_constant = [factoring.is_row_constant, factoring.is_col_constant];
        let offset = first - run.start;
        let place = [run.row, run.col];
        let place: [usize; 2] = std::array::from_fn(|i| place[i] + if is_constant[i] { 0 } else { offset });
        for (i, side) in [row, col].into_iter().enumerate() {
            let end = place[i] + if is_constant[i] { 1 } else { len };
            assert!(
                side.factor.iter().all(|f| f.len() >= end) && (starts[i].is_empty() || side_stride >= end)
            );
        }
        let mut factors = [(&row.factor, place[0]), (&col.factor, place[1])];
        let mut starts = [(starts[0], place[0]), (starts[1], place[1])];
        if is_constant[1] {
            factors.swap(0, 1);
            starts.swap(0, 1);
        }
        Piece { first, len, factors, starts }
    }
}

static NO_FACTORS: [AlignedVec; DECAYS] = [const { AlignedVec::empty() }; DECAYS];

/// The two sides' values for `live` elements from the `j`-th of a piece.
/// # Safety
/// `a` is readable at 0 if one side is constant, else for `live` floats from `j`, `b` so in both cases.
#[inline(always)]
unsafe fn sides<S: Simd, const KIND: u8>(
    s: S,
    a: *const f32,
    b: *const f32,
    j: usize,
    live: usize,
) -> (S::V, S::V) {
    // SAFETY: the caller's promise.
    unsafe {
        let a = if KIND == ONE_CONSTANT { s.splat(*a) } else { load(s, a.add(j), live) };
        (a, load(s, b.add(j), live))
    }
}

/// # Safety
/// `p` is readable for `live <= WIDTH` floats.
#[inline(always)]
unsafe fn load<S: Simd>(s: S, p: *const f32, live: usize) -> S::V {
    // SAFETY: the caller's promise.
    unsafe { if live == S::WIDTH { s.load(p) } else { s.load_first(p, live) } }
}

/// R·C of every decay.
/// # Safety
/// The piece was checked and has `live` elements from the `j`-th.
#[inline(always)]
unsafe fn factors<S: Simd, const KIND: u8>(s: S, piece: &Piece<'_>, j: usize, live: usize) -> [S::V; DECAYS] {
    let mut out = [s.splat(0.0); DECAYS];
    if KIND != PLAIN {
        let [(a, at_a), (b, at_b)] = piece.factors;
        for k in 0..DECAYS {
            // SAFETY: the caller's promise.
            unsafe {
                let (a, b) = sides::<S, KIND>(s, a[k].as_ptr().add(at_a), b[k].as_ptr().add(at_b), j, live);
                out[k] = s.mul(a, b);
            }
        }
    }
    out
}

/// Updates the accumulators of the elements in place; returns every channel's sum of squares.
pub(super) struct Accumulate<'a, 'b, F> {
    pub(super) arrays: &'a mut Arrays<'b>,
    pub(super) places: Places<'a>,
    pub(super) decays: &'a [Decay; MAX_STATE],
    pub(super) features: std::marker::PhantomData<F>,
}

impl<F: Features> Kernel for Accumulate<'_, '_, F> {
    type Output = [f32; MAX_CHANNELS];

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) -> Self::Output {
        let padded = self.arrays.params.len();
        assert!(self.places.at + self.places.n <= padded && self.arrays.grads.len() == padded);
        assert!(self.arrays.state.len() >= (F::MOMENTA + F::SQUARES) * padded);
        match self.places.kind() {
            PLAIN => self.all::<S, PLAIN>(s),
            ONE_CONSTANT => self.all::<S, ONE_CONSTANT>(s),
            _ => self.all::<S, BOTH_SPREAD>(s),
        }
    }
}

impl<F: Features> Accumulate<'_, '_, F> {
    #[inline(always)]
    fn all<S: Simd, const KIND: u8>(&mut self, s: S) -> [f32; MAX_CHANNELS] {
        let mut sums = [LaneSum::zero(s); MAX_CHANNELS];
        for i in 0..self.places.runs.len() {
            let piece = self.places.piece(i, [&[], &[]], 0);
            let mut group = 0;
            while group + LANES <= piece.len {
                for half in 0..LANES / S::WIDTH {
                    self.register::<S, KIND>(s, &piece, group + half * S::WIDTH, S::WIDTH, half, &mut sums);
                }
                group += LANES;
            }
            for half in 0..LANES / S::WIDTH {
                let j = group + half * S::WIDTH;
                if j < piece.len {
                    let live = (piece.len - j).min(S::WIDTH);
                    self.register::<S, KIND>(s, &piece, j, live, half, &mut sums);
                }
            }
        }
        totals(s, &sums)
    }

    /// `live` elements from the `j`-th of a piece.
    #[inline(always)]
    fn register<S: Simd, const KIND: u8>(
        &mut self,
        s: S,
        piece: &Piece<'_>,
        j: usize,
        live: usize,
        half: usize,
        sums: &mut [LaneSum<S>; MAX_CHANNELS],
    ) {
        let Self { arrays, decays, .. } = self;
        let (padded, e) = (arrays.params.len(), piece.first + j);
        // SAFETY: `run` checked the arrays, `piece` the sides: `live` elements remain in all.
        unsafe {
            let g = load(s, arrays.grads.as_ptr().add(e), live);
            let p = load(s, arrays.params.as_ptr().add(e), live);
            let square = s.mul(g, g);
            let mut state = [g; MAX_STATE];
            for k in 0..F::MOMENTA + F::SQUARES {
                let Decay { beta, floor } = decays[k];
                let x = arrays.state.as_mut_ptr().add(k * padded + e);
                let new = if k < F::MOMENTA { g } else { s.add(square, s.splat(floor)) };
                let y = s.fma(s.splat(beta), load(s, x, live), s.mul(s.splat(1.0 - beta), new));
                state[k] = y;
                if live == S::WIDTH {
                    s.store(x, y)
                } else {
                    s.store_first(x, y, live)
                };
            }
            let factors = factors::<S, KIND>(s, piece, j, live);
            let values = F::evaluate(s, &Inputs { g, p, state, factors });
            let mask = s.first(live);
            for c in 0..F::CHANNELS {
                let x = if live == S::WIDTH { values[c] } else { s.select(mask, values[c], s.splat(0.0)) };
                sums[c].fma(s, half, x, x);
            }
        }
    }
}

/// Writes a block's channels into `out: [channels, STRIDE]` and, where rows and columns are factored, the first layer's
/// start into `start: [hidden, STRIDE]`.
pub(super) struct FillBlock<'a, 'b, F> {
    pub(super) arrays: &'a Arrays<'b>,
    pub(super) places: Places<'a>,
    /// What rows (with the bias) and columns add to the first layer, `[hidden, side_stride]` each.
    pub(super) sides: [&'a [f32]; 2],
    pub(super) side_stride: usize,
    pub(super) hidden: usize,
    pub(super) out: &'a mut [f32],
    pub(super) start: &'a mut [f32],
    pub(super) features: std::marker::PhantomData<F>,
}

impl<F: Features> Kernel for FillBlock<'_, '_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let (padded, places, hidden) = (self.arrays.params.len(), self.places, self.hidden);
        assert!(places.at + places.n <= padded && self.arrays.grads.len() == padded);
        assert!(self.arrays.state.len() >= (F::MOMENTA + F::SQUARES) * padded && places.n + LANES <= STRIDE);
        assert!(self.out.len() >= F::CHANNELS * STRIDE && self.start.len() >= hidden * STRIDE);
        assert!(places.factored.is_none() || self.sides.iter().all(|x| x.len() >= hidden * self.side_stride));
        match places.kind() {
            PLAIN => self.all::<S, PLAIN>(s),
            ONE_CONSTANT => self.all::<S, ONE_CONSTANT>(s),
            _ => self.all::<S, BOTH_SPREAD>(s),
        }
    }
}

impl<F: Features> FillBlock<'_, '_, F> {
    #[inline(always)]
    fn all<S: Simd, const KIND: u8>(&mut self, s: S) {
        for i in 0..self.places.runs.len() {
            let piece = self.places.piece(i, self.sides, self.side_stride);
            let mut j = 0;
            while j + S::WIDTH <= piece.len {
                self.register::<S, KIND>(s, &piece, j, S::WIDTH);
                j += S::WIDTH;
            }
            if j < piece.len {
                self.register::<S, KIND>(s, &piece, j, piece.len - j);
            }
        }
    }

    /// `live` elements from the `j`-th of a piece.
    #[inline(always)]
    fn register<S: Simd, const KIND: u8>(&mut self, s: S, piece: &Piece<'_>, j: usize, live: usize) {
        let (padded, e) = (self.arrays.params.len(), piece.first + j);
        let column = e - self.places.at;
        // SAFETY: `run` checked the arrays, `piece` the sides: `live` elements remain in all. A row of the block has room
        // for a register at `column`; what it writes past the run is overwritten by the next run or never read.
        unsafe {
            let g = load(s, self.arrays.grads.as_ptr().add(e), live);
            let p = load(s, self.arrays.params.as_ptr().add(e), live);
            let mut state = [g; MAX_STATE];
            for k in 0..F::MOMENTA + F::SQUARES {
                state[k] = load(s, self.arrays.state.as_ptr().add(k * padded + e), live);
            }
            let factors = factors::<S, KIND>(s, piece, j, live);
            let values = F::evaluate(s, &Inputs { g, p, state, factors });
            let out = self.out.as_mut_ptr().add(column);
            for c in 0..F::CHANNELS {
                s.store(out.add(c * STRIDE), values[c]);
            }
            if KIND != PLAIN {
                let [(a, at_a), (b, at_b)] = piece.starts;
                let (mut a, mut b) = (a.as_ptr().add(at_a), b.as_ptr().add(at_b));
                let mut start = self.start.as_mut_ptr().add(column);
                for _ in 0..self.hidden {
                    let (x, y) = sides::<S, KIND>(s, a, b, j, live);
                    s.store(start, s.add(x, y));
                    // Past the end after the last unit: never read.
                    a = a.wrapping_add(self.side_stride);
                    b = b.wrapping_add(self.side_stride);
                    start = start.wrapping_add(STRIDE);
                }
            }
        }
    }
}
