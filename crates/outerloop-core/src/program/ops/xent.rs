//! Cross entropies, and who is wrong.

use super::tensors::{as_number, clamped, log_sum_exp_last};
use super::{OpDef, arity, numbers, shaped};
use crate::program::op_cost::OpCost;
use crate::program::types::{Dtype, Type};
use candle_core::{D, Result as Candle, Tensor};
use serde::{Deserialize, Serialize};

/// −ln softmax(logits)\[label\]. Arguments: logits `[…, classes]` and labels `u32[…]`; result `[…]`. Labels beyond the classes
/// count as the last one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SoftmaxXent {}

/// 1 where another class has a larger logit than the label, else 0; no gradient passes. Arguments as of [`SoftmaxXent`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wrong {}

/// Cross entropy of yes–no answers with probability sigmoid(logit): max(x, 0) − x·t + ln(1 + e^−|x|). Arguments: logits and
/// targets of one shape, which the result has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SigmoidXent {}

fn labelled(args: &[&Type]) -> Result<Type, String> {
    arity(args, &[2], "logits and labels")?;
    let (logits, labels) = (args[0], args[1]);
    let Some((_, rest)) = logits.shape.split_last().filter(|_| logits.dtype == Dtype::F32) else {
        return Err(format!("expected logits f32[..., classes], got {logits}"));
    };
    if labels.dtype != Dtype::U32 {
        return Err(format!("expected labels u32{rest:?}, got {labels}"));
    }
    shaped("labels", labels, rest)?;
    Ok(Type::f32(rest))
}

/// The logits of the labels, `[…, 1]`.
fn of_labels(logits: &Tensor, labels: &Tensor) -> Candle<Tensor> {
    let classes = logits.dims()[logits.rank() - 1];
    logits.contiguous()?.gather(&clamped(labels, classes)?.unsqueeze(D::Minus1)?.contiguous()?, D::Minus1)
}

impl OpDef for SoftmaxXent {
    fn infer(&self, args: &[&Type]) -> Result<Type, String> {
        labelled(args)
    }

    fn cost(&self, args: &[&Type], _: &Type) -> OpCost {
        OpCost::elementwise(args[0].len(), 4)
    }

    fn candle(&self, args: &[Tensor], _: Option<&Tensor>) -> Candle<Tensor> {
        (log_sum_exp_last(&args[0])? - of_labels(&args[0], &args[1])?)?.squeeze(D::Minus1)
    }
}

impl OpDef for Wrong {
    fn infer(&self, args: &[&Type]) -> Result<Type, String> {
        labelled(args)
    }

    fn cost(&self, args: &[&Type], _: &Type) -> OpCost {
        OpCost { forward: args[0].len() as u64, backward: 0 }
    }

    fn candle(&self, args: &[Tensor], _: Option<&Tensor>) -> Candle<Tensor> {
        let logits = args[0].detach();
        let largest = logits.max_keepdim(D::Minus1)?;
        as_number(&of_labels(&logits, &args[1])?.lt(&largest)?, &logits)?.squeeze(D::Minus1)
    }
}

impl OpDef for SigmoidXent {
    fn infer(&self, args: &[&Type]) -> Result<Type, String> {
        arity(args, &[2], "logits and targets")?;
        numbers(args)?;
        shaped("targets", args[1], &args[0].shape)?;
        Ok(args[0].clone())
    }

    fn cost(&self, _: &[&Type], out: &Type) -> OpCost {
        OpCost::elementwise(out.len(), 4)
    }

    fn candle(&self, args: &[Tensor], _: Option<&Tensor>) -> Candle<Tensor> {
        super::map::Function::Softplus.of(&args[0])? - (&args[0] * &args[1])?
    }
}
