//! How a per-parameter optimizer describes its features: which accumulators it keeps, which arrays the network reads as
//! they are, and two functions from a register of inputs to what is computed ([`Features`]). It needs no kernel of its own:
//! [`super::accumulate`] updates and measures, [`super::columns`] and [`super::fill`] feed the network.

use super::factored::{DECAYS, Side};
use super::runs::{Factoring, Run};
use crate::simd::Simd;
use std::marker::PhantomData;

/// Most arrays of state an element has.
pub(super) const MAX_STATE: usize = 8;
/// Most arrays kept between the two passes.
pub(super) const MAX_KEPT: usize = 10;
/// Most channels that are read as they are.
pub(super) const MAX_RAW: usize = 20;
/// Most channels that are computed.
pub(super) const MAX_MADE: usize = 12;
/// Most channels.
pub(super) const MAX_CHANNELS: usize = MAX_RAW + MAX_MADE;

/// One register's worth of elements.
pub(super) struct Inputs<S: Simd> {
    /// Gradient.
    pub(super) g: S::V,
    /// Parameter.
    pub(super) p: S::V,
    /// Arrays of the state after their update; momenta first.
    pub(super) state: [S::V; MAX_STATE],
    /// What [`Features::keep`] gave.
    pub(super) kept: [S::V; MAX_KEPT],
    /// R·C of a factored tensor, else 0.
    pub(super) factors: [S::V; DECAYS],
}

/// An array that is a channel as it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    Grad,
    Param,
    /// Array of the state.
    State(usize),
    /// Array of what [`Features::keep`] gave.
    Kept(usize),
}

/// A part of the first pass: as many channels as a register file has room for the sums of.
pub(super) struct Pass {
    /// Arrays of the state to update, from–to.
    pub(super) state: (usize, usize),
    /// Arrays to keep, from–to.
    pub(super) kept: (usize, usize),
    /// Whether its channels or what it keeps read [`Inputs::factors`].
    pub(super) is_factored: bool,
    /// Channels to measure, at most [`MAX_MEASURED`].
    pub(super) channels: &'static [usize],
}

/// Most channels a pass measures.
pub(super) const MAX_MEASURED: usize = 8;
/// Most passes.
pub(super) const MAX_PASSES: usize = 6;

/// The features of an optimizer. Its functions are `#[inline(always)]`, as all that runs in kernels.
pub(super) trait Features: Sync {
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
    /// The first pass: together its parts update every array of state and measure every channel.
    const PASSES: &'static [Pass];
    /// Number of channels.
    const CHANNELS: usize = Self::RAW.len() + Self::MADE;

    /// What is kept, from gradient, parameter and state; what is beyond its number is ignored.
    fn keep<S: Simd>(s: S, x: &Inputs<S>) -> [S::V; MAX_KEPT];

    /// The computed channels; what is beyond their number is ignored.
    fn make<S: Simd>(s: S, x: &Inputs<S>) -> [S::V; MAX_MADE];
}

/// How one array of the state is updated: x ← β·x + complement·(g or g² + floor).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Decay {
    pub(super) beta: f32,
    /// 1 − β.
    pub(super) complement: f32,
    /// Added to the squared gradient.
    pub(super) floor: f32,
}

impl Decay {
    /// With 1 − β rounded as f32 has it.
    pub(super) fn new(beta: f32, floor: f32) -> Self {
        Self { beta, complement: 1.0 - beta, floor }
    }
}

/// A tensor's arrays, all padded to one length.
pub(super) struct Arrays<'a> {
    pub(super) params: &'a mut [f32],
    pub(super) grads: &'a mut [f32],
    /// Arrays of the state, one after the other.
    pub(super) state: &'a mut [f32],
}

/// A factored tensor's rows and columns.
#[derive(Clone, Copy)]
pub(super) struct Sides<'a> {
    pub(super) factoring: &'a Factoring,
    /// Factors of rows and of columns.
    pub(super) values: [&'a Side; 2],
    /// What rows (with the bias) and columns add to the first layer, `[hidden, stride]` each.
    pub(super) starts: [&'a [f32]; 2],
    pub(super) stride: usize,
}

/// Nothing is factored.
pub(super) const PLAIN: u8 = 0;
/// One side is constant along a run.
pub(super) const ONE_CONSTANT: u8 = 1;
/// Both sides are spread along a run.
pub(super) const BOTH_SPREAD: u8 = 2;

/// Pointers to the sides. Sums and products of two sides do not depend on their order, so what matters is only whether one
/// of them is constant along a run: that one comes first.
#[derive(Clone, Copy)]
pub(super) struct SidePointers<'a> {
    pub(super) kind: u8,
    /// Whether the columns come first.
    swapped: bool,
    factors: [[*const f32; DECAYS]; 2],
    starts: [*const f32; 2],
    stride: usize,
    life: PhantomData<Sides<'a>>,
}

// SAFETY: what it points to is only read.
unsafe impl Send for SidePointers<'_> {}
// SAFETY: as above.
unsafe impl Sync for SidePointers<'_> {}

impl<'a> SidePointers<'a> {
    /// Pointers for a tensor with `hidden` units whose sides are long enough.
    pub(super) fn new(sides: Option<Sides<'a>>, hidden: usize) -> Self {
        let null = std::ptr::null();
        let Some(Sides { factoring: f, values: [row, col], starts, stride }) = sides else {
            return Self {
                kind: PLAIN,
                swapped: false,
                factors: [[null; DECAYS]; 2],
                starts: [null; 2],
                stride: 0,
                life: PhantomData,
            };
        };
        for (side, len) in [(row, f.row_len), (col, f.col_len)] {
            assert!(side.factor.iter().all(|x| x.len() >= len) && stride >= len);
        }
        assert!(starts.iter().all(|x| x.len() >= hidden * stride));
        let kind = if f.is_row_constant || f.is_col_constant { ONE_CONSTANT } else { BOTH_SPREAD };
        let mut pointers = Self {
            kind,
            swapped: f.is_col_constant,
            factors: [row, col].map(|side| side.factor.each_ref().map(|x| x.as_ptr())),
            starts: starts.map(<[f32]>::as_ptr),
            stride,
            life: PhantomData,
        };
        if pointers.swapped {
            pointers.factors.swap(0, 1);
            pointers.starts.swap(0, 1);
        }
        pointers
    }

    /// Places of a run's first element on the two sides.
    #[inline(always)]
    pub(super) fn places(&self, run: &Run) -> [usize; 2] {
        if self.swapped { [run.col, run.row] } else { [run.row, run.col] }
    }

    /// R·C of every decay for `live` elements at the given places.
    /// # Safety
    /// The places are a run's, or `live` elements remain after them in the run; `KIND` is that of `self`.
    #[inline(always)]
    pub(super) unsafe fn factors<S: Simd, const KIND: u8>(
        &self,
        s: S,
        [a, b]: [usize; 2],
        live: usize,
    ) -> [S::V; DECAYS] {
        let mut out = [s.splat(0.0); DECAYS];
        if KIND != PLAIN {
            for k in 0..DECAYS {
                // SAFETY: the caller's promise.
                unsafe {
                    let x = side::<S, KIND>(s, self.factors[0][k].add(a), live);
                    out[k] = s.mul(x, load(s, self.factors[1][k].add(b), live));
                }
            }
        }
        out
    }

    /// Where unit `h` of the first layer starts for `live` elements at the given places.
    /// # Safety
    /// As [`SidePointers::factors`]; `h` is below the number of units.
    #[inline(always)]
    pub(super) unsafe fn start<S: Simd, const KIND: u8>(
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
    pub(super) unsafe fn starts<S: Simd, const R: usize, const V: usize>(
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

/// A value of the first side.
/// # Safety
/// `p` is readable for one float if the side is constant, else for `live <= WIDTH`.
#[inline(always)]
unsafe fn side<S: Simd, const KIND: u8>(s: S, p: *const f32, live: usize) -> S::V {
    // SAFETY: the caller's promise.
    unsafe { if KIND == ONE_CONSTANT { s.splat(*p) } else { load(s, p, live) } }
}

/// # Safety
/// `p` is readable for `live <= WIDTH` floats.
#[inline(always)]
pub(super) unsafe fn load<S: Simd>(s: S, p: *const f32, live: usize) -> S::V {
    // SAFETY: the caller's promise.
    unsafe { if live == S::WIDTH { s.load(p) } else { s.load_first(p, live) } }
}

/// # Safety
/// `p` is writable for `live <= WIDTH` floats.
#[inline(always)]
pub(super) unsafe fn store<S: Simd>(s: S, p: *mut f32, x: S::V, live: usize) {
    // SAFETY: the caller's promise.
    unsafe { if live == S::WIDTH { s.store(p, x) } else { s.store_first(p, x, live) } }
}

/// Pointers to the arrays of a tensor, which are borrowed for `'a`. A step's kernels each get a copy, one after the other,
/// or at a time for blocks of elements that do not meet.
#[derive(Clone, Copy)]
pub(super) struct Pointers<'a> {
    pub(super) grads: *const f32,
    pub(super) params: *mut f32,
    pub(super) state: *mut f32,
    pub(super) kept: *mut f32,
    /// Length of every array.
    pub(super) padded: usize,
    life: PhantomData<&'a mut [f32]>,
}

// SAFETY: threads that have copies work on blocks of elements that do not meet.
unsafe impl Send for Pointers<'_> {}
// SAFETY: as above.
unsafe impl Sync for Pointers<'_> {}

impl<'a> Pointers<'a> {
    /// Pointers to arrays that are long enough for `F`.
    pub(super) fn new<F: Features>(arrays: &'a mut Arrays<'_>, kept: &'a mut [f32]) -> Self {
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
    pub(super) fn source(&self, source: Source) -> *const f32 {
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
    pub(super) unsafe fn inputs<S: Simd, F: Features>(
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
            Inputs { g, p, state, kept, factors }
        }
    }
}

/// All channels.
#[inline(always)]
pub(super) fn channels<S: Simd, F: Features>(s: S, x: &Inputs<S>) -> [S::V; MAX_CHANNELS] {
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
