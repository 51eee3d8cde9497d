//! Per-parameter features and per-tensor statistics of the hierarchical optimizer.
use crate::simd::{Kernel, LANES, LaneSum, Simd, Workers, ln, rsqrt, totals};
use crate::tensor::{SHARE, SHARED};
use std::marker::PhantomData;
use std::ops::Range;

/// Decays of momentum and second moment.
pub(in crate::lopt) const DECAYS: [f32; 5] = [0.5, 0.9, 0.99, 0.999, 0.9999];
const NUM: usize = DECAYS.len();
/// g, p, ln|p|, m, v, m·s, s, and the old p.
pub(in crate::lopt) const MAX_CHANNELS: usize = OLD + 1;
/// Number of the channel of old parameters; theta has its weights after those of p.
pub(in crate::lopt) const OLD: usize = 3 + 4 * NUM;
/// Channels worth keeping: ln|p|, s.
pub(in crate::lopt) const KEPT: usize = 1 + NUM;
const LOG_FLOOR: f32 = 1e-8;
const SECOND_MOMENT_FLOOR: f32 = 1e-6;

/// Padded arrays of one tensor.
pub(in crate::lopt) struct TensorArrays<'a> {
    pub(in crate::lopt) len: usize,
    pub(in crate::lopt) params: &'a mut [f32],
    pub(in crate::lopt) grads: &'a mut [f32],
    /// Parameters of about 100 steps ago; none in the library's variant.
    pub(in crate::lopt) old: Option<&'a [f32]>,
    /// `[NUM, padded]`.
    pub(in crate::lopt) momenta: &'a mut [f32],
    /// `[NUM, padded]`.
    pub(in crate::lopt) squares: &'a mut [f32],
    /// Room for ln|p| and every s, `[KEPT, padded]`, if they are to be kept from the first pass to the second.
    pub(in crate::lopt) kept: Option<&'a mut [f32]>,
}

impl TensorArrays<'_> {
    /// Where the arrays are, for kernels.
    pub(in crate::lopt) fn pointers(&mut self) -> ArrayPointers<'_> {
        let padded = self.params.len();
        assert!(self.momenta.len() == NUM * padded && self.squares.len() == NUM * padded);
        assert!(self.grads.len() == padded && self.old.is_none_or(|old| old.len() == padded));
        assert!(self.kept.as_ref().is_none_or(|kept| kept.len() == KEPT * padded));
        ArrayPointers {
            len: self.len,
            padded,
            params: self.params.as_mut_ptr(),
            grads: self.grads.as_ptr(),
            old: self.old.map(<[f32]>::as_ptr),
            momenta: self.momenta.as_mut_ptr(),
            squares: self.squares.as_mut_ptr(),
            kept: self.kept.as_mut().map(|kept| kept.as_mut_ptr()),
            life: PhantomData,
        }
    }
}

/// [`TensorArrays`], of which threads may have copies.
#[derive(Clone, Copy)]
pub(in crate::lopt) struct ArrayPointers<'a> {
    pub(in crate::lopt) len: usize,
    padded: usize,
    pub(in crate::lopt) params: *mut f32,
    grads: *const f32,
    old: Option<*const f32>,
    momenta: *mut f32,
    squares: *mut f32,
    kept: Option<*mut f32>,
    life: PhantomData<&'a mut [f32]>,
}

// SAFETY: threads work on blocks of elements that do not meet.
unsafe impl Send for ArrayPointers<'_> {}
// SAFETY: as above.
unsafe impl Sync for ArrayPointers<'_> {}

/// The blocks that threads share a tensor of `len` elements in: one, if it is small.
pub(in crate::lopt) fn shares(len: usize) -> usize {
    if len < SHARED { 1 } else { len.div_ceil(SHARE) }
}

/// Elements of block `i` of those.
pub(in crate::lopt) fn share(len: usize, i: usize) -> Range<usize> {
    if len < SHARED { 0..len } else { i * SHARE..len.min((i + 1) * SHARE) }
}

/// ln(|p| + 1e-8).
#[inline(always)]
fn log_size<S: Simd>(s: S, p: S::V) -> S::V {
    ln(s, s.add(s.abs(p), s.splat(LOG_FLOOR)))
}

/// s = rsqrt(v + 1e-6).
#[inline(always)]
fn root<S: Simd>(s: S, v: S::V) -> S::V {
    rsqrt(s, s.add(v, s.splat(SECOND_MOMENT_FLOOR)))
}

/// β·`place` + (1−β)·`new`, in place.
/// # Safety
/// `place` is readable and writable for a register.
#[inline(always)]
unsafe fn blend<S: Simd>(s: S, place: *mut f32, beta: f32, new: S::V) -> S::V {
    // SAFETY: the caller's promise.
    unsafe {
        let x = s.fma(s.splat(beta), s.load(place), s.mul(s.splat(1.0 - beta), new));
        s.store(place, x);
        x
    }
}

/// Sums of one tensor.
#[derive(Clone, Copy, Debug)]
pub(in crate::lopt) struct Sums {
    /// Of every channel's square.
    pub(in crate::lopt) squares: [f32; MAX_CHANNELS],
    /// Of the momenta over all decays, the second moments over all decays, the parameters.
    pub(in crate::lopt) plain: [f32; 3],
}

/// Updates momenta and second moments in place, and sums: for large tensors the sums of blocks, in order.
pub(in crate::lopt) fn accumulate(workers: Workers<'_>, arrays: ArrayPointers<'_>) -> Sums {
    let cpu = workers.cpu();
    let block = |i: usize| {
        let Range { start, end } = share(arrays.len, i);
        cpu.run(Accumulate { arrays, from: start, to: end.next_multiple_of(LANES) })
    };
    let count = shares(arrays.len);
    if count == 1 {
        return block(0);
    }
    let mut blocks = vec![Sums { squares: [0.0; MAX_CHANNELS], plain: [0.0; 3] }; count];
    workers.fill(&mut blocks, block);
    let total = |part: &dyn Fn(&Sums) -> f32| blocks.iter().map(|b| f64::from(part(b))).sum::<f64>() as f32;
    Sums {
        squares: std::array::from_fn(|c| total(&|b| b.squares[c])),
        plain: std::array::from_fn(|c| total(&|b| b.plain[c])),
    }
}

/// Elements `from..to`, whole groups of lanes.
struct Accumulate<'a> {
    arrays: ArrayPointers<'a>,
    from: usize,
    to: usize,
}

impl Kernel for Accumulate<'_> {
    type Output = Sums;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Sums {
        let Self { arrays: a, from, to } = self;
        let (padded, kept) = (a.padded, a.kept);
        assert!(to <= padded);
        let mut squares = [LaneSum::zero(s); MAX_CHANNELS];
        let mut plain = [LaneSum::zero(s); 3];
        // One decay after the other, so that its sums stay in registers.
        for k in 0..NUM {
            let mut sums = [LaneSum::zero(s); 4];
            let [mut plain_m, mut plain_v, _] = plain;
            for group in (from..to).step_by(LANES) {
                for half in 0..LANES / S::WIDTH {
                    let at = group + half * S::WIDTH;
                    // SAFETY: `at + WIDTH <= padded`, the length of every array. In the gap after the last element all
                    // but the scale is 0.
                    unsafe {
                        let g = s.load(a.grads.add(at));
                        let m = blend(s, a.momenta.add(k * padded + at), DECAYS[k], g);
                        let v = blend(s, a.squares.add(k * padded + at), DECAYS[k], s.mul(g, g));
                        let mut scale = root(s, v);
                        if let Some(kept) = kept {
                            s.store(kept.add((1 + k) * padded + at), scale);
                        }
                        if at + S::WIDTH > a.len {
                            scale = s.keep(s.first(a.len.saturating_sub(at)), scale);
                        }
                        let scaled = s.mul(m, scale);
                        plain_m.add(s, half, m);
                        plain_v.add(s, half, v);
                        sums[0].fma(s, half, m, m);
                        sums[1].fma(s, half, v, v);
                        sums[2].fma(s, half, scaled, scaled);
                        sums[3].fma(s, half, scale, scale);
                    }
                }
            }
            (plain[0], plain[1]) = (plain_m, plain_v);
            for i in 0..4 {
                squares[3 + i * NUM + k] = sums[i];
            }
        }
        let mut sums = [LaneSum::zero(s); 4];
        for group in (from..to).step_by(LANES) {
            for half in 0..LANES / S::WIDTH {
                let at = group + half * S::WIDTH;
                // SAFETY: as above; in the gap gradient and parameters are 0.
                unsafe {
                    let (g, p) = (s.load(a.grads.add(at)), s.load(a.params.add(at)));
                    let mut log = log_size(s, p);
                    if let Some(kept) = kept {
                        s.store(kept.add(at), log);
                    }
                    if at + S::WIDTH > a.len {
                        log = s.keep(s.first(a.len.saturating_sub(at)), log);
                    }
                    plain[2].add(s, half, p);
                    sums[0].fma(s, half, g, g);
                    sums[1].fma(s, half, p, p);
                    sums[2].fma(s, half, log, log);
                    if let Some(old) = a.old {
                        let old = s.load(old.add(at));
                        sums[3].fma(s, half, old, old);
                    }
                }
            }
        }
        (squares[0], squares[1], squares[2], squares[OLD]) = (sums[0], sums[1], sums[2], sums[3]);
        Sums { squares: totals(s, &squares, MAX_CHANNELS), plain: totals(s, &plain, 3) }
    }
}

/// Σ(x − mean)² over `rows` rows of `len` live elements, rows padded: for long rows the sums of blocks, in order.
pub(in crate::lopt) fn deviation(
    workers: Workers<'_>,
    values: &[f32],
    rows: usize,
    len: usize,
    mean: f32,
) -> f32 {
    let (cpu, padded, count) = (workers.cpu(), values.len() / rows, shares(len));
    if count == 1 {
        return cpu.run(Deviation { values, rows, padded, part: 0..len, mean });
    }
    let mut blocks = vec![0.0; count];
    workers.fill(&mut blocks, |i| cpu.run(Deviation { values, rows, padded, part: share(len, i), mean }));
    blocks.into_iter().map(f64::from).sum::<f64>() as f32
}

/// Σ(x − mean)² over a part of every row.
struct Deviation<'a> {
    values: &'a [f32],
    rows: usize,
    padded: usize,
    part: Range<usize>,
    mean: f32,
}

impl Kernel for Deviation<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let Self { values, rows, padded, part: Range { start, end }, mean } = self;
        assert!(values.len() >= rows * padded && end.next_multiple_of(LANES) <= padded);
        let (mut sum, mean, whole) = (LaneSum::zero(s), s.splat(mean), end / LANES * LANES);
        for row in 0..rows {
            let p = values.as_ptr().wrapping_add(row * padded);
            for at in (start..end).step_by(LANES) {
                for half in 0..LANES / S::WIDTH {
                    let at = at + half * S::WIDTH;
                    // SAFETY: `at + WIDTH` is at most the part's end rounded up to whole groups.
                    let mut x = s.sub(unsafe { s.load(p.add(at)) }, mean);
                    if at >= whole {
                        x = s.keep(s.first(end.saturating_sub(at)), x);
                    }
                    sum.fma(s, half, x, x);
                }
            }
        }
        sum.total(s)
    }
}

impl ArrayPointers<'_> {
    /// Whether there are old parameters.
    pub(in crate::lopt) fn has_old(&self) -> bool {
        self.old.is_some()
    }

    /// Writes the channels of `V` registers of elements from `at`, with `limits` normalised and clipped, register v of channel
    /// c to `out[(c · V + v) · WIDTH ..]`; old parameters are among them if `OLD_TOO`.
    /// # Safety
    /// The registers are within the arrays, and `out` has room for theirs.
    #[inline(always)]
    pub(in crate::lopt) unsafe fn channels<S: Simd, const V: usize, const OLD_TOO: bool>(
        &self,
        s: S,
        at: usize,
        out: *mut f32,
        limits: Option<Limits<'_>>,
    ) {
        let put = Put { out, limits };
        // SAFETY: the caller's promise.
        unsafe {
            for v in 0..V {
                let e = at + v * S::WIDTH;
                let p = s.load(self.params.add(e));
                put.channel::<S, V>(s, 0, v, s.load(self.grads.add(e)));
                put.channel::<S, V>(s, 1, v, p);
                let log = match self.kept {
                    Some(kept) => s.load(kept.add(e)),
                    None => log_size(s, p),
                };
                put.channel::<S, V>(s, 2, v, log);
                if let (true, Some(old)) = (OLD_TOO, self.old) {
                    put.channel::<S, V>(s, OLD, v, s.load(old.add(e)));
                }
            }
            for k in 0..NUM {
                for v in 0..V {
                    let e = k * self.padded + at + v * S::WIDTH;
                    let (m, square) = (s.load(self.momenta.add(e)), s.load(self.squares.add(e)));
                    let root = match self.kept {
                        Some(kept) => s.load(kept.add(self.padded + e)),
                        None => root(s, square),
                    };
                    put.channel::<S, V>(s, 3 + k, v, m);
                    put.channel::<S, V>(s, 3 + NUM + k, v, square);
                    put.channel::<S, V>(s, 3 + 2 * NUM + k, v, s.mul(m, root));
                    put.channel::<S, V>(s, 3 + 3 * NUM + k, v, root);
                }
            }
        }
    }
}

/// How channels are limited.
#[derive(Clone, Copy)]
pub(in crate::lopt) struct Limits<'a> {
    /// Reciprocal root mean square of every channel.
    pub(in crate::lopt) scale: &'a [f32; MAX_CHANNELS],
    /// Bound of the normalised channels.
    pub(in crate::lopt) bound: f32,
}

/// Where channels go, and how.
#[derive(Clone, Copy)]
struct Put<'a> {
    out: *mut f32,
    limits: Option<Limits<'a>>,
}

impl Put<'_> {
    /// Writes register `v` of `V` of channel `c`.
    /// # Safety
    /// There is room for them.
    #[inline(always)]
    unsafe fn channel<S: Simd, const V: usize>(self, s: S, c: usize, v: usize, x: S::V) {
        let x = match self.limits {
            Some(Limits { scale, bound }) => s.clamp(s.mul(x, s.splat(scale[c])), -bound, bound),
            None => x,
        };
        // SAFETY: the caller's promise.
        unsafe { s.store(self.out.add((c * V + v) * S::WIDTH), x) };
    }
}
