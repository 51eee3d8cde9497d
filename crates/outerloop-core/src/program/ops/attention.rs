//! Scaled dot-product attention (Vaswani et al. 2017, arXiv:1706.03762).

use super::tensors::log_sum_exp_last;
use super::{OpDef, arity, numbers, shaped};
use crate::program::op_cost::OpCost;
use crate::program::types::Type;
use candle_core::{Result as Candle, Tensor};
use serde::{Deserialize, Serialize};

/// softmax(q·kᵀ/√d)·v for every head, heads side by side. Arguments: q `[batch, time, heads·d]`, k and v `[batch, keys, heads·d]`,
/// and perhaps a mask `[batch, keys]`: 1 where a key may be looked at, 0 where not. Where no key may be, all may.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attention {
    /// Number of heads.
    pub heads: usize,
    /// Whether a place looks at itself and what is before it only.
    #[serde(default)]
    pub causal: bool,
}

/// Added to the score of a key that may not be looked at, as in Haiku.
const HIDDEN: f64 = -1e30;

impl OpDef for Attention {
    fn infer(&self, args: &[&Type]) -> Result<Type, String> {
        arity(args, &[3, 4], "q, k, v and perhaps a mask")?;
        numbers(args)?;
        let (&[batch, time, features], &[_, keys, _]) = (&args[0].shape[..], &args[1].shape[..]) else {
            return Err(format!("expected q and k [batch, time, features], got {} and {}", args[0], args[1]));
        };
        shaped("k", args[1], &[batch, keys, features])?;
        shaped("v", args[2], &[batch, keys, features])?;
        if let Some(mask) = args.get(3) {
            shaped("a mask", mask, &[batch, keys])?;
        }
        if self.heads == 0 || !features.is_multiple_of(self.heads) {
            return Err(format!("expected features that {} heads share evenly, got {features}", self.heads));
        }
        if self.causal && keys != time {
            return Err(format!("expected as many keys as places where `causal`, got {keys} and {time}"));
        }
        Ok(args[0].clone())
    }

    fn cost(&self, args: &[&Type], out: &Type) -> OpCost {
        let keys = args[1].shape[1];
        let scores = out.len() / args[0].shape[2] * keys * self.heads;
        OpCost::product(2 * out.len().saturating_mul(keys)).and(OpCost::elementwise(scores, 6))
    }

    fn candle(&self, args: &[Tensor], _: Option<&Tensor>) -> Candle<Tensor> {
        let (batch, time, features) = args[0].dims3()?;
        let (keys, d) = (args[1].dims()[1], features / self.heads);
        let by_head = |x: &Tensor| {
            let len = x.dims()[1];
            x.reshape((batch, len, self.heads, d))?.transpose(1, 2)?.contiguous()
        };
        let (q, k, v) = (by_head(&args[0])?, by_head(&args[1])?, by_head(&args[2])?);
        let mut scores = (q.matmul(&k.transpose(2, 3)?.contiguous()?)? / (d as f64).sqrt())?;
        if self.causal {
            let hidden = (0..time * keys).map(|i| if i % keys > i / keys { HIDDEN } else { 0.0 }).collect();
            let hidden = Tensor::from_vec(hidden, (1, 1, time, keys), q.device())?.to_dtype(q.dtype())?;
            scores = scores.broadcast_add(&hidden)?;
        }
        if let Some(mask) = args.get(3) {
            let hidden = mask.affine(-HIDDEN, HIDDEN)?.reshape((batch, 1, 1, keys))?;
            scores = scores.broadcast_add(&hidden)?;
        }
        let shares = scores.broadcast_sub(&log_sum_exp_last(&scores)?)?.exp()?;
        shares.matmul(&v)?.transpose(1, 2)?.contiguous()?.reshape((batch, time, features))
    }
}
