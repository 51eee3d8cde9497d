//! Numbers that are part of the program.

use super::{OpDef, arity};
use crate::program::op_cost::OpCost;
use crate::program::types::Type;
use candle_core::{DType, Device, Result as Candle, Tensor};
use serde::{Deserialize, Serialize};

/// Numbers of a shape, row-major; a single one fills it. No argument.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Constant {
    /// The shape.
    pub shape: Vec<usize>,
    /// As many as the shape has, or one.
    pub values: Vec<f64>,
}

impl OpDef for Constant {
    fn infer(&self, args: &[&Type]) -> Result<Type, String> {
        arity(args, &[0], "no argument")?;
        let out = Type::f32(self.shape.clone()).checked()?;
        if !matches!(self.values.len(), n if n == 1 || n == out.len()) {
            return Err(format!("expected 1 or {} values, got {}", out.len(), self.values.len()));
        }
        match self.values.iter().find(|x| !(**x as f32).is_finite()) {
            Some(x) => Err(format!("expected finite values, as f32 too, got {x}")),
            None => Ok(out),
        }
    }

    fn cost(&self, _: &[&Type], _: &Type) -> OpCost {
        OpCost::default()
    }

    fn candle(&self, _: &[Tensor], like: Option<&Tensor>) -> Candle<Tensor> {
        let (dtype, device) = like.map_or((DType::F32, &Device::Cpu), |t| (t.dtype(), t.device()));
        let values = Tensor::new(&*self.values, device)?.to_dtype(dtype)?;
        if self.values.len() == 1 {
            values.broadcast_as(&*self.shape)?.contiguous()
        } else {
            values.reshape(&*self.shape)
        }
    }
}
