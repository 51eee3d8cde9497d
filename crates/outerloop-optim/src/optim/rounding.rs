//! Scalar functions whose rounding is part of a published update rule: one correctly rounded f32 each, on every
//! platform. An f32 function that errs by one unit moves 1 − β by 6e-5 of itself when β is 0.999.

/// 1 − βᵗ, the power rounded to f32 before the subtraction.
pub(crate) fn one_minus_power(beta: f32, t: f64) -> f32 {
    1.0 - rounded_power(beta, t)
}

/// βᵗ.
pub(crate) fn rounded_power(beta: f32, t: f64) -> f32 {
    power(f64::from(beta), t) as f32
}

/// βᵗ within a few units of f64: by squaring where t is a whole number, as iterations are.
fn power(beta: f64, t: f64) -> f64 {
    if t < 0.0 || t >= f64::from(u32::MAX) || t.fract() != 0.0 {
        return libm::pow(beta, t);
    }
    let (mut n, mut square, mut product) = (t as u32, beta, 1.0);
    while n > 0 {
        // No branch: which bits are set is different at every step, and a wrong guess costs more than a product.
        product *= if n & 1 == 1 { square } else { 1.0 };
        square *= square;
        n >>= 1;
    }
    product
}

/// eˣ.
pub(crate) fn exp(x: f32) -> f32 {
    libm::exp(f64::from(x)) as f32
}

/// ln x.
pub(crate) fn ln(x: f32) -> f32 {
    libm::log(f64::from(x)) as f32
}

/// x^y.
pub(crate) fn pow(x: f32, y: f32) -> f32 {
    libm::pow(f64::from(x), f64::from(y)) as f32
}
