//! Softmax cross entropy, mean over the batch.

use crate::simd::{Kernel, LANES, LaneSum, Simd, exp_nonpositive, ln};

/// Mean over the batch of −ln softmax(logits)[label]; `logits` become the gradient of that mean.
///
/// # Shapes
/// `logits: [classes, stride]`, `labels: [batch]`, `losses: [stride]` (scratch: loss of every example), with `stride`
/// the batch rounded up to a multiple of [`LANES`]. Gradients of columns past the batch are zero.
/// # Panics
/// If a length does not fit or a label is no class: a bug of the caller.
pub fn cross_entropy<'a>(
    logits: &'a mut [f32],
    labels: &'a [u32],
    losses: &'a mut [f32],
) -> impl Kernel<Output = f32> + 'a {
    let stride = labels.len().next_multiple_of(LANES);
    assert!(stride > 0 && losses.len() == stride && logits.len().is_multiple_of(stride));
    let classes = logits.len() / stride;
    assert!(labels.iter().all(|&label| (label as usize) < classes));
    CrossEntropy { logits, labels, losses, classes, stride }
}

struct CrossEntropy<'a> {
    logits: &'a mut [f32],
    labels: &'a [u32],
    losses: &'a mut [f32],
    classes: usize,
    stride: usize,
}

impl Kernel for CrossEntropy<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let Self { logits, labels, losses, classes, stride } = self;
        let batch = labels.len();
        let inverse = 1.0 / batch as f32;
        for (b, &label) in labels.iter().enumerate() {
            losses[b] = logits[label as usize * stride + b];
        }
        for column in (0..stride).step_by(S::WIDTH) {
            let live = s.first(batch.saturating_sub(column).min(S::WIDTH));
            // SAFETY: `column + WIDTH <= stride`, and `logits` holds `classes` rows of `stride`.
            unsafe {
                let at = |c: usize| logits.as_ptr().add(c * stride + column);
                let mut max = s.load(at(0));
                for c in 1..classes {
                    max = s.max(max, s.load(at(c)));
                }
                let mut sum = s.splat(0.0);
                for c in 0..classes {
                    let e = exp_nonpositive(s, s.sub(s.load(at(c)), max));
                    s.store(at(c).cast_mut(), e);
                    sum = s.add(sum, e);
                }
                let loss = s.sub(s.add(ln(s, sum), max), s.load(losses.as_ptr().add(column)));
                s.store(losses.as_mut_ptr().add(column), s.select(live, loss, s.splat(0.0)));
                let scale = s.select(live, s.div(s.splat(inverse), sum), s.splat(0.0));
                for c in 0..classes {
                    s.store(at(c).cast_mut(), s.mul(s.load(at(c)), scale));
                }
            }
        }
        for (b, &label) in labels.iter().enumerate() {
            logits[label as usize * stride + b] -= inverse;
        }
        let mut total = LaneSum::zero(s);
        for group in losses.chunks_exact(LANES) {
            for half in 0..LANES / S::WIDTH {
                // SAFETY: `half * WIDTH + WIDTH <= LANES`.
                total.add(s, half, unsafe { s.load(group.as_ptr().add(half * S::WIDTH)) });
            }
        }
        total.total(s) * inverse
    }
}
