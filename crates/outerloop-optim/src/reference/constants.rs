//! How literals reach the formulas.

/// Whether constants are the numbers an f32 program has, or the numbers as written.
///
/// 1 − 0.999 is 0.000999987125 in f32, 1.3e-5 away from 0.001, and 1.7e-4 for 0.9999: more than the tolerance of any
/// comparison. So the twin of an f32 program takes the f32 program's constants, although it computes in f64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constants {
    /// Rounded to f32, and combined with each other in f32: for comparisons with f32 code.
    Rounded,
    /// As written, in f64: for comparisons with an all-f64 run.
    Exact,
}

impl Constants {
    /// A literal.
    pub fn literal(self, x: f64) -> f64 {
        match self {
            Self::Rounded => f64::from(x as f32),
            Self::Exact => x,
        }
    }

    /// 1 − x for an x that an f32 program holds in an f32 variable.
    pub fn complement(self, x: f64) -> f64 {
        match self {
            Self::Rounded => f64::from(1.0 - x as f32),
            Self::Exact => 1.0 - x,
        }
    }

    /// 1 − βᵗ, the power being correctly rounded where constants are, but for a β so near to 1 that nothing would be left.
    pub fn one_minus_power(self, beta: f64, t: f64) -> f64 {
        if self == Self::Rounded && is_near_1(beta) {
            return -(t * self.literal(beta).ln()).exp_m1();
        }
        self.complement(self.literal(beta).powf(t))
    }
}

/// Whether 1 − β, taken before rounding, and what is left of 1 after subtracting the rounded β differ by more than 1e-4.
fn is_near_1(beta: f64) -> bool {
    let held = 1.0 - f64::from(beta as f32);
    (1.0 - beta - held).abs() > 1e-4 * held
}

/// A decay β together with its 1 − β.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decay {
    /// β.
    pub beta: f64,
    /// 1 − β, by the rule of the code that is being followed.
    pub complement: f64,
}

impl Decay {
    /// A decay written as a literal: 1 − β is taken first and then rounded, unless β is so near to 1 that the rounded β is
    /// another number.
    pub fn literal(beta: f64, constants: Constants) -> Self {
        if constants == Constants::Rounded && is_near_1(beta) {
            return Self::array(beta, constants);
        }
        Self { beta: constants.literal(beta), complement: constants.literal(1.0 - beta) }
    }

    /// A decay held in an array: β is rounded first, then 1 − β taken.
    pub fn array(beta: f64, constants: Constants) -> Self {
        Self { beta: constants.literal(beta), complement: constants.complement(beta) }
    }

    /// A decay moved by a learned offset: β = 1 − exp(10·(ln(1 − β₀)/10 + offset)), each operation rounded where
    /// constants are. Below β₀ = 1 an offset above ln(1/(1 − β₀))/10 makes β negative; that is kept.
    pub fn learned(beta0: f64, offset: f64, constants: Constants) -> Self {
        let round = |x| constants.literal(x);
        let log = round(round(constants.complement(beta0).ln()) / 10.0);
        let beta = constants.complement(round(round(10.0 * round(log + offset)).exp()));
        Self { beta, complement: constants.complement(beta) }
    }

    /// The same with β held to [0, 1].
    pub fn clamped(self, constants: Constants) -> Self {
        let beta = super::primitives::clip(self.beta, 0.0, 1.0);
        Self { beta, complement: constants.complement(beta) }
    }

    /// Moves a running mean towards `x`: β·mean + (1 − β)·x.
    pub fn update(self, mean: &mut f64, x: f64) {
        *mean = self.beta * *mean + self.complement * x;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hex values by IEEE 754: 1 − f32(β), in f32.
    #[test]
    fn complements_are_those_of_f32() {
        for (beta, bits) in [
            (0.1, 0x3f66_6666),
            (0.5, 0x3f00_0000),
            (0.9, 0x3dcc_ccd0),
            (0.95, 0x3d4c_ccd0),
            (0.99, 0x3c23_d700),
            (0.999, 0x3a83_1200),
            (0.9999, 0x38d1_c000),
        ] {
            let expected = f64::from(f32::from_bits(bits));
            assert_eq!(Decay::array(beta, Constants::Rounded).complement, expected, "{beta}");
        }
        // Of the decays that are learned anywhere, a zero offset gives back the very bits.
        for beta in [0.9, 0.99, 0.999] {
            let learned = Decay::learned(beta, 0.0, Constants::Rounded);
            assert_eq!(learned, Decay::array(beta, Constants::Rounded), "{beta}");
        }
        assert_eq!(Decay::literal(0.9, Constants::Rounded).complement, f64::from(0.1f32));
    }
}
