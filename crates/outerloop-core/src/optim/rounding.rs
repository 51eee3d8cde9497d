//! Scalar functions whose rounding is part of a published update rule: one correctly rounded f32 each, on every
//! platform. An f32 function that errs by one unit moves 1 − β by 6e-5 of itself when β is 0.999.

/// 1 − βᵗ, the power rounded to f32 before the subtraction.
pub(crate) fn one_minus_power(beta: f32, t: f64) -> f32 {
    1.0 - libm::pow(f64::from(beta), t) as f32
}

/// eˣ.
pub(crate) fn exp(x: f32) -> f32 {
    libm::exp(f64::from(x)) as f32
}

/// ln x.
pub(crate) fn ln(x: f32) -> f32 {
    libm::log(f64::from(x)) as f32
}
