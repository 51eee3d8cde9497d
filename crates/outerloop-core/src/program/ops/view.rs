//! The same elements, elsewhere: shapes, orders and parts.

use super::tensors::{indices, padded};
use super::{OpDef, arity, numbers};
use crate::program::op_cost::OpCost;
use crate::program::types::Type;
use candle_core::{Result as Candle, Tensor};
use serde::{Deserialize, Serialize};

/// The same elements in another shape. Argument: x.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reshape {
    /// The new shape.
    pub shape: Vec<usize>,
}

/// Axes in another order: axis i of the result is axis `axes[i]` of x. Argument: x.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transpose {
    /// A permutation.
    pub axes: Vec<usize>,
}

/// `len` places of an axis from `start` on. Argument: x.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// The axis.
    pub axis: usize,
    /// First place.
    pub start: usize,
    /// Number of places.
    pub len: usize,
}

/// Values one after another along an axis. Arguments: two or more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Concat {
    /// The axis.
    pub axis: usize,
}

/// Zeros before and after. Argument: x.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pad {
    /// How many, by axis.
    pub widths: Vec<[usize; 2]>,
}

/// Places `indices` of an axis, in that order; a place may come several times. Argument: x.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gather {
    /// The axis.
    pub axis: usize,
    /// The places.
    pub indices: Vec<u32>,
}

fn axis_of(x: &Type, axis: usize) -> Result<usize, String> {
    x.shape.get(axis).copied().ok_or_else(|| format!("expected an axis of {x}, got {axis}"))
}

fn with_axis(x: &Type, axis: usize, len: usize) -> Type {
    let mut out = x.clone();
    out.shape[axis] = len;
    out
}

impl OpDef for Reshape {
    fn infer(&self, args: &[&Type]) -> Result<Type, String> {
        arity(args, &[1], "x")?;
        let out = Type { dtype: args[0].dtype, shape: self.shape.clone() }.checked()?;
        if out.len() == args[0].len() {
            return Ok(out);
        }
        Err(format!(
            "expected a shape of {} elements, as {} has, got {:?}",
            args[0].len(),
            args[0],
            self.shape
        ))
    }

    fn cost(&self, _: &[&Type], _: &Type) -> OpCost {
        OpCost::default()
    }

    fn candle(&self, args: &[Tensor], _: Option<&Tensor>) -> Candle<Tensor> {
        args[0].reshape(&*self.shape)
    }
}

impl OpDef for Transpose {
    fn infer(&self, args: &[&Type]) -> Result<Type, String> {
        arity(args, &[1], "x")?;
        let mut sorted = self.axes.clone();
        sorted.sort_unstable();
        if sorted != (0..args[0].rank()).collect::<Vec<_>>() {
            return Err(format!("expected a permutation of the axes of {}, got {:?}", args[0], self.axes));
        }
        let shape = self.axes.iter().map(|&axis| args[0].shape[axis]).collect();
        Ok(Type { dtype: args[0].dtype, shape })
    }

    fn cost(&self, _: &[&Type], _: &Type) -> OpCost {
        OpCost::default()
    }

    fn candle(&self, args: &[Tensor], _: Option<&Tensor>) -> Candle<Tensor> {
        args[0].permute(&*self.axes)?.contiguous()
    }
}

impl OpDef for Slice {
    fn infer(&self, args: &[&Type]) -> Result<Type, String> {
        arity(args, &[1], "x")?;
        let len = axis_of(args[0], self.axis)?;
        if self.start.checked_add(self.len).is_none_or(|end| end > len) || self.len == 0 {
            let (axis, start, got) = (self.axis, self.start, self.len);
            return Err(format!("expected places of axis {axis} of {}, got {got} from {start}", args[0]));
        }
        Ok(with_axis(args[0], self.axis, self.len))
    }

    fn cost(&self, _: &[&Type], _: &Type) -> OpCost {
        OpCost::default()
    }

    fn candle(&self, args: &[Tensor], _: Option<&Tensor>) -> Candle<Tensor> {
        args[0].narrow(self.axis, self.start, self.len)?.contiguous()
    }
}

impl OpDef for Concat {
    fn infer(&self, args: &[&Type]) -> Result<Type, String> {
        let [first, rest @ ..] = args else { return Err("expected at least one argument, got none".into()) };
        let mut len = axis_of(first, self.axis)?;
        for other in rest {
            let is_alike = other.dtype == first.dtype
                && other.rank() == first.rank()
                && with_axis(other, self.axis, 1) == with_axis(first, self.axis, 1);
            if !is_alike {
                return Err(format!(
                    "expected shapes that are equal but for axis {}, got {first} and {other}",
                    self.axis
                ));
            }
            len = len.saturating_add(other.shape[self.axis]);
        }
        Ok(with_axis(first, self.axis, len))
    }

    fn cost(&self, _: &[&Type], _: &Type) -> OpCost {
        OpCost::default()
    }

    fn candle(&self, args: &[Tensor], _: Option<&Tensor>) -> Candle<Tensor> {
        Tensor::cat(args, self.axis)
    }
}

impl OpDef for Pad {
    fn infer(&self, args: &[&Type]) -> Result<Type, String> {
        arity(args, &[1], "x")?;
        numbers(args)?;
        if self.widths.len() != args[0].rank() {
            return Err(format!("expected widths of every axis of {}, got {:?}", args[0], self.widths));
        }
        let padded = args[0].shape.iter().zip(&self.widths);
        let shape = padded.map(|(d, [a, b])| d.saturating_add(*a).saturating_add(*b)).collect::<Vec<_>>();
        Ok(Type::f32(shape))
    }

    fn cost(&self, _: &[&Type], _: &Type) -> OpCost {
        OpCost::default()
    }

    fn candle(&self, args: &[Tensor], _: Option<&Tensor>) -> Candle<Tensor> {
        padded(&args[0], &self.widths.iter().copied().enumerate().collect::<Vec<_>>())
    }
}

impl OpDef for Gather {
    fn infer(&self, args: &[&Type]) -> Result<Type, String> {
        arity(args, &[1], "x")?;
        let len = axis_of(args[0], self.axis)?;
        match self.indices.iter().find(|&&i| i as usize >= len) {
            Some(i) => Err(format!("expected places below {len} of axis {}, got {i}", self.axis)),
            None => Ok(with_axis(args[0], self.axis, self.indices.len())),
        }
    }

    fn cost(&self, _: &[&Type], _: &Type) -> OpCost {
        OpCost::default()
    }

    fn candle(&self, args: &[Tensor], _: Option<&Tensor>) -> Candle<Tensor> {
        args[0].contiguous()?.index_select(&indices(self.indices.clone(), &args[0])?, self.axis)
    }
}
