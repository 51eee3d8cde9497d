//! Per-parameter features and per-tensor statistics of the hierarchical optimizer.
use super::STRIDE;
use crate::simd::{Kernel, LANES, LaneSum, Simd, ln, rsqrt, totals};

/// Decays of momentum and second moment.
pub(super) const DECAYS: [f32; 5] = [0.5, 0.9, 0.99, 0.999, 0.9999];
const NUM: usize = DECAYS.len();
/// g, p, ln|p|, m, v, m·s, s, and the old p.
pub(super) const MAX_CHANNELS: usize = OLD + 1;
/// Number of the channel of old parameters; theta has its weights after those of p.
pub(super) const OLD: usize = 3 + 4 * NUM;
const LOG_FLOOR: f32 = 1e-8;
const SECOND_MOMENT_FLOOR: f32 = 1e-6;

/// Padded arrays of one tensor.
pub(super) struct TensorArrays<'a> {
    pub(super) len: usize,
    pub(super) params: &'a mut [f32],
    pub(super) grads: &'a mut [f32],
    /// Parameters of about 100 steps ago; none in the library's variant.
    pub(super) old: Option<&'a [f32]>,
    /// `[NUM, padded]`.
    pub(super) momenta: &'a mut [f32],
    /// `[NUM, padded]`.
    pub(super) squares: &'a mut [f32],
}

/// The channels of one register: g, p, ln|p|, m, v, m·s, s. Their number is known to the compiler, or it would keep them
/// in memory. Old parameters are a channel of their own ([`OLD`]).
#[inline(always)]
fn channels<S: Simd>(s: S, g: S::V, p: S::V, m: [S::V; NUM], v: [S::V; NUM]) -> [S::V; OLD] {
    let mut out = [g; OLD];
    (out[1], out[2]) = (p, ln(s, s.add(s.abs(p), s.splat(LOG_FLOOR))));
    for k in 0..NUM {
        let scale = rsqrt(s, s.add(v[k], s.splat(SECOND_MOMENT_FLOOR)));
        out[3 + k] = m[k];
        out[3 + NUM + k] = v[k];
        out[3 + 2 * NUM + k] = s.mul(m[k], scale);
        out[3 + 3 * NUM + k] = scale;
    }
    out
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

/// Clips gradients to ±`bound` in place and returns Σg².
pub(super) struct Clip<'a> {
    pub(super) grads: &'a mut [f32],
    pub(super) bound: f32,
}

impl Kernel for Clip<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let mut sum = LaneSum::zero(s);
        for group in self.grads.chunks_exact_mut(LANES) {
            for half in 0..LANES / S::WIDTH {
                // SAFETY: `half * WIDTH + WIDTH <= LANES`.
                unsafe {
                    let p = group.as_mut_ptr().add(half * S::WIDTH);
                    let g = s.clamp(s.load(p), -self.bound, self.bound);
                    s.store(p, g);
                    sum.fma(s, half, g, g);
                }
            }
        }
        sum.total(s)
    }
}

/// Sums of one tensor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sums {
    /// Of every channel's square.
    pub(super) squares: [f32; MAX_CHANNELS],
    /// Of the momenta over all decays, the second moments over all decays, the parameters.
    pub(super) plain: [f32; 3],
}

/// Updates momenta and second moments in place, and sums.
pub(super) struct Accumulate<'a, 'b>(pub(super) &'a mut TensorArrays<'b>);

impl Kernel for Accumulate<'_, '_> {
    type Output = Sums;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Sums {
        let a = self.0;
        let padded = a.params.len();
        assert!(
            a.momenta.len() == NUM * padded && a.squares.len() == NUM * padded && a.grads.len() == padded
        );
        let mut squares = [LaneSum::zero(s); MAX_CHANNELS];
        let mut plain = [LaneSum::zero(s); 3];
        // One decay after the other, so that its sums stay in registers.
        for k in 0..NUM {
            let mut sums = [LaneSum::zero(s); 4];
            let [mut plain_m, mut plain_v, _] = plain;
            for group in (0..padded).step_by(LANES) {
                for half in 0..LANES / S::WIDTH {
                    let at = group + half * S::WIDTH;
                    // SAFETY: `at + WIDTH <= padded`, the length of every array. In the gap after the last element all
                    // but the scale is 0.
                    unsafe {
                        let g = s.load(a.grads.as_ptr().add(at));
                        let m = blend(s, a.momenta.as_mut_ptr().add(k * padded + at), DECAYS[k], g);
                        let v = blend(s, a.squares.as_mut_ptr().add(k * padded + at), DECAYS[k], s.mul(g, g));
                        let mut scale = rsqrt(s, s.add(v, s.splat(SECOND_MOMENT_FLOOR)));
                        if at + S::WIDTH > a.len {
                            scale = s.select(s.first(a.len.saturating_sub(at)), scale, s.splat(0.0));
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
        for group in (0..padded).step_by(LANES) {
            for half in 0..LANES / S::WIDTH {
                let at = group + half * S::WIDTH;
                // SAFETY: as above; in the gap gradient and parameters are 0.
                unsafe {
                    let (g, p) = (s.load(a.grads.as_ptr().add(at)), s.load(a.params.as_ptr().add(at)));
                    let mut log = ln(s, s.add(s.abs(p), s.splat(LOG_FLOOR)));
                    if at + S::WIDTH > a.len {
                        log = s.select(s.first(a.len.saturating_sub(at)), log, s.splat(0.0));
                    }
                    plain[2].add(s, half, p);
                    sums[0].fma(s, half, g, g);
                    sums[1].fma(s, half, p, p);
                    sums[2].fma(s, half, log, log);
                    if let Some(old) = a.old {
                        let old = s.load(old[at..][..S::WIDTH].as_ptr());
                        sums[3].fma(s, half, old, old);
                    }
                }
            }
        }
        (squares[0], squares[1], squares[2], squares[OLD]) = (sums[0], sums[1], sums[2], sums[3]);
        Sums { squares: totals(s, &squares, MAX_CHANNELS), plain: totals(s, &plain, 3) }
    }
}

/// Σ(x − mean)² over `rows` rows of `len` live elements, rows padded.
pub(super) struct Deviation<'a> {
    pub(super) values: &'a [f32],
    pub(super) rows: usize,
    pub(super) len: usize,
    pub(super) mean: f32,
}

impl Kernel for Deviation<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let mut sum = LaneSum::zero(s);
        let mean = s.splat(self.mean);
        for row in self.values.chunks_exact(self.values.len() / self.rows) {
            for (group, values) in row.chunks_exact(LANES).enumerate() {
                for half in 0..LANES / S::WIDTH {
                    let at = half * S::WIDTH;
                    let live = s.first(self.len.saturating_sub(group * LANES + at).min(S::WIDTH));
                    // SAFETY: `at + WIDTH <= LANES`, the length of the chunk.
                    let x = s.sub(unsafe { s.load(values.as_ptr().add(at)) }, mean);
                    let x = s.select(live, x, s.splat(0.0));
                    sum.fma(s, half, x, x);
                }
            }
        }
        sum.total(s)
    }
}

/// Channels of elements `at..at + n` into `features`, rows [`STRIDE`] apart; normalised only if they are to be clipped.
pub(super) struct FillBlock<'a, 'b> {
    pub(super) arrays: &'a TensorArrays<'b>,
    pub(super) at: usize,
    pub(super) n: usize,
    /// Reciprocal root mean square of every channel; read if `clip` is given.
    pub(super) scale: &'a [f32; MAX_CHANNELS],
    /// Bound of the normalised channels.
    pub(super) clip: Option<f32>,
    pub(super) features: &'a mut [f32],
}

impl Kernel for FillBlock<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { arrays: a, at, n, scale, clip, features } = self;
        let padded = a.params.len();
        let num_channels = MAX_CHANNELS - usize::from(a.old.is_none());
        assert!(n <= STRIDE && at + n.next_multiple_of(LANES) <= padded);
        assert!(features.len() >= num_channels * STRIDE && a.squares.len() == NUM * padded);
        for column in (0..n.next_multiple_of(LANES)).step_by(S::WIDTH) {
            let e = at + column;
            // SAFETY: `e + WIDTH <= padded`, the length of every array; a row of the block holds STRIDE.
            unsafe {
                let g = s.load(a.grads.as_ptr().add(e));
                let p = s.load(a.params.as_ptr().add(e));
                let (mut m, mut v) = ([g; NUM], [g; NUM]);
                for k in 0..NUM {
                    m[k] = s.load(a.momenta.as_ptr().add(k * padded + e));
                    v[k] = s.load(a.squares.as_ptr().add(k * padded + e));
                }
                let out = features.as_mut_ptr().add(column);
                let values = channels(s, g, p, m, v);
                for c in 0..OLD {
                    s.store(out.add(c * STRIDE), clipped(s, values[c], scale[c], clip));
                }
                if let Some(old) = a.old {
                    let x = s.load(old[e..][..S::WIDTH].as_ptr());
                    s.store(out.add(OLD * STRIDE), clipped(s, x, scale[OLD], clip));
                }
            }
        }
    }
}

/// `x` normalised and clipped, or as it is without a bound.
#[inline(always)]
fn clipped<S: Simd>(s: S, x: S::V, scale: f32, bound: Option<f32>) -> S::V {
    match bound {
        Some(bound) => s.clamp(s.mul(x, s.splat(scale)), -bound, bound),
        None => x,
    }
}
