//! Products: layers and matrices.

use super::map::Function;
use super::zip::broadcast;
use super::{OpDef, arity, numbers, shaped};
use crate::program::op_cost::OpCost;
use crate::program::types::Type;
use candle_core::{Result as Candle, Tensor};
use serde::{Deserialize, Serialize};

/// activation(x·w + b) over the last axis. Arguments: x `[…, k]`, w `[k, n]` and perhaps b `[n]`; result `[…, n]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dense {
    /// Applied to the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<Function>,
}

/// Products of matrices. Arguments: a `[…, m, k]` and b `[…, k, n]`, whose other axes are broadcast; result `[…, m, n]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Matmul {
    /// Whether the last two axes of a are the other way round, and those of b.
    #[serde(default)]
    pub transposed: [bool; 2],
}

/// Applies an activation, if there is one.
pub(super) fn activated(activation: Option<Function>, x: Tensor) -> Candle<Tensor> {
    activation.map_or(Ok(x.clone()), |function| function.of(&x))
}

impl OpDef for Dense {
    fn infer(&self, args: &[&Type]) -> Result<Type, String> {
        arity(args, &[2, 3], "x, w and perhaps b")?;
        numbers(args)?;
        let (x, w) = (args[0], args[1]);
        let (Some((&k, rest)), &[rows, n]) = (x.shape.split_last(), &w.shape[..]) else {
            return Err(format!("expected x [..., k] and w [k, n], got {x} and {w}"));
        };
        if rows != k {
            return Err(format!("expected as many rows of w as x has features ({k}), got {x} and {w}"));
        }
        if let Some(b) = args.get(2) {
            shaped("b", b, &[n])?;
        }
        Ok(Type::f32([rest, &[n]].concat()))
    }

    fn cost(&self, args: &[&Type], out: &Type) -> OpCost {
        let k = args[1].shape[0];
        OpCost::product(out.len().saturating_mul(k)).and(OpCost::elementwise(out.len(), 1))
    }

    fn candle(&self, args: &[Tensor], _: Option<&Tensor>) -> Candle<Tensor> {
        let (x, w) = (&args[0], &args[1]);
        let (k, n) = w.dims2()?;
        let shape = [&x.dims()[..x.rank() - 1], &[n]].concat();
        let mut out = x.reshape(((), k))?.matmul(w)?;
        if let Some(b) = args.get(2) {
            out = out.broadcast_add(b)?;
        }
        activated(self.activation, out.reshape(shape)?)
    }
}

impl Matmul {
    fn dims(&self, args: &[&Type]) -> Option<[[usize; 2]; 2]> {
        let last = |i: usize| {
            let shape = &args[i].shape;
            let (rows, cols) = (*shape.get(shape.len().checked_sub(2)?)?, *shape.last()?);
            Some(if self.transposed[i] { [cols, rows] } else { [rows, cols] })
        };
        Some([last(0)?, last(1)?])
    }
}

impl OpDef for Matmul {
    fn infer(&self, args: &[&Type]) -> Result<Type, String> {
        arity(args, &[2], "a and b")?;
        numbers(args)?;
        let Some([[m, k], [rows, n]]) = self.dims(args) else {
            return Err(format!("expected matrices, got {} and {}", args[0], args[1]));
        };
        let batch = |t: &Type| t.shape[..t.rank() - 2].to_vec();
        match broadcast(&batch(args[0]), &batch(args[1])) {
            Some(shape) if rows == k => Ok(Type::f32([&shape[..], &[m, n]].concat())),
            _ => {
                let which = self.transposed;
                Err(format!(
                    "expected [..., m, k] and [..., k, n], transposed {which:?}, got {} and {}",
                    args[0], args[1]
                ))
            }
        }
    }

    fn cost(&self, args: &[&Type], out: &Type) -> OpCost {
        let k = self.dims(args).map_or(0, |[[_, k], _]| k);
        OpCost::product(out.len().saturating_mul(k))
    }

    fn candle(&self, args: &[Tensor], _: Option<&Tensor>) -> Candle<Tensor> {
        let side = |i: usize| {
            let x = &args[i];
            if self.transposed[i] {
                x.transpose(x.rank() - 2, x.rank() - 1)?.contiguous()
            } else {
                x.contiguous()
            }
        };
        side(0)?.broadcast_matmul(&side(1)?)
    }
}
