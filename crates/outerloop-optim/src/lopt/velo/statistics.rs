//! What VeLO's LSTM sees of a tensor: statistics of parameters, momenta and second moment (spec: learned_optimizers §2 f).

use crate::lopt::engine::factored::DECAYS;
use crate::optim::rounding::ln;
use crate::optim::squares::sum_in_range;
use crate::simd::{Kernel, LANES, LaneSum, Simd, Workers, totals};
use crate::tensor::SHARED;

/// Elements whose sums are f32; sums of such sums are f64.
const BLOCK: usize = 4096;
/// Features of a tensor: a mean, five classes of rank, two variances a decay.
pub(super) const FEATURES: usize = 6 + 2 * DECAYS;
/// Sums of p², v, and the momenta.
const FIRST: usize = 2 + DECAYS;
/// Sums of squared distances from a momentum's mean: of the momenta, of the second moment.
const SECOND: usize = 2 * DECAYS;

/// Mean of the squares of `len` parameters, whose array is padded with zeros.
pub(super) fn mean_square(workers: Workers<'_>, params: &[f32], len: usize) -> f64 {
    let block = |from: usize, _| [sum_in_range(workers.cpu(), &params[from..params.len().min(from + BLOCK)])];
    let [sum] = sum_blocks(workers, len, block);
    sum / len as f64
}

/// The sums of what `f` gives for the blocks of `len` elements, by first element and length, in order. Threads share the
/// blocks of a large tensor.
fn sum_blocks<const N: usize>(
    workers: Workers<'_>,
    len: usize,
    f: impl Fn(usize, usize) -> [f32; N] + Sync,
) -> [f64; N] {
    let block = |i: usize| f(i * BLOCK, (len - i * BLOCK).min(BLOCK));
    let count = len.div_ceil(BLOCK);
    let mut sums = [0f64; N];
    let mut add = |block: [f32; N]| sums.iter_mut().zip(block).for_each(|(sum, x)| *sum += f64::from(x));
    if len < SHARED {
        (0..count).for_each(|i| add(block(i)));
    } else {
        let mut blocks = vec![[0.0; N]; count];
        workers.fill(&mut blocks, block);
        blocks.into_iter().for_each(add);
    }
    sums
}

/// Writes the features of a tensor of the given shape and returns its mean square. `params` is padded with zeros, and so
/// are the momenta and the second moment, one after the other in `state`.
pub(super) fn write_features(
    workers: Workers<'_>,
    shape: &[usize],
    params: &[f32],
    state: &[f32],
    out: &mut [f32],
) -> f64 {
    let (cpu, len) = (workers.cpu(), shape.iter().product::<usize>());
    let n = len as f64;
    let sums = sum_blocks(workers, len, |from, live| cpu.run(Sums { params, state, from, live }));
    let [square, v, momenta @ ..] = sums.map(|sum| sum / n);
    let means = momenta.map(|m| m as f32);
    let padded = params.len();
    let sums = sum_blocks(workers, len, |from, live| cpu.run(Distances { state, padded, from, live, means }));
    // As published, the second moment is multiplied by k once, and its distance is that from the momentum's mean.
    let k = 1.0 / if square < 1e-9 { 1e-9 } else { square }.sqrt();
    out[0] = scaled_log(k * v);
    let rank = shape.iter().filter(|&&size| size > 1).count();
    for (class, out) in out[1..6].iter_mut().enumerate() {
        *out = f32::from(u8::from(class == rank));
    }
    for (sum, out) in sums.iter().zip(&mut out[6..]) {
        *out = scaled_log(k * k * sum / n);
    }
    square
}

/// Half of ln(1e-8 + |10·x|) held to ±5.
fn scaled_log(x: f64) -> f32 {
    0.5 * ln((1e-8 + (10.0 * x).abs()) as f32).clamp(-5.0, 5.0)
}

/// Σp², Σv, Σm of `live` elements from `from`; what is beyond them in their group is zero.
struct Sums<'a> {
    params: &'a [f32],
    state: &'a [f32],
    from: usize,
    live: usize,
}

impl Kernel for Sums<'_> {
    type Output = [f32; FIRST];

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> [f32; FIRST] {
        let padded = self.params.len();
        let end = self.from + self.live.next_multiple_of(LANES);
        assert!(end <= padded && self.state.len() >= (DECAYS + 1) * padded);
        let (p, state) = (self.params.as_ptr(), self.state.as_ptr());
        let mut sums = [LaneSum::zero(s); FIRST];
        for group in (self.from..end).step_by(LANES) {
            for half in 0..LANES / S::WIDTH {
                let at = group + half * S::WIDTH;
                // SAFETY: `at + WIDTH <= padded`, the length of every array.
                unsafe {
                    let x = s.load(p.add(at));
                    sums[0].fma(s, half, x, x);
                    sums[1].add(s, half, s.load(state.add(DECAYS * padded + at)));
                    for k in 0..DECAYS {
                        sums[2 + k].add(s, half, s.load(state.add(k * padded + at)));
                    }
                }
            }
        }
        totals(s, &sums, FIRST)
    }
}

/// Σ(m − mean)² of every momentum, then Σ(v − mean)² with the same means, of `live` elements from `from`.
struct Distances<'a> {
    state: &'a [f32],
    padded: usize,
    from: usize,
    live: usize,
    means: [f32; DECAYS],
}

impl Kernel for Distances<'_> {
    type Output = [f32; SECOND];

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> [f32; SECOND] {
        let Self { state, padded, from, live, means } = self;
        let end = from + live;
        assert!(end.next_multiple_of(LANES) <= padded && state.len() >= (DECAYS + 1) * padded);
        let state = state.as_ptr();
        let mut sums = [LaneSum::zero(s); SECOND];
        for group in (from..end).step_by(LANES) {
            for half in 0..LANES / S::WIDTH {
                let at = group + half * S::WIDTH;
                let live = s.first(end.saturating_sub(at).min(S::WIDTH));
                // SAFETY: `at + WIDTH <= padded`, the length of every array.
                unsafe {
                    let v = s.load(state.add(DECAYS * padded + at));
                    for k in 0..DECAYS {
                        let mean = s.splat(means[k]);
                        let m = s.keep(live, s.sub(s.load(state.add(k * padded + at)), mean));
                        let v = s.keep(live, s.sub(v, mean));
                        sums[k].fma(s, half, m, m);
                        sums[DECAYS + k].fma(s, half, v, v);
                    }
                }
            }
        }
        totals(s, &sums, SECOND)
    }
}
