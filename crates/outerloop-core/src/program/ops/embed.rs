//! Rows of a table by token.

use super::tensors::clamped;
use super::{OpDef, arity};
use crate::program::op_cost::OpCost;
use crate::program::types::{Dtype, Type};
use candle_core::{Result as Candle, Tensor};
use serde::{Deserialize, Serialize};

/// Arguments: tokens `u32[…]` and a table `[vocabulary, features]`; result `[…, features]`. Tokens beyond the vocabulary count
/// as its last one, as in TaskSet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Embed {}

impl OpDef for Embed {
    fn infer(&self, args: &[&Type]) -> Result<Type, String> {
        arity(args, &[2], "tokens and a table")?;
        match (args[0].dtype, args[1].dtype, &args[1].shape[..]) {
            (Dtype::U32, Dtype::F32, [_, features]) => {
                Ok(Type::f32([&args[0].shape[..], &[*features]].concat()))
            }
            _ => Err(format!(
                "expected tokens u32[...] and a table f32[vocabulary, features], got {} and {}",
                args[0], args[1]
            )),
        }
    }

    fn cost(&self, _: &[&Type], out: &Type) -> OpCost {
        OpCost { forward: 0, backward: out.len() as u64 }
    }

    fn candle(&self, args: &[Tensor], _: Option<&Tensor>) -> Candle<Tensor> {
        let (vocabulary, features) = args[1].dims2()?;
        let tokens = clamped(&args[0], vocabulary)?;
        let rows = args[1].index_select(&tokens.flatten_all()?, 0)?;
        rows.reshape([tokens.dims(), &[features]].concat())
    }
}
