//! Decays of running means, m ← β·m + (1 − β)·x, as f32 holds them.
//!
//! Published code multiplies by β rounded to f32, but by 1 − β as it is in f64, rounded after the subtraction. The two stand
//! for slightly different means: 4.7e-5 of the result apart at β = 0.999, 1.3 % at 1 − 1e-6, which is inside TaskSet's
//! range. So the literal 1 − β is kept, as published, where it agrees with the rounded β; nearer to 1 decay, complement
//! and bias correction are all of the rounded β.

use super::rounding::rounded_power;

/// Largest relative difference of the two complements that published numbers have: 4.7e-5 at 0.999.
const AGREES: f64 = 1e-4;

/// A β in [0, 1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct MeanDecay {
    beta: f32,
    complement: f64,
    is_literal: bool,
}

impl MeanDecay {
    /// Of an option. What rounds to 1 counts as the largest number below it, so that no quotient is infinite; options
    /// refuse it.
    pub(crate) fn new(beta: f64) -> Self {
        let rounded = (beta as f32).min(1.0f32.next_down());
        let (literal, held) = (1.0 - beta, 1.0 - f64::from(rounded));
        let is_literal = (literal - held).abs() <= AGREES * held;
        Self { beta: rounded, complement: if is_literal { literal } else { held }, is_literal }
    }

    /// β.
    pub(crate) fn beta(self) -> f32 {
        self.beta
    }

    /// 1 − β.
    pub(crate) fn complement(self) -> f32 {
        self.complement as f32
    }

    /// 2/(1 − β) − 1, the length of the mean's memory in RAdam; as published it is rounded to f32, unless β is near 1: from
    /// it a number of its own size is subtracted.
    pub(crate) fn longest_memory(self) -> f64 {
        let length = 2.0 / self.complement - 1.0;
        if self.is_literal { f64::from(length as f32) } else { length }
    }

    /// βᵗ and 1 − βᵗ. As published, the power is rounded to f32 before the subtraction; near 1 that would leave nothing
    /// of the difference.
    pub(crate) fn powers(self, t: f64) -> [f64; 2] {
        if self.is_literal {
            let power = rounded_power(self.beta, t);
            return [power, 1.0 - power].map(f64::from);
        }
        let rest = -libm::expm1(t * libm::log1p(-self.complement));
        [1.0 - rest, rest]
    }

    /// 1/(1 − βᵗ): what a mean that began at 0 has to be multiplied by after `t` updates.
    pub(crate) fn correction(self, t: f64) -> f32 {
        1.0 / self.powers(t)[1] as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean of a constant 1 after t updates is 1 − βᵗ, and its correction makes it 1. Tolerance: half of the 1e-4 that
    /// literals may be off, and 2⁻²⁴ an update, which the running mean rounds.
    #[test]
    fn a_corrected_mean_of_a_constant_is_the_constant() {
        for beta in [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 1.0 - 1e-6, 1.0 - 1e-7, 1.0 - 4e-8] {
            let decay = MeanDecay::new(beta);
            let mut mean = 0.0f64;
            for t in 1..=5000 {
                mean = f64::from(decay.beta()) * mean + f64::from(decay.complement());
                let got = mean * f64::from(decay.correction(f64::from(t)));
                assert!((got - 1.0).abs() < 1e-4, "{beta} {t} {got}");
            }
        }
    }

    /// 1 − 0.999 is 0.001 in published code, and not the 0.00100004673 that remains of the rounded β.
    #[test]
    fn literals_are_as_published() {
        assert_eq!(MeanDecay::new(0.999).complement(), 0.001);
        assert_eq!(MeanDecay::new(0.9).complement(), 0.1);
        assert_eq!(MeanDecay::new(1.0 - 1e-6).complement(), 1.0 - (1.0f64 - 1e-6) as f32);
        assert!(MeanDecay::new(1.0).correction(1.0).is_finite());
    }
}
