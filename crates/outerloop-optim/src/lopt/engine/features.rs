//! How a per-parameter optimizer describes its features: which accumulators it keeps, which arrays the network reads as
//! they are, and two functions from a register of inputs to what is computed ([`Features`]). It needs no kernel of its own:
//! [`super::accumulate`] updates and measures, [`super::columns`] and [`super::fill`] feed the network.

use super::factored::{DECAYS, Side};
use crate::simd::Simd;
use crate::tensor::{Factoring, PLACED, Run, load};
use std::marker::PhantomData;

/// Most arrays of state an element has.
pub(in crate::lopt) const MAX_STATE: usize = 8;
/// Most arrays kept between the two passes.
pub(in crate::lopt) const MAX_KEPT: usize = 10;
/// Most channels that are read as they are.
pub(in crate::lopt) const MAX_RAW: usize = 20;
/// Most channels that are computed.
pub(in crate::lopt) const MAX_MADE: usize = 12;
/// Most channels.
pub(in crate::lopt) const MAX_CHANNELS: usize = MAX_RAW + MAX_MADE;

/// One register's worth of elements.
pub(in crate::lopt) struct Inputs<S: Simd> {
    /// Gradient.
    pub(in crate::lopt) g: S::V,
    /// Parameter.
    pub(in crate::lopt) p: S::V,
    /// Arrays of the state after their update; momenta first.
    pub(in crate::lopt) state: [S::V; MAX_STATE],
    /// What [`Features::keep`] gave.
    pub(in crate::lopt) kept: [S::V; MAX_KEPT],
    /// R·C of a factored tensor, else 0.
    pub(in crate::lopt) factors: [S::V; DECAYS],
    /// R²·C² of a factored tensor in the first pass, else 0.
    pub(in crate::lopt) factor_squares: [S::V; DECAYS],
}

/// The square of a channel.
#[derive(Clone, Copy)]
pub(in crate::lopt) enum Square<S: Simd> {
    /// Of this value.
    Of(S::V),
    /// This value.
    Is(S::V),
    /// The product of two squares.
    Product(S::V, S::V),
}

impl<S: Simd> Square<S> {
    /// `sum` and the square, of whose lanes the first `live` count.
    #[inline(always)]
    pub(in crate::lopt) fn add_to(self, s: S, sum: S::V, live: usize) -> S::V {
        let first = |x| if live == S::WIDTH { x } else { s.keep(s.first(live), x) };
        match self {
            Self::Of(x) => {
                let x = first(x);
                s.fma(x, x, sum)
            }
            Self::Is(x) => s.add(sum, first(x)),
            Self::Product(a, b) => s.fma(first(a), b, sum),
        }
    }
}

/// An array that is a channel as it is.
#[derive(Clone, Copy, Debug)]
pub(in crate::lopt) enum Source {
    Grad,
    Param,
    /// Array of the state.
    State(usize),
    /// Array of what [`Features::keep`] gave.
    Kept(usize),
}

/// A part of the first pass: as many channels as a register file has room for the sums of.
pub(in crate::lopt) struct Pass {
    /// Arrays of the state to update, from–to.
    pub(in crate::lopt) state: (usize, usize),
    /// Arrays to keep, from–to.
    pub(in crate::lopt) kept: (usize, usize),
    /// Whether its channels or what it keeps read [`Inputs::factors`] or their squares.
    pub(in crate::lopt) is_factored: bool,
    /// Channels to measure, at most [`MAX_MEASURED`].
    pub(in crate::lopt) channels: &'static [usize],
}

/// Most channels a pass measures.
pub(in crate::lopt) const MAX_MEASURED: usize = 8;
/// Most passes.
pub(in crate::lopt) const MAX_PASSES: usize = 6;

/// The features of an optimizer. Its functions are `#[inline(always)]`, as all that runs in kernels.
pub(in crate::lopt) trait Features: Sync + Sized {
    /// Arrays of the state that average the gradient.
    const MOMENTA: usize;
    /// Arrays after those that average its square.
    const SQUARES: usize;
    /// Arrays computed in the first pass that the second wants again.
    const KEPT: usize;
    /// Channels that are arrays, before those that are computed.
    const RAW: &'static [Source];
    /// Channels that are computed.
    const MADE: usize;
    /// Units of the network's hidden layers, if they are always as many: compiled code then knows its loops.
    const HIDDEN: Option<usize> = None;
    /// Most outputs of the network: code is compiled for 1, 2 and, where this is 4, for 4.
    const OUTPUTS: usize = 2;
    /// If given, the first channel is the gradient and the first computed one is the gradient clipped to ± this. Where no
    /// gradient of a tensor is beyond it the two are one, and the network need not read the second.
    const CLIP: Option<f32> = None;
    /// The first pass: together its parts update every array of state and measure every channel.
    const PASSES: &'static [Pass];
    /// Number of channels.
    const CHANNELS: usize = Self::RAW.len() + Self::MADE;

    /// What is kept, from gradient, parameter and state; what is beyond its number is ignored.
    fn keep<S: Simd>(s: S, x: &Inputs<S>) -> [S::V; MAX_KEPT];

    /// The computed channels; what is beyond their number is ignored.
    fn make<S: Simd>(s: S, x: &Inputs<S>) -> [S::V; MAX_MADE];

    /// The squares of all channels; what is beyond their number is ignored.
    #[inline(always)]
    fn squares<S: Simd>(s: S, x: &Inputs<S>) -> [Square<S>; MAX_CHANNELS] {
        channels::<S, Self>(s, x).map(Square::Of)
    }
}

/// Squares of what factored tensors' channels are made of.
pub(in crate::lopt) struct Squares<S: Simd> {
    pub(in crate::lopt) g: S::V,
    /// Of s, the first array kept.
    pub(in crate::lopt) root: S::V,
    pub(in crate::lopt) momenta: [S::V; DECAYS],
    /// Of g·s, then of m·s.
    pub(in crate::lopt) by_root: [Square<S>; 1 + DECAYS],
    /// Of g·R·C, and of m·R·C.
    pub(in crate::lopt) by_factors: [[Square<S>; DECAYS]; 2],
}

/// With fewer multiplications than the products and their squares take.
#[inline(always)]
pub(in crate::lopt) fn squares<S: Simd>(s: S, x: &Inputs<S>) -> Squares<S> {
    let [g, root] = [x.g, x.kept[0]].map(|x| s.mul(x, x));
    let [m0, m1, m2, ..] = x.state;
    let momenta = [m0, m1, m2].map(|m| s.mul(m, m));
    let by_root = [g, momenta[0], momenta[1], momenta[2]].map(|square| Square::Product(square, root));
    let [f0, f1, f2] = x.factor_squares;
    let by_factors = [[g; DECAYS], momenta]
        .map(|[a, b, c]| [Square::Product(a, f0), Square::Product(b, f1), Square::Product(c, f2)]);
    Squares { g, root, momenta, by_root, by_factors }
}

/// How one array of the state is updated: x ← β·x + complement·(g or g² + floor), which for elements is worked out as
/// x + complement·((g or g² + floor) − x).
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::lopt) struct Decay {
    pub(in crate::lopt) beta: f32,
    /// 1 − β.
    pub(in crate::lopt) complement: f32,
    /// Added to the squared gradient.
    pub(in crate::lopt) floor: f32,
}

impl Decay {
    /// With 1 − β rounded as f32 has it.
    pub(in crate::lopt) fn new(beta: f32, floor: f32) -> Self {
        Self { beta, complement: 1.0 - beta, floor }
    }
}

/// A tensor's arrays, all padded to one length.
pub(in crate::lopt) struct Arrays<'a> {
    pub(in crate::lopt) params: &'a mut [f32],
    pub(in crate::lopt) grads: &'a mut [f32],
    /// Arrays of the state, one after the other.
    pub(in crate::lopt) state: &'a mut [f32],
}

/// A factored tensor's rows and columns.
#[derive(Clone, Copy)]
pub(in crate::lopt) struct Sides<'a> {
    pub(in crate::lopt) factoring: &'a Factoring,
    /// See [`places_of`](crate::tensor::places_of).
    pub(in crate::lopt) places: &'a [[u32; 2]],
    /// Factors of rows and of columns.
    pub(in crate::lopt) values: [&'a Side; 2],
    /// What rows (with the bias) and columns add to the first layer, `[hidden, stride]` each.
    pub(in crate::lopt) starts: [&'a [f32]; 2],
    pub(in crate::lopt) stride: usize,
    /// Whether no gradient of the tensor is beyond [`Features::CLIP`].
    pub(in crate::lopt) is_within_clip: bool,
}

/// Nothing is factored.
pub(in crate::lopt) const PLAIN: u8 = 0;
/// One side is constant along a run.
pub(in crate::lopt) const ONE_CONSTANT: u8 = 1;
/// Both sides are spread along a run.
pub(in crate::lopt) const BOTH_SPREAD: u8 = 2;

/// Pointers to the sides. Sums and products of two sides do not depend on their order, so what matters is only whether one
/// of them is constant along a run: that one comes first.
#[derive(Clone, Copy)]
pub(in crate::lopt) struct SidePointers<'a> {
    pub(in crate::lopt) kind: u8,
    /// Whether the columns come first.
    swapped: bool,
    factors: [[*const f32; DECAYS]; 2],
    factor_squares: [[*const f32; DECAYS]; 2],
    starts: [*const f32; 2],
    stride: usize,
    places: &'a [[u32; 2]],
}

// SAFETY: what it points to is only read.
unsafe impl Send for SidePointers<'_> {}
// SAFETY: as above.
unsafe impl Sync for SidePointers<'_> {}

impl<'a> SidePointers<'a> {
    /// Pointers for a tensor with `hidden` units whose sides are long enough.
    pub(in crate::lopt) fn new(sides: Option<Sides<'a>>, hidden: usize) -> Self {
        let null = std::ptr::null();
        let Some(Sides { factoring: f, places, values: [row, col], starts, stride, .. }) = sides else {
            return Self {
                kind: PLAIN,
                swapped: false,
                factors: [[null; DECAYS]; 2],
                factor_squares: [[null; DECAYS]; 2],
                starts: [null; 2],
                stride: 0,
                places: &[],
            };
        };
        for (side, len) in [(row, f.row_len), (col, f.col_len)] {
            assert!(side.factor.iter().chain(&side.factor_square).all(|x| x.len() >= len) && stride >= len);
        }
        assert!(starts.iter().all(|x| x.len() >= hidden * stride));
        let kind = if f.is_row_constant || f.is_col_constant { ONE_CONSTANT } else { BOTH_SPREAD };
        let mut pointers = Self {
            kind,
            swapped: f.is_col_constant,
            factors: [row, col].map(|side| side.factor.each_ref().map(|x| x.as_ptr())),
            factor_squares: [row, col].map(|side| side.factor_square.each_ref().map(|x| x.as_ptr())),
            starts: starts.map(<[f32]>::as_ptr),
            stride,
            places,
        };
        if pointers.swapped {
            pointers.factors.swap(0, 1);
            pointers.factor_squares.swap(0, 1);
            pointers.starts.swap(0, 1);
        }
        pointers
    }

    /// Places of a run's first element on the two sides.
    #[inline(always)]
    pub(in crate::lopt) fn places(&self, run: &Run) -> [usize; 2] {
        if self.swapped { [run.col, run.row] } else { [run.row, run.col] }
    }

    /// Places on the two sides of the register of whole lanes at element `e`.
    /// # Safety
    /// The register is inside a tensor whose runs are aligned, and `e` a multiple of its width.
    #[inline(always)]
    pub(in crate::lopt) unsafe fn placed(&self, e: usize) -> [usize; 2] {
        // SAFETY: the caller's promise.
        let [a, b] = unsafe { *self.places.get_unchecked(e / PLACED) };
        [a as usize, b as usize]
    }

    /// R·C of every decay for `live` elements at the given places.
    /// # Safety
    /// The places are a run's, or `live` elements remain after them in the run; `KIND` is that of `self`.
    #[inline(always)]
    pub(in crate::lopt) unsafe fn factors<S: Simd, const KIND: u8>(
        &self,
        s: S,
        places: [usize; 2],
        live: usize,
    ) -> [S::V; DECAYS] {
        // SAFETY: the caller's promise.
        unsafe { products::<S, KIND>(s, &self.factors, places, live) }
    }

    /// R²·C² likewise.
    /// # Safety
    /// As [`SidePointers::factors`].
    #[inline(always)]
    pub(in crate::lopt) unsafe fn factor_squares<S: Simd, const KIND: u8>(
        &self,
        s: S,
        places: [usize; 2],
        live: usize,
    ) -> [S::V; DECAYS] {
        // SAFETY: the caller's promise.
        unsafe { products::<S, KIND>(s, &self.factor_squares, places, live) }
    }

    /// Where unit `h` of the first layer starts for `live` elements at the given places.
    /// # Safety
    /// As [`SidePointers::factors`]; `h` is below the number of units.
    #[inline(always)]
    pub(in crate::lopt) unsafe fn start<S: Simd, const KIND: u8>(
        &self,
        s: S,
        h: usize,
        [a, b]: [usize; 2],
        live: usize,
    ) -> S::V {
        // SAFETY: the caller's promise.
        unsafe {
            let x = side::<S, KIND>(s, self.starts[0].add(h * self.stride + a), live);
            s.add(x, load(s, self.starts[1].add(h * self.stride + b), live))
        }
    }

    /// Where units `h..h + R` of the first layer start in registers at the given places, the first side constant.
    /// # Safety
    /// As [`SidePointers::factors`] for whole registers; there are `V` places, and the units exist.
    #[inline(always)]
    pub(in crate::lopt) unsafe fn starts<S: Simd, const R: usize, const V: usize>(
        &self,
        s: S,
        h: usize,
        places: &[[usize; 2]],
    ) -> [[S::V; V]; R] {
        let mut out = [[s.splat(0.0); V]; R];
        let mut unit = h * self.stride;
        for r in 0..R {
            for v in 0..V {
                // SAFETY: the caller's promise.
                unsafe {
                    let [a, b] = *places.get_unchecked(v);
                    let constant = s.splat(*self.starts[0].add(a).add(unit));
                    out[r][v] = s.add(constant, s.load(self.starts[1].add(b).add(unit)));
                }
            }
            unit += self.stride;
        }
        out
    }
}

/// Products of both sides' arrays for `live` elements at the given places.
/// # Safety
/// As [`SidePointers::factors`].
#[inline(always)]
unsafe fn products<S: Simd, const KIND: u8>(
    s: S,
    sides: &[[*const f32; DECAYS]; 2],
    [a, b]: [usize; 2],
    live: usize,
) -> [S::V; DECAYS] {
    let mut out = [s.splat(0.0); DECAYS];
    if KIND != PLAIN {
        for k in 0..DECAYS {
            // SAFETY: the caller's promise.
            unsafe {
                let x = side::<S, KIND>(s, sides[0][k].add(a), live);
                out[k] = s.mul(x, load(s, sides[1][k].add(b), live));
            }
        }
    }
    out
}

/// A value of the first side.
/// # Safety
/// `p` is readable for one float if the side is constant, else for `live <= WIDTH`.
#[inline(always)]
unsafe fn side<S: Simd, const KIND: u8>(s: S, p: *const f32, live: usize) -> S::V {
    // SAFETY: the caller's promise.
    unsafe { if KIND == ONE_CONSTANT { s.splat(*p) } else { load(s, p, live) } }
}

/// Pointers to the arrays of a tensor, which are borrowed for `'a`. A step's kernels each get a copy, one after the other,
/// or at a time for blocks of elements that do not meet.
#[derive(Clone, Copy)]
pub(in crate::lopt) struct Pointers<'a> {
    pub(in crate::lopt) grads: *const f32,
    pub(in crate::lopt) params: *mut f32,
    pub(in crate::lopt) state: *mut f32,
    pub(in crate::lopt) kept: *mut f32,
    /// Length of every array.
    pub(in crate::lopt) padded: usize,
    life: PhantomData<&'a mut [f32]>,
}

// SAFETY: threads that have copies work on blocks of elements that do not meet.
unsafe impl Send for Pointers<'_> {}
// SAFETY: as above.
unsafe impl Sync for Pointers<'_> {}

impl<'a> Pointers<'a> {
    /// Pointers to arrays that are long enough for `F`.
    pub(in crate::lopt) fn new<F: Features>(arrays: &'a mut Arrays<'_>, kept: &'a mut [f32]) -> Self {
        let padded = arrays.params.len();
        assert!(arrays.grads.len() == padded && arrays.state.len() >= (F::MOMENTA + F::SQUARES) * padded);
        assert!(kept.len() >= F::KEPT * padded && F::RAW.len() <= MAX_RAW && F::MADE <= MAX_MADE);
        Self {
            grads: arrays.grads.as_ptr(),
            params: arrays.params.as_mut_ptr(),
            state: arrays.state.as_mut_ptr(),
            kept: kept.as_mut_ptr(),
            padded,
            life: PhantomData,
        }
    }

    /// The array that is a channel.
    pub(in crate::lopt) fn source(&self, source: Source) -> *const f32 {
        match source {
            Source::Grad => self.grads,
            Source::Param => self.params,
            Source::State(k) => self.state.wrapping_add(k * self.padded),
            Source::Kept(k) => self.kept.wrapping_add(k * self.padded),
        }
    }

    /// `live` elements from `e` as they are.
    /// # Safety
    /// `e + live` is within the arrays.
    #[inline(always)]
    pub(in crate::lopt) unsafe fn inputs<S: Simd, F: Features>(
        &self,
        s: S,
        e: usize,
        live: usize,
        factors: [S::V; DECAYS],
    ) -> Inputs<S> {
        // SAFETY: the caller's promise, and `new` checked the lengths.
        unsafe {
            let g = load(s, self.grads.add(e), live);
            let p = load(s, self.params.add(e), live);
            let (mut state, mut kept) = ([g; MAX_STATE], [g; MAX_KEPT]);
            for k in 0..F::MOMENTA + F::SQUARES {
                state[k] = load(s, self.state.add(k * self.padded + e), live);
            }
            for k in 0..F::KEPT {
                kept[k] = load(s, self.kept.add(k * self.padded + e), live);
            }
            Inputs { g, p, state, kept, factors, factor_squares: [s.splat(0.0); DECAYS] }
        }
    }
}

/// All channels.
#[inline(always)]
pub(in crate::lopt) fn channels<S: Simd, F: Features>(s: S, x: &Inputs<S>) -> [S::V; MAX_CHANNELS] {
    let mut out = [x.g; MAX_CHANNELS];
    for c in 0..F::RAW.len() {
        out[c] = match F::RAW[c] {
            Source::Grad => x.g,
            Source::Param => x.p,
            Source::State(k) => x.state[k],
            Source::Kept(k) => x.kept[k],
        };
    }
    let made = F::make(s, x);
    for c in 0..F::MADE {
        out[F::RAW.len() + c] = made[c];
    }
    out
}
