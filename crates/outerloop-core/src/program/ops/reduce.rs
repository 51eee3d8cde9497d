//! Sums and the like over axes.

use super::tensors::as_number;
use super::{OpDef, arity, numbers};
use crate::program::op_cost::OpCost;
use crate::program::types::Type;
use candle_core::{Result as Candle, Tensor};
use serde::{Deserialize, Serialize};

/// `fold` over `axes`. Argument: x.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reduce {
    /// What is done.
    pub fold: Fold,
    /// Axes, in increasing order; none given: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub axes: Option<Vec<usize>>,
    /// Whether the axes stay, with length 1.
    #[serde(default)]
    pub keep_axes: bool,
}

/// What many numbers become one by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fold {
    /// Their sum.
    Sum,
    /// Their mean.
    Mean,
    /// The largest; equal ones share the gradient.
    Max,
    /// The least; likewise.
    Min,
    /// ln Σ eˣ.
    LogSumExp,
}

impl Reduce {
    fn axes(&self, rank: usize) -> Vec<usize> {
        self.axes.clone().unwrap_or_else(|| (0..rank).collect())
    }
}

impl OpDef for Reduce {
    fn infer(&self, args: &[&Type]) -> Result<Type, String> {
        arity(args, &[1], "x")?;
        numbers(args)?;
        let (x, axes) = (args[0], self.axes(args[0].rank()));
        if axes.windows(2).any(|w| w[0] >= w[1]) || axes.last().is_some_and(|&last| last >= x.rank()) {
            return Err(format!("expected increasing axes of {x}, got {axes:?}"));
        }
        let shape =
            x.shape.iter().enumerate().filter_map(|(i, &d)| match (axes.contains(&i), self.keep_axes) {
                (true, true) => Some(1),
                (true, false) => None,
                (false, _) => Some(d),
            });
        Ok(Type::f32(shape.collect::<Vec<_>>()))
    }

    fn cost(&self, args: &[&Type], _: &Type) -> OpCost {
        OpCost::elementwise(args[0].len(), 1)
    }

    fn candle(&self, args: &[Tensor], _: Option<&Tensor>) -> Candle<Tensor> {
        let (x, axes) = (&args[0], self.axes(args[0].rank()));
        let extreme = |x: &Tensor| {
            axes.iter().try_fold(x.clone(), |x, &axis| match self.fold {
                Fold::Min => x.min_keepdim(axis),
                _ => x.max_keepdim(axis),
            })
        };
        let sum = |x: &Tensor| axes.iter().try_fold(x.clone(), |x, &axis| x.sum_keepdim(axis));
        let count: usize = axes.iter().map(|&axis| x.dims()[axis]).product();
        let kept = match self.fold {
            Fold::Sum => sum(x)?,
            Fold::Mean => (sum(x)? / count as f64)?,
            Fold::Max | Fold::Min => {
                let is_it = as_number(&x.broadcast_eq(&extreme(&x.detach())?)?, x)?;
                let share = is_it.broadcast_div(&sum(&is_it)?)?;
                sum(&(x * share)?)?
            }
            Fold::LogSumExp => {
                let largest = extreme(&x.detach())?;
                (sum(&x.broadcast_sub(&largest)?.exp()?)?.log()? + largest)?
            }
        };
        if self.keep_axes {
            return Ok(kept);
        }
        axes.iter().rev().try_fold(kept, |x, &axis| x.squeeze(axis))
    }
}
