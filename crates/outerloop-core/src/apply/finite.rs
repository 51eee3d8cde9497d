//! What becomes of gradients that are not finite.

use crate::simd::{Kernel, LaneSum, Simd, Workers};
use serde::{Deserialize, Serialize};

/// Elements that one thread looks at, at a time.
const CHUNK: usize = 1 << 16;

/// What a step does if a gradient has an element that is not finite, or so large that the rule's state would leave f32
/// ([`crate::optim::GradRange::Refused`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NonFinite {
    /// It is an error, and nothing changes.
    #[default]
    Throw,
    /// Nothing changes.
    Skip,
    /// The element counts as 0.
    Zero,
    /// The rule gets it as it is: gradients are not looked at, which saves one pass over them.
    Propagate,
}

/// Whether all elements are at most `bound` from 0, which NaN is not.
pub(super) fn is_within(workers: Workers<'_>, x: &[f32], bound: f32) -> bool {
    if x.len() <= CHUNK {
        return workers.cpu().run(IsWithin { x, bound });
    }
    let mut found = vec![true; x.len().div_ceil(CHUNK)];
    workers.fill(&mut found, |i| {
        let part = &x[i * CHUNK..x.len().min((i + 1) * CHUNK)];
        workers.cpu().run(IsWithin { x: part, bound })
    });
    found.into_iter().all(|is_within| is_within)
}

struct IsWithin<'a> {
    x: &'a [f32],
    bound: f32,
}

impl Kernel for IsWithin<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> bool {
        let (x, len, w) = (self.x.as_ptr(), self.x.len(), S::WIDTH);
        let (zero, bound) = (s.splat(0.0), s.splat(self.bound));
        // max gives its second operand where one is NaN, and a sum with NaN stays NaN.
        let mut excess = [zero; 4];
        let mut at = 0;
        // SAFETY: only what is there is read.
        unsafe {
            while at + 4 * w <= len {
                for i in 0..4 {
                    let over = s.sub(s.abs(s.load(x.add(at + i * w))), bound);
                    excess[i] = s.add(excess[i], s.max(zero, over));
                }
                at += 4 * w;
            }
            while at < len {
                let over = s.sub(s.abs(s.load_first(x.add(at), (len - at).min(w))), bound);
                excess[0] = s.add(excess[0], s.max(zero, over));
                at += w;
            }
        }
        let total = s.add(s.add(excess[0], excess[1]), s.add(excess[2], excess[3]));
        // Neither above 0 nor NaN.
        let mut lanes = LaneSum::zero(s);
        lanes.add(s, 0, total);
        lanes.total(s) == 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Backend, Cpu};

    #[test]
    fn one_bad_element_is_found_wherever_it_is() {
        for cpu in Backend::ALL.into_iter().filter_map(|backend| Cpu::new(backend).ok()) {
            for len in [1, 15, 16, 17, 63, 64, 200] {
                let mut x = vec![f32::MAX; len];
                assert!(is_within(Workers::one(cpu), &x, f32::MAX));
                for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    for at in 0..len {
                        let good = std::mem::replace(&mut x[at], bad);
                        assert!(!is_within(Workers::one(cpu), &x, f32::MAX), "{len} {at} {bad}");
                        x[at] = good;
                    }
                }
            }
        }
    }
}
