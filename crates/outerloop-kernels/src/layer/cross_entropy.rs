//! Softmax cross entropy, mean over the batch.

use crate::simd::{Kernel, LANES, LaneSum, Simd, exp_nonpositive, ln};

/// Mean over the batch of −ln softmax(logits)\[label\]; `logits` become the gradient of that mean.
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
        let mut this = Self { logits, labels, losses, classes, stride };
        let mut column = 0;
        while column + 4 * S::WIDTH <= stride {
            this.columns::<S, 4>(s, column);
            column += 4 * S::WIDTH;
        }
        while column < stride {
            this.columns::<S, 1>(s, column);
            column += S::WIDTH;
        }
        let Self { logits, losses, .. } = this;
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

impl CrossEntropy<'_> {
    /// Losses and softmax of `V` registers of columns: side by side, because each waits for itself from class to class.
    #[inline(always)]
    fn columns<S: Simd, const V: usize>(&mut self, s: S, column: usize) {
        let (stride, classes, batch) = (self.stride, self.classes, self.labels.len());
        let inverse = s.splat(1.0 / batch as f32);
        let zero = s.splat(0.0);
        // SAFETY: `V` registers from `column` are inside a row of `stride`, and `logits` holds `classes` rows.
        unsafe {
            let (logits, losses) =
                (self.logits.as_mut_ptr().add(column), self.losses.as_mut_ptr().add(column));
            let (mut max, mut sum, mut scale) = ([zero; V], [zero; V], [zero; V]);
            for v in 0..V {
                max[v] = s.load(logits.add(v * S::WIDTH));
            }
            for c in 1..classes {
                for v in 0..V {
                    max[v] = s.max(max[v], s.load(logits.add(c * stride + v * S::WIDTH)));
                }
            }
            for c in 0..classes {
                for v in 0..V {
                    let place = logits.add(c * stride + v * S::WIDTH);
                    let e = exp_nonpositive(s, s.sub(s.load(place), max[v]));
                    s.store(place, e);
                    sum[v] = s.add(sum[v], e);
                }
            }
            for v in 0..V {
                let at = column + v * S::WIDTH;
                let live = s.first(batch.saturating_sub(at).min(S::WIDTH));
                let place = losses.add(v * S::WIDTH);
                let loss = s.sub(s.add(ln(s, sum[v]), max[v]), s.load(place));
                s.store(place, s.keep(live, loss));
                scale[v] = s.keep(live, s.div(inverse, sum[v]));
            }
            for c in 0..classes {
                for v in 0..V {
                    let place = logits.add(c * stride + v * S::WIDTH);
                    s.store(place, s.mul(s.load(place), scale[v]));
                }
            }
        }
    }
}
