//! Functions of two values, element by element.

use super::{OpDef, arity, numbers};
use crate::program::op_cost::OpCost;
use crate::program::types::Type;
use candle_core::{Result as Candle, Tensor};
use serde::{Deserialize, Serialize};

/// `pairing` of two values. Arguments: a and b, whose axes are matched from the last one on; an axis of 1 is repeated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Zip {
    /// What is done.
    pub pairing: Pairing,
}

/// A function of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pairing {
    /// a + b.
    Add,
    /// a − b.
    Sub,
    /// a·b.
    Mul,
    /// a/b.
    Div,
    /// The larger; where they are equal each has half of the gradient.
    Max,
    /// The smaller; likewise.
    Min,
    /// a to the power of b, for a > 0.
    Pow,
}

/// The shape that two shapes are broadcast to.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |shape: &[usize], i: usize| (i + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y => Some(x),
            (1, y) => Some(y),
            (x, 1) => Some(x),
            _ => None,
        })
        .collect()
}

impl OpDef for Zip {
    fn infer(&self, args: &[&Type]) -> Result<Type, String> {
        arity(args, &[2], "a and b")?;
        numbers(args)?;
        let shape = broadcast(&args[0].shape, &args[1].shape);
        let expected =
            || format!("expected shapes that are equal but for axes of 1, got {} and {}", args[0], args[1]);
        shape.map(Type::f32).ok_or_else(expected)
    }

    fn cost(&self, _: &[&Type], out: &Type) -> OpCost {
        OpCost::elementwise(out.len(), 1)
    }

    fn candle(&self, args: &[Tensor], _: Option<&Tensor>) -> Candle<Tensor> {
        let (a, b) = (&args[0], &args[1]);
        match self.pairing {
            Pairing::Add => a.broadcast_add(b),
            Pairing::Sub => a.broadcast_sub(b),
            Pairing::Mul => a.broadcast_mul(b),
            Pairing::Div => a.broadcast_div(b),
            Pairing::Max => a.broadcast_maximum(b),
            Pairing::Min => a.broadcast_minimum(b),
            Pairing::Pow => a.broadcast_pow(b),
        }
    }
}
