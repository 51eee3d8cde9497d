//! Normalisation to mean 0 and variance 1.

use super::{OpDef, arity, numbers, shaped};
use crate::program::op_cost::OpCost;
use crate::program::types::Type;
use candle_core::{Result as Candle, Tensor};
use serde::{Deserialize, Serialize};

/// (x − mean)/√(variance + eps)·scale + offset over the last axis. Arguments: x `[…, features]` and perhaps scale and offset,
/// both `[features]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerNorm {
    /// Added to the variance, above 0.
    #[serde(default = "layer_eps")]
    pub eps: f64,
}

/// The same over all axes but the last, with the statistics of the minibatch. Arguments: x `[…, features]` and perhaps offset
/// `[features]`, or scale and offset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchNorm {
    /// Added to the variance, above 0.
    #[serde(default = "batch_eps")]
    pub eps: f64,
}

fn layer_eps() -> f64 {
    1e-5
}

fn batch_eps() -> f64 {
    1e-3
}

fn checked(args: &[&Type], counts: &[usize], eps: f64) -> Result<Type, String> {
    arity(args, counts, "x and perhaps scale and offset")?;
    numbers(args)?;
    let Some(&features) = args[0].shape.last() else {
        return Err(format!("expected x [..., features], got {}", args[0]));
    };
    for arg in &args[1..] {
        shaped("scale and offset", arg, &[features])?;
    }
    if !(eps as f32 > 0.0 && (eps as f32).is_finite()) {
        return Err(format!("expected `eps` above 0, got {eps}"));
    }
    Ok(args[0].clone())
}

/// Over `axis` of a matrix; the variance is the biased one.
fn normalized(x: &Tensor, axis: usize, eps: f64) -> Candle<Tensor> {
    let centred = x.broadcast_sub(&x.mean_keepdim(axis)?)?;
    let variance = centred.sqr()?.mean_keepdim(axis)?;
    centred.broadcast_div(&(variance + eps)?.sqrt()?)
}

impl OpDef for LayerNorm {
    fn infer(&self, args: &[&Type]) -> Result<Type, String> {
        checked(args, &[1, 3], self.eps)
    }

    fn cost(&self, _: &[&Type], out: &Type) -> OpCost {
        OpCost::elementwise(out.len(), 8)
    }

    fn candle(&self, args: &[Tensor], _: Option<&Tensor>) -> Candle<Tensor> {
        let out = normalized(&args[0], args[0].rank() - 1, self.eps)?;
        match &args[1..] {
            [scale, offset] => out.broadcast_mul(scale)?.broadcast_add(offset),
            _ => Ok(out),
        }
    }
}

impl OpDef for BatchNorm {
    fn infer(&self, args: &[&Type]) -> Result<Type, String> {
        checked(args, &[1, 2, 3], self.eps)
    }

    fn cost(&self, _: &[&Type], out: &Type) -> OpCost {
        OpCost::elementwise(out.len(), 8)
    }

    fn candle(&self, args: &[Tensor], _: Option<&Tensor>) -> Candle<Tensor> {
        let x = &args[0];
        let features = x.dims()[x.rank() - 1];
        let out = normalized(&x.reshape(((), features))?, 0, self.eps)?.reshape(x.dims())?;
        match &args[1..] {
            [offset] => out.broadcast_add(offset),
            [scale, offset] => out.broadcast_mul(scale)?.broadcast_add(offset),
            _ => Ok(out),
        }
    }
}
