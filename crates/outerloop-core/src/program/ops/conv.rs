//! Convolutions of images `[batch, height, width, channels]`.

use super::dense::activated;
use super::map::Function;
use super::tensors::padded;
use super::{OpDef, arity, numbers, shaped};
use crate::program::op_cost::OpCost;
use crate::program::types::Type;
use candle_core::{Result as Candle, Tensor};
use serde::{Deserialize, Serialize};

/// What lies around an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// Zeros, so that the result has ⌈size/stride⌉ places; one more after the image than before it where that is odd, as in
    /// TensorFlow and JAX.
    Same,
    /// Nothing.
    Valid,
}

impl Padding {
    /// Places of the result along an axis, and zeros before and after; none if there is no place.
    pub(super) fn along(self, size: usize, window: usize, stride: usize) -> Option<(usize, [usize; 2])> {
        match self {
            Self::Valid => Some((size.checked_sub(window)? / stride + 1, [0, 0])),
            Self::Same => {
                let places = size.div_ceil(stride);
                let zeros = ((places - 1) * stride + window).saturating_sub(size);
                Some((places, [zeros / 2, zeros - zeros / 2]))
            }
        }
    }
}

/// activation(x ⋆ w + b). Arguments: x `[batch, height, width, in]`, w `[rows, cols, in, out]` and perhaps b `[out]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conv2d {
    /// Steps of the kernel, along both axes.
    #[serde(default = "one")]
    pub stride: usize,
    /// What lies around the images.
    pub padding: Padding,
    /// Applied to the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<Function>,
}

/// The transpose of [`Conv2d`]: what its gradient with respect to x is of a gradient, plus b, activated. Arguments: x
/// `[batch, height, width, out]`, w `[rows, cols, in, out]` and perhaps b `[in]`; the result has `in` channels, and stride
/// times as many places with padding `same`, (size − 1)·stride + window with `valid`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conv2dTranspose {
    /// As of the convolution.
    #[serde(default = "one")]
    pub stride: usize,
    /// As of the convolution.
    pub padding: Padding,
    /// Applied to the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<Function>,
}

fn one() -> usize {
    1
}

/// Largest stride and window.
pub(super) const MAX_SIDE: usize = 1 << 12;

/// Shapes of images and kernels, and the bias.
type Operands<'a> = ([usize; 4], [usize; 4], Option<&'a Type>);

/// Images, kernels and bias; `channels` of w's last two axes are those of x.
fn checked<'a>(args: &[&'a Type], stride: usize, channels: usize) -> Result<Operands<'a>, String> {
    arity(args, &[2, 3], "x, w and perhaps b")?;
    numbers(args)?;
    let (Ok(x), Ok(w)) = (<[usize; 4]>::try_from(&*args[0].shape), <[usize; 4]>::try_from(&*args[1].shape))
    else {
        let got = format!("{} and {}", args[0], args[1]);
        return Err(format!(
            "expected x [batch, height, width, channels] and w [rows, cols, in, out], got {got}"
        ));
    };
    if !(1..=MAX_SIDE).contains(&stride) || w[..2].iter().any(|&side| side > MAX_SIDE) {
        return Err(format!("expected stride and window of 1 to {MAX_SIDE}, got {stride} and {}", args[1]));
    }
    if w[channels] != x[3] {
        return Err(format!(
            "expected as many channels in w as in x ({}), got {} and {}",
            x[3], args[0], args[1]
        ));
    }
    Ok((x, w, args.get(2).copied()))
}

fn to_planes(x: &Tensor) -> Candle<Tensor> {
    x.permute((0, 3, 1, 2))?.contiguous()
}

fn from_planes(x: &Tensor) -> Candle<Tensor> {
    x.permute((0, 2, 3, 1))?.contiguous()
}

fn finished(out: Tensor, bias: Option<&Tensor>, activation: Option<Function>) -> Candle<Tensor> {
    let out = match bias {
        Some(b) => out.broadcast_add(b)?,
        None => out,
    };
    activated(activation, out)
}

impl OpDef for Conv2d {
    fn infer(&self, args: &[&Type]) -> Result<Type, String> {
        let ([batch, height, width, _], [rows, cols, _, out], b) = checked(args, self.stride, 2)?;
        if let Some(b) = b {
            shaped("b", b, &[out])?;
        }
        let places = |size, window| self.padding.along(size, window, self.stride).map(|(places, _)| places);
        match (places(height, rows), places(width, cols)) {
            (Some(h), Some(w)) => Ok(Type::f32([batch, h, w, out])),
            _ => Err(format!(
                "expected images at least as large as the kernel, got {} and {}",
                args[0], args[1]
            )),
        }
    }

    fn cost(&self, args: &[&Type], out: &Type) -> OpCost {
        let window: usize = args[1].shape[..3].iter().product();
        OpCost::product(out.len().saturating_mul(window)).and(OpCost::elementwise(out.len(), 1))
    }

    fn candle(&self, args: &[Tensor], _: Option<&Tensor>) -> Candle<Tensor> {
        let (x, w) = (&args[0], &args[1]);
        let mut axes = vec![];
        let mut used = x.clone();
        for axis in [1, 2] {
            let (size, window) = (x.dims()[axis], w.dims()[axis - 1]);
            let Some((places, zeros)) = self.padding.along(size, window, self.stride) else {
                candle_core::bail!("conv2d: no place for a window of {window} in {size}");
            };
            axes.push((axis, zeros));
            // Rows that no window reaches would make candle's gradient smaller than the image.
            let reached = ((places - 1) * self.stride + window).saturating_sub(zeros[0] + zeros[1]);
            used = used.narrow(axis, 0, reached.min(size))?;
        }
        let images = to_planes(&padded(&used.contiguous()?, &axes)?)?;
        let kernels = w.permute((3, 2, 0, 1))?.contiguous()?;
        let out = from_planes(&images.conv2d(&kernels, 0, self.stride, 1, 1)?)?;
        finished(out, args.get(2), self.activation)
    }
}

impl OpDef for Conv2dTranspose {
    fn infer(&self, args: &[&Type]) -> Result<Type, String> {
        let ([batch, height, width, _], [rows, cols, channels, _], b) = checked(args, self.stride, 3)?;
        if let Some(b) = b {
            shaped("b", b, &[channels])?;
        }
        Ok(Type::f32([batch, self.places(height, rows), self.places(width, cols), channels]))
    }

    fn cost(&self, args: &[&Type], out: &Type) -> OpCost {
        let window: usize = args[1].shape[..3].iter().product();
        OpCost::product(args[0].len().saturating_mul(window)).and(OpCost::elementwise(out.len(), 1))
    }

    fn candle(&self, args: &[Tensor], _: Option<&Tensor>) -> Candle<Tensor> {
        let (x, w) = (&args[0], &args[1]);
        let kernels = w.permute((3, 2, 0, 1))?.contiguous()?;
        let mut out = from_planes(&to_planes(x)?.conv_transpose2d(&kernels, 0, 0, self.stride, 1)?)?;
        for axis in [1, 2] {
            let (size, window) = (x.dims()[axis], w.dims()[axis - 1]);
            let places = self.places(size, window);
            let zeros = match self.padding {
                Padding::Valid => 0,
                Padding::Same => window.saturating_sub(self.stride) / 2,
            };
            // A window shorter than the stride leaves zeros behind the last one.
            let missing = (zeros + places).saturating_sub(out.dims()[axis]);
            out = padded(&out, &[(axis, [0, missing])])?.narrow(axis, zeros, places)?.contiguous()?;
        }
        finished(out, args.get(2), self.activation)
    }
}

impl Conv2dTranspose {
    fn places(&self, size: usize, window: usize) -> usize {
        match self.padding {
            Padding::Same => size.saturating_mul(self.stride),
            Padding::Valid => (size - 1).saturating_mul(self.stride).saturating_add(window),
        }
    }
}
