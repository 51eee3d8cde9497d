//! Windows of images `[batch, height, width, channels]`, reduced.

use super::conv::{MAX_SIDE, Padding};
use super::tensors::indices;
use super::{OpDef, arity, numbers};
use crate::program::op_cost::OpCost;
use crate::program::types::Type;
use candle_core::{Result as Candle, Tensor};
use serde::{Deserialize, Serialize};

/// Every window becomes one place. Argument: x `[batch, height, width, channels]`. Whole images are reduced by `reduce`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pool {
    /// What a window becomes.
    pub kind: PoolKind,
    /// Rows and columns of a window.
    pub window: [usize; 2],
    /// Steps of the window, along both axes.
    pub stride: usize,
    /// Around the images; what lies there counts for nothing.
    pub padding: Padding,
}

/// What a window becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolKind {
    /// The mean of what lies inside the image.
    Mean,
    /// The largest; of equal ones the first has the gradient.
    Max,
}

impl Pool {
    /// Places along an axis, and the zeros before it.
    fn along(&self, shape: &[usize], axis: usize) -> Option<(usize, usize)> {
        let (places, [before, _]) = self.padding.along(shape[axis], self.window[axis - 1], self.stride)?;
        Some((places, before))
    }
}

impl OpDef for Pool {
    fn infer(&self, args: &[&Type]) -> Result<Type, String> {
        arity(args, &[1], "x")?;
        numbers(args)?;
        let &[batch, _, _, channels] = &args[0].shape[..] else {
            return Err(format!("expected x [batch, height, width, channels], got {}", args[0]));
        };
        let sides = [self.window[0], self.window[1], self.stride];
        if sides.iter().any(|side| !(1..=MAX_SIDE).contains(side)) {
            return Err(format!("expected window and stride of 1 to {MAX_SIDE}, got {sides:?}"));
        }
        match (self.along(&args[0].shape, 1), self.along(&args[0].shape, 2)) {
            (Some((h, _)), Some((w, _))) => Ok(Type::f32([batch, h, w, channels])),
            _ => Err(format!(
                "expected images at least as large as the window {:?}, got {}",
                self.window, args[0]
            )),
        }
    }

    fn cost(&self, _: &[&Type], out: &Type) -> OpCost {
        OpCost::elementwise(out.len(), (self.window[0] * self.window[1]) as u64)
    }

    fn candle(&self, args: &[Tensor], _: Option<&Tensor>) -> Candle<Tensor> {
        let x = &args[0];
        let shape = x.dims();
        let (Some((h, top)), Some((w, left))) = (self.along(shape, 1), self.along(shape, 2)) else {
            candle_core::bail!("pool: no place for the window");
        };
        let mut best: Option<Tensor> = None;
        let mut count = Tensor::zeros((1, h, w, 1), x.dtype(), x.device())?;
        for row in 0..self.window[0] {
            for col in 0..self.window[1] {
                // Where the window's place (row, col) lies in every result, and whether that is inside.
                let places = |n: usize, offset: usize, before: usize, size: usize| -> (Vec<u32>, Vec<f64>) {
                    let at = (0..n).map(|i| (i * self.stride + offset).wrapping_sub(before));
                    at.map(|at| if at < size { (at as u32, 1.0) } else { (0, 0.0) }).unzip()
                };
                let (rows, in_rows) = places(h, row, top, shape[1]);
                let (cols, in_cols) = places(w, col, left, shape[2]);
                let inside: Vec<f64> =
                    in_rows.iter().flat_map(|r| in_cols.iter().map(move |c| r * c)).collect();
                let inside = Tensor::from_vec(inside, (1, h, w, 1), x.device())?.to_dtype(x.dtype())?;
                let part = x.index_select(&indices(rows, x)?, 1)?.index_select(&indices(cols, x)?, 2)?;
                let inside_all = inside.broadcast_as(part.shape())?.contiguous()?;
                best = Some(match (best, self.kind) {
                    (None, PoolKind::Mean) => (part * inside_all)?,
                    (Some(sum), PoolKind::Mean) => (sum + (part * inside_all)?)?,
                    (best, PoolKind::Max) => {
                        let lowest =
                            Tensor::full(f64::NEG_INFINITY, part.shape(), x.device())?.to_dtype(x.dtype())?;
                        let part = inside_all.gt(&inside_all.zeros_like()?)?.where_cond(&part, &lowest)?;
                        match best {
                            None => part,
                            Some(best) => part.gt(&best)?.where_cond(&part, &best)?,
                        }
                    }
                });
                count = (count + inside)?;
            }
        }
        match (best, self.kind) {
            (Some(sum), PoolKind::Mean) => sum.broadcast_div(&count),
            (Some(best), PoolKind::Max) => Ok(best),
            (None, _) => candle_core::bail!("pool: an empty window"),
        }
    }
}
