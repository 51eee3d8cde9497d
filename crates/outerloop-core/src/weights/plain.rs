//! safetensors that say nothing of their optimizer: leaves by name, in any dtype of floating point.
//!
//! F16 and BF16 are exact in f32. F64 is rounded; what leaves the range of f32 is refused.

use super::leaf::Leaf;
use crate::error::{Error, Result};
use crate::params::TensorSpec;
use safetensors::tensor::{Dtype, SafeTensors};
use std::borrow::Cow;

/// Leaves of a file, and what was done to their numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct PlainLeaves {
    /// By name, sorted.
    pub leaves: Vec<Leaf<'static>>,
    /// A sentence for every dtype that was converted.
    pub notes: Vec<String>,
}

/// Reads all tensors of a safetensors file, whatever its metadata say.
/// # Errors
/// `CheckpointInvalid` if it is damaged, or naming a leaf that is of another dtype, not finite or beyond f32.
pub fn read_safetensors(bytes: &[u8]) -> Result<PlainLeaves> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|e| Error::checkpoint(format!("safetensors: {e}")).caused_by(e))?;
    let mut views = file.tensors();
    views.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut converted = [Dtype::F16, Dtype::BF16, Dtype::F64].map(|dtype| Converted { dtype, ..NOTHING });
    let mut leaves = vec![];
    for (name, view) in views {
        let Some(values) = widened(view.dtype(), view.data()) else {
            let got = format!("`{name}` to be F32, F64, F16 or BF16, got {:?}", view.dtype());
            return Err(Error::checkpoint(format!("weights: expected {got}")));
        };
        let leaf = Leaf {
            data: Cow::Owned(values.iter().map(|&x| x as f32).collect()),
            spec: TensorSpec::new(name, view.shape()),
        };
        if let Some(i) = values.iter().zip(&*leaf.data).position(|(x, y)| x.is_finite() && !y.is_finite()) {
            let Leaf { spec, .. } = leaf;
            return Err(Error::checkpoint(format!(
                "weights: expected numbers within the range of f32 in leaf `{}`, got {:e} at {i}",
                spec.name, values[i]
            )));
        }
        leaf.check_finite()?;
        if let Some(converted) = converted.iter_mut().find(|c| c.dtype == view.dtype()) {
            converted.add(&values, &leaf);
        }
        leaves.push(leaf);
    }
    Ok(PlainLeaves { leaves, notes: converted.iter().filter_map(Converted::note).collect() })
}

/// Little-endian numbers as f64, which has all of them; `None` if they are no floating point.
fn widened(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f64>> {
    let halves =
        |value: fn(u16) -> f64| bytes.as_chunks().0.iter().map(|&b| value(u16::from_le_bytes(b))).collect();
    match dtype {
        Dtype::F32 => Some(bytes.as_chunks().0.iter().map(|&b| f64::from(f32::from_le_bytes(b))).collect()),
        Dtype::F64 => Some(bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect()),
        Dtype::BF16 => Some(halves(|bits| f64::from(f32::from_bits(u32::from(bits) << 16)))),
        Dtype::F16 => Some(halves(half)),
        _ => None,
    }
}

/// The number that IEEE 754's binary16 has for `bits`.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff) / 1024.0);
    let size = match exponent {
        0 => fraction * 2f64.powi(-14),
        0x1f if fraction == 0.0 => f64::INFINITY,
        0x1f => f64::NAN,
        _ => (1.0 + fraction) * 2f64.powi(exponent - 15),
    };
    if bits >> 15 == 1 { -size } else { size }
}

/// What a dtype's numbers became.
struct Converted {
    dtype: Dtype,
    num_leaves: usize,
    /// Largest change of a number, relative to it, and the leaf and place where it is.
    error: f64,
    place: Option<(String, usize)>,
}

const NOTHING: Converted = Converted { dtype: Dtype::F64, num_leaves: 0, error: 0.0, place: None };

impl Converted {
    fn add(&mut self, values: &[f64], leaf: &Leaf<'_>) {
        self.num_leaves += 1;
        for (i, (x, y)) in values.iter().zip(&*leaf.data).enumerate() {
            let error = if *x == 0.0 { 0.0 } else { ((f64::from(*y) - x) / x).abs() };
            if error > self.error {
                self.error = error;
                self.place = Some((leaf.spec.name.clone(), i));
            }
        }
    }

    fn note(&self) -> Option<String> {
        let leaves = match self.num_leaves {
            0 => return None,
            1 => "One leaf was".to_string(),
            n => format!("{n} leaves were"),
        };
        let how = match &self.place {
            None => "exactly".to_string(),
            Some((name, i)) => {
                format!("with a relative error of at most {:.1e}, in `{name}` at {i}", self.error)
            }
        };
        Some(format!("{leaves} converted from {:?} to f32, {how}.", self.dtype))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of the standard's tables: least and largest subnormal and normal numbers, one, and a third.
    #[test]
    fn halves_are_those_of_the_standard() {
        for (bits, expected) in [
            (0x0000, 0.0),
            (0x0001, 5.960_464_477_539_063e-8),
            (0x03ff, 6.097_555_160_522_461e-5),
            (0x0400, 6.103_515_625e-5),
            (0x3555, 0.333_251_953_125),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x7c00, f64::INFINITY),
            (0xfc00, f64::NEG_INFINITY),
        ] {
            assert_eq!(half(bits), expected, "{bits:04x}");
        }
        assert!(half(0x7e00).is_nan());
    }
}
