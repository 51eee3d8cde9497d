//! Ranges of options, and defaults that several optimizers share.

use crate::error::{Error, Result};

/// The error of an option out of range, unless `ok`.
pub(crate) fn expect(ok: bool, field: &str, range: &str, got: impl std::fmt::Debug) -> Result<()> {
    if ok {
        Ok(())
    } else {
        Err(Error::option(format!("optimizer config: expected `{field}` to be {range}, got {got:?}")))
    }
}

/// Above 0 and finite, as f32 too: rules compute in it.
pub(crate) fn positive(field: &str, x: f64) -> Result<()> {
    let range = f64::from(f32::MIN_POSITIVE)..=f64::from(f32::MAX);
    expect(range.contains(&x), field, "a number > 0 that f32 holds (1.2e-38 to 3.4e38)", x)
}

/// At least 0 and finite, as f32 too.
pub(crate) fn at_least_0(field: &str, x: f64) -> Result<()> {
    expect((0.0..=f64::from(f32::MAX)).contains(&x), field, "a number >= 0 that f32 holds (up to 3.4e38)", x)
}

/// At least 0 and below 1, as f32 too.
pub(crate) fn fraction(field: &str, x: f64) -> Result<()> {
    expect(x >= 0.0 && (x as f32) < 1.0, field, "in [0, 1), and in f32 still below 1 (up to 1 - 3e-8)", x)
}

/// At least `low` and at most `high`.
pub(crate) fn between(field: &str, x: f64, low: f64, high: f64) -> Result<()> {
    expect((low..=high).contains(&x), field, &format!("{low} to {high}"), x)
}

/// A whole number from 1 to `max`.
pub(crate) fn size(field: &str, x: usize, max: usize) -> Result<()> {
    expect((1..=max).contains(&x), field, &format!("1 to {max}"), x)
}

/// A regular expression as the library has them.
pub(crate) fn pattern(field: &str, x: &str) -> Result<()> {
    expect(regex::Regex::new(x).is_ok(), field, "a regular expression without look-around", x)
}

pub(crate) fn point_9() -> f64 {
    0.9
}
pub(crate) fn point_95() -> f64 {
    0.95
}
pub(crate) fn point_99() -> f64 {
    0.99
}
pub(crate) fn point_999() -> f64 {
    0.999
}
pub(crate) fn thousandth() -> f64 {
    0.001
}
pub(crate) fn eps8() -> f64 {
    1e-8
}
pub(crate) fn yes() -> bool {
    true
}
pub(crate) fn size_4() -> usize {
    4
}
pub(crate) fn size_32() -> usize {
    32
}
