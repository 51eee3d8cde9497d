//! How large gradients may be: the square of 1.8e19 is the end of f32.

/// Largest gradient whose square an array of state may have: 2⁶¹ ≈ 2.3e18. What a rule adds to squares, or to gradients
/// before it takes them, then stays below 2¹²⁸.
const LARGEST: f32 = (1u64 << 61) as f32;

/// Sizes of gradients at which a rule does what it is meant to do.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum GradRange {
    /// Any: it keeps no squares, or clips gradients before.
    #[default]
    Any,
    /// It keeps squares, and its steps depend little on the size of gradients: those of a tensor with a larger element are
    /// scaled down by a power of two.
    Held {
        /// A power of two, at most 2⁶¹.
        largest: f32,
    },
    /// It sums squares over a tensor, and its steps depend on the size of gradients: what is so large that the sum might leave
    /// f32, 2⁶¹/√n of n elements, counts as not finite.
    Refused,
}

impl GradRange {
    /// For squares kept element by element.
    pub(crate) const SQUARES: Self = Self::Held { largest: LARGEST };
    /// For squares summed over a tensor, or remembered ever longer: 2⁴⁰ ≈ 1.1e12. Adafactor, whose decay goes to 1, forgets a
    /// gradient of that size in some 20,000 updates, and one of 2⁶¹ in 400,000.
    pub(crate) const SUMS: Self = Self::Held { largest: (1u64 << 40) as f32 };

    /// Largest element of a tensor of `len` elements.
    pub fn largest(self, len: usize) -> f32 {
        match self {
            Self::Any => f32::MAX,
            Self::Held { largest } => largest,
            Self::Refused => {
                let half = len.next_power_of_two().trailing_zeros().div_ceil(2);
                LARGEST / (1u64 << half) as f32
            }
        }
    }

    /// The range of two rules that get the same gradients.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Refused, _) | (_, Self::Refused) => Self::Refused,
            (Self::Held { largest: a }, Self::Held { largest: b }) => Self::Held { largest: a.min(b) },
            (Self::Any, range) | (range, Self::Any) => range,
        }
    }
}

/// The power of two, at most 1, that brings a largest element of `largest` to at most `bound`, itself a power of two.
pub fn factor_to(bound: f32, largest: f32) -> f32 {
    let exponent = |x: f32| (x.to_bits() >> 23).cast_signed();
    let excess = exponent(largest) - exponent(bound) + 1;
    f32::from_bits((127 - excess.clamp(0, 126)).cast_unsigned() << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_squares_stay_in_f32() {
        for range in [GradRange::SUMS, GradRange::Refused] {
            for len in [1, 2, 3, 16, 17, 1000, 1 << 20, (1 << 30) + 1] {
                let bound = f64::from(range.largest(len));
                assert!(bound * bound * len as f64 <= 2f64.powi(122), "{range:?} {len}");
            }
        }
    }

    #[test]
    fn factors_bring_what_is_too_large_below_the_bound() {
        for largest in [3e18f32, 1e19, 1e20, 1e30, f32::MAX] {
            let held = largest * factor_to(LARGEST, largest);
            assert!(held <= LARGEST && held > LARGEST / 4.0, "{largest}: {held}");
        }
        assert_eq!(factor_to(LARGEST, 1.0), 1.0);
    }

    #[test]
    fn the_stricter_range_of_two_holds() {
        use GradRange::{Any, Refused};
        assert_eq!(Any.and(GradRange::SUMS), GradRange::SUMS);
        assert_eq!(GradRange::SQUARES.and(GradRange::SUMS), GradRange::SUMS);
        assert_eq!(GradRange::SQUARES.and(Refused), Refused);
        assert_eq!(Any.and(Any), Any);
    }
}
