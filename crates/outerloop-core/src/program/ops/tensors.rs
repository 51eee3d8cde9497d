//! Expressions that several operations share. At a kink the derivative is JAX's.

use candle_core::{DType, Result, Tensor};

/// 1 where `mask` is set, else 0, as `like`.
pub(super) fn as_number(mask: &Tensor, like: &Tensor) -> Result<Tensor> {
    mask.to_dtype(like.dtype())
}

/// max(x, 0), whose derivative at 0 is 0.
pub(super) fn relu(x: &Tensor) -> Result<Tensor> {
    let zeros = x.zeros_like()?;
    x.le(&zeros)?.where_cond(&zeros, x)
}

/// 1/(1 + e^−x).
pub(super) fn sigmoid(x: &Tensor) -> Result<Tensor> {
    (x.neg()?.exp()? + 1.0)?.recip()
}

/// −1, 0 or 1: no derivative.
pub(super) fn sign(x: &Tensor) -> Result<Tensor> {
    let zeros = x.zeros_like()?;
    as_number(&x.gt(&zeros)?, x)? - as_number(&x.lt(&zeros)?, x)?
}

/// ln Σ e^x over the last axis, kept with length 1.
pub(super) fn log_sum_exp_last(x: &Tensor) -> Result<Tensor> {
    let largest = x.max_keepdim(candle_core::D::Minus1)?.detach();
    x.broadcast_sub(&largest)?.exp()?.sum_keepdim(candle_core::D::Minus1)?.log()?.broadcast_add(&largest)
}

/// Indices as a tensor beside `like`.
pub(super) fn indices(values: Vec<u32>, like: &Tensor) -> Result<Tensor> {
    let len = values.len();
    Tensor::from_vec(values, len, like.device())
}

/// Tokens or classes, those from `count` on taken for the last one.
pub(super) fn clamped(tokens: &Tensor, count: usize) -> Result<Tensor> {
    let last = Tensor::full((count - 1) as u32, tokens.dims(), tokens.device())?;
    tokens.to_dtype(DType::U32)?.minimum(&last)
}

/// Zeros before and after along some axes.
pub(super) fn padded(x: &Tensor, axes: &[(usize, [usize; 2])]) -> Result<Tensor> {
    axes.iter().try_fold(x.clone(), |x, &(axis, [before, after])| match (before, after) {
        (0, 0) => Ok(x),
        _ => x.pad_with_zeros(axis, before, after),
    })
}
