//! What the per-parameter network reads and where its outputs go: one column a parameter.

use super::features::{Features, MAX_RAW, ONE_CONSTANT, PLAIN, Pointers, SidePointers};
use super::{STRIDE, VECTORS};
use crate::simd::{Simd, exp};
use crate::tensor::{load, store};
use std::marker::PhantomData;

/// The columns of a network, visited in order, a few registers at a time.
pub(in crate::lopt) trait Columns {
    /// Channels that are arrays, before those that are computed.
    const RAW: usize;
    /// Channels between those two whose weights the network does not read.
    const LEFT_OUT: usize = 0;
    /// Channels that are computed, where that is known here.
    const MADE: Option<usize>;
    /// Units of the hidden layers, where that is known here.
    const HIDDEN: Option<usize>;
    /// See [`Features::OUTPUTS`].
    const OUTPUTS: usize;
    /// Whether the second hidden layer may be summed.
    const IS_SUMMED: bool = false;

    /// Makes ready `V` registers of columns from `at`; `scratch` holds `V` registers of every computed channel. Returns
    /// where the first of these channels lies and how far apart they are.
    /// # Safety
    /// The columns exist, whole registers of them.
    unsafe fn begin<S: Simd, const V: usize>(
        &mut self,
        s: S,
        at: usize,
        scratch: *mut f32,
    ) -> (*const f32, usize);

    /// The arrays, [`Columns::RAW`] of them.
    #[inline(always)]
    fn rows(&self) -> *const *const f32 {
        std::ptr::null()
    }

    /// What the first layer's sums of units `h..h + R` start from in the `V` registers made ready, columns from `at`.
    /// # Safety
    /// The units and the registers exist.
    unsafe fn starts<S: Simd, const R: usize, const V: usize>(
        &self,
        s: S,
        h: usize,
        at: usize,
    ) -> [[S::V; V]; R];
}

/// The same start for all columns: `bias[r]` for row r.
/// # Safety
/// `bias` is readable for `R` floats.
#[inline(always)]
pub(in crate::lopt) unsafe fn biases<S: Simd, const R: usize, const V: usize>(
    s: S,
    bias: *const f32,
) -> [[S::V; V]; R] {
    let mut out = [[s.splat(0.0); V]; R];
    for r in 0..R {
        // SAFETY: the caller's promise.
        out[r] = [s.splat(unsafe { *bias.add(r) }); V];
    }
    out
}

/// Columns whose channels were all written before, rows [`STRIDE`] apart.
pub(in crate::lopt) struct Stored {
    pub(in crate::lopt) features: *const f32,
    /// Where the first layer's sums start, `[hidden, STRIDE]`.
    pub(in crate::lopt) start: *const f32,
}

impl Columns for Stored {
    const RAW: usize = 0;
    const MADE: Option<usize> = None;
    const HIDDEN: Option<usize> = None;
    const OUTPUTS: usize = 4;

    #[inline(always)]
    unsafe fn begin<S: Simd, const V: usize>(&mut self, _: S, at: usize, _: *mut f32) -> (*const f32, usize) {
        // SAFETY: the column exists.
        (unsafe { self.features.add(at) }, STRIDE)
    }

    #[inline(always)]
    unsafe fn starts<S: Simd, const R: usize, const V: usize>(
        &self,
        s: S,
        h: usize,
        at: usize,
    ) -> [[S::V; V]; R] {
        let mut out = [[s.splat(0.0); V]; R];
        for r in 0..R {
            for v in 0..V {
                // SAFETY: the unit and the column exist.
                out[r][v] = unsafe { s.load(self.start.add((h + r) * STRIDE + at + v * S::WIDTH)) };
            }
        }
        out
    }
}

/// Columns that are read from a tensor's arrays: only what is computed passes through memory. Either nothing is factored
/// (`KIND` is [`PLAIN`]), or one side is constant along every run and runs have whole groups of lanes ([`ONE_CONSTANT`]).
/// The first `LEFT_OUT` computed channels are left out.
pub(in crate::lopt) struct Direct<'a, F, const KIND: u8, const LEFT_OUT: usize = 0> {
    arrays: Pointers<'a>,
    rows: [*const f32; MAX_RAW],
    /// The first column's element.
    first: usize,
    sides: SidePointers<'a>,
    bias: &'a [f32],
    /// Places on the two sides of the registers made ready.
    places: [[usize; 2]; VECTORS],
    features: PhantomData<F>,
}

impl<'a, F: Features, const KIND: u8, const LEFT_OUT: usize> Direct<'a, F, KIND, LEFT_OUT> {
    /// Columns of the elements from `first`; `bias` is where the first layer starts if nothing is factored.
    pub(in crate::lopt) fn new(
        arrays: Pointers<'a>,
        first: usize,
        sides: SidePointers<'a>,
        bias: &'a [f32],
    ) -> Self {
        assert!(sides.kind == KIND);
        let mut rows = [std::ptr::null(); MAX_RAW];
        for (row, source) in rows.iter_mut().zip(F::RAW) {
            *row = arrays.source(*source).wrapping_add(first);
        }
        Self { arrays, rows, first, sides, bias, places: [[0; 2]; VECTORS], features: PhantomData }
    }
}

impl<F: Features, const KIND: u8, const LEFT_OUT: usize> Columns for Direct<'_, F, KIND, LEFT_OUT> {
    const RAW: usize = F::RAW.len();
    const LEFT_OUT: usize = LEFT_OUT;
    const MADE: Option<usize> = Some(F::MADE.saturating_sub(LEFT_OUT));
    const HIDDEN: Option<usize> = F::HIDDEN;
    const OUTPUTS: usize = F::OUTPUTS;

    #[inline(always)]
    unsafe fn begin<S: Simd, const V: usize>(
        &mut self,
        s: S,
        at: usize,
        scratch: *mut f32,
    ) -> (*const f32, usize) {
        for v in 0..V {
            let e = self.first + at + v * S::WIDTH;
            // SAFETY: the columns exist, and the scratch has room for their registers.
            unsafe {
                if KIND == ONE_CONSTANT {
                    self.places[v] = self.sides.placed(e);
                }
                let factors = self.sides.factors::<S, KIND>(s, self.places[v], S::WIDTH);
                let x = self.arrays.inputs::<S, F>(s, e, S::WIDTH, factors);
                let made = F::make(s, &x);
                for c in LEFT_OUT..F::MADE {
                    s.store(scratch.add(((c - LEFT_OUT) * V + v) * S::WIDTH), made[c]);
                }
            }
        }
        (scratch, V * S::WIDTH)
    }

    #[inline(always)]
    fn rows(&self) -> *const *const f32 {
        self.rows.as_ptr()
    }

    #[inline(always)]
    unsafe fn starts<S: Simd, const R: usize, const V: usize>(
        &self,
        s: S,
        h: usize,
        _: usize,
    ) -> [[S::V; V]; R] {
        // SAFETY: the units and the registers exist.
        unsafe {
            if KIND == PLAIN {
                biases(s, self.bias.as_ptr().add(h))
            } else {
                self.sides.starts(s, h, &self.places)
            }
        }
    }
}

/// What becomes of the outputs, direction and magnitude, of every column.
pub(in crate::lopt) struct Sink<'a> {
    out: *mut f32,
    len: usize,
    /// Factor of the magnitude in the exponent; unused where there is but one output.
    exp_mult: f32,
    /// Factor of a step; without it the direction itself is wanted.
    step_mult: Option<f32>,
    /// Of four outputs the third and the fourth go this far behind the direction, and twice as far.
    plane: usize,
    life: PhantomData<&'a mut [f32]>,
}

// SAFETY: threads take parts that do not meet ([`Sink::block`]).
unsafe impl Sync for Sink<'_> {}

impl<'a> Sink<'a> {
    /// p ← p − direction·exp(exp_mult·magnitude)·step_mult; the network's channels may read the parameters too.
    /// # Safety
    /// `params` is writable for `len` floats while the sink lives.
    pub(in crate::lopt) unsafe fn step(params: *mut f32, len: usize, exp_mult: f32, step_mult: f32) -> Self {
        Self { out: params, len, exp_mult, step_mult: Some(step_mult), plane: 0, life: PhantomData }
    }

    /// `out` = direction·exp(exp_mult·magnitude).
    pub(in crate::lopt) fn direction(out: &'a mut [f32], exp_mult: f32) -> Self {
        let (out, len) = (out.as_mut_ptr(), out.len());
        Self { out, len, exp_mult, step_mult: None, plane: 0, life: PhantomData }
    }

    /// Of four outputs: `out[0..len]` = direction·exp(exp_mult·magnitude); the third and the fourth as they are go to the
    /// second and the last third of `out`.
    pub(in crate::lopt) fn four(out: &'a mut [f32], len: usize, exp_mult: f32) -> Self {
        let plane = out.len() / 3;
        assert!(len <= plane);
        Self { out: out.as_mut_ptr(), len, exp_mult, step_mult: None, plane, life: PhantomData }
    }

    /// Columns.
    pub(in crate::lopt) fn len(&self) -> usize {
        self.len
    }

    /// Where the direction is, and how far the third output of four is behind it.
    pub(in crate::lopt) fn planes(&self) -> (*const f32, usize) {
        (self.out, self.plane)
    }

    /// Whether it takes four outputs.
    pub(in crate::lopt) fn is_for_four(&self) -> bool {
        self.plane > 0
    }

    /// The `n` columns from `at`.
    pub(in crate::lopt) fn part(&mut self, at: usize, n: usize) -> Sink<'_> {
        // SAFETY: no other part is in use while this one borrows the whole.
        unsafe { self.block(at, n) }
    }

    /// [`Sink::part`] for threads that share the columns.
    /// # Safety
    /// Parts in use at the same time do not meet.
    pub(in crate::lopt) unsafe fn block(&self, at: usize, n: usize) -> Sink<'_> {
        assert!(at + n <= self.len);
        Sink { out: self.out.wrapping_add(at), len: n, ..*self }
    }

    /// Takes the outputs of `V` registers of columns from `at`.
    #[inline(always)]
    pub(in crate::lopt) fn take<S: Simd, const V: usize, const OUTPUTS: usize>(
        &mut self,
        s: S,
        at: usize,
        outputs: &[[S::V; V]; OUTPUTS],
    ) {
        let mut directions = outputs[0];
        if OUTPUTS >= 2 {
            for v in 0..V {
                let size = exp(s, s.mul(s.splat(self.exp_mult), outputs[1][v]));
                directions[v] = s.mul(directions[v], size);
            }
        }
        let left = self.len.saturating_sub(at);
        let out = self.out.wrapping_add(at);
        if left >= V * S::WIDTH {
            // One question for all registers.
            for v in 0..V {
                // SAFETY: all are there.
                unsafe { self.put::<S, V, OUTPUTS>(s, out, v, directions[v], outputs, S::WIDTH) };
            }
        } else {
            for v in 0..V {
                let live = left.saturating_sub(v * S::WIDTH).min(S::WIDTH);
                // SAFETY: `live` elements remain.
                unsafe { self.put::<S, V, OUTPUTS>(s, out, v, directions[v], outputs, live) };
            }
        }
    }

    /// Writes the first `live` columns of register `v`.
    /// # Safety
    /// As many elements remain from `out`, in each plane where there are more, and `v · WIDTH` before them.
    #[inline(always)]
    unsafe fn put<S: Simd, const V: usize, const OUTPUTS: usize>(
        &self,
        s: S,
        out: *mut f32,
        v: usize,
        mut direction: S::V,
        outputs: &[[S::V; V]; OUTPUTS],
        live: usize,
    ) {
        let out = out.wrapping_add(v * S::WIDTH);
        // SAFETY: the caller's promise.
        unsafe {
            if OUTPUTS == 4 {
                store(s, out.wrapping_add(self.plane), outputs[2][v], live);
                store(s, out.wrapping_add(2 * self.plane), outputs[3][v], live);
            }
            if let Some(step_mult) = self.step_mult {
                direction = s.sub(load(s, out, live), s.mul(direction, s.splat(step_mult)));
            }
            store(s, out, direction, live);
        }
    }
}
