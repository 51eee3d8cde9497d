//! What becomes of gradients that are not finite.

use crate::simd::{Kernel, Simd, Workers};
use serde::{Deserialize, Serialize};

/// Elements that one thread looks at, at a time.
const CHUNK: usize = 1 << 16;

/// What a step does if a gradient has an element that is not finite.
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

/// Whether all elements are finite.
pub(super) fn all_finite(workers: Workers<'_>, x: &[f32]) -> bool {
    if x.len() <= CHUNK {
        return workers.cpu().run(AllFinite(x));
    }
    let mut found = vec![true; x.len().div_ceil(CHUNK)];
    workers.fill(&mut found, |i| {
        let part = &x[i * CHUNK..x.len().min((i + 1) * CHUNK)];
        workers.cpu().run(AllFinite(part))
    });
    found.into_iter().all(|is_finite| is_finite)
}

/// 0·x is NaN where x is not finite, and so is every sum it enters.
struct AllFinite<'a>(&'a [f32]);

impl Kernel for AllFinite<'_> {
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> bool {
        let (x, len, w) = (self.0.as_ptr(), self.0.len(), S::WIDTH);
        let zero = s.splat(0.0);
        let mut sums = [zero; 4];
        let mut at = 0;
        // SAFETY: only what is there is read.
        unsafe {
            while at + 4 * w <= len {
                for i in 0..4 {
                    sums[i] = s.fma(s.load(x.add(at + i * w)), zero, sums[i]);
                }
                at += 4 * w;
            }
            while at < len {
                sums[0] = s.fma(s.load_first(x.add(at), (len - at).min(w)), zero, sums[0]);
                at += w;
            }
        }
        let mut total = crate::simd::LaneSum::zero(s);
        total.add(s, 0, s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3])));
        total.total(s) == 0.0
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
                assert!(all_finite(Workers::one(cpu), &x));
                for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    for at in 0..len {
                        let good = std::mem::replace(&mut x[at], bad);
                        assert!(!all_finite(Workers::one(cpu), &x), "{len} {at} {bad}");
                        x[at] = good;
                    }
                }
            }
        }
    }
}
