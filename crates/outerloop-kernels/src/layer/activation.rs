//! Element-wise activations and their derivatives (spec: TaskSet, Metz et al. 2020, arXiv:2002.11887).

use crate::simd::{Kernel, Simd, cos_sin, exp, relu, sigmoid, tanh};
use serde::{Deserialize, Serialize};

/// An activation function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// max(x, 0).
    #[default]
    Relu,
    /// tanh x.
    Tanh,
    /// cos x.
    Cos,
    /// x above 0, eˣ − 1 below.
    Elu,
    /// 1/(1 + e⁻ˣ).
    Sigmoid,
    /// x·sigmoid(x).
    Swish,
    /// x above 0, 0.4·x below.
    #[serde(rename = "leaky_relu4")]
    LeakyRelu4,
    /// x above 0, 0.2·x below.
    #[serde(rename = "leaky_relu2")]
    LeakyRelu2,
    /// x above 0, 0.1·x below.
    #[serde(rename = "leaky_relu1")]
    LeakyRelu1,
}

impl Activation {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Relu,
        Self::Tanh,
        Self::Cos,
        Self::Elu,
        Self::Sigmoid,
        Self::Swish,
        Self::LeakyRelu4,
        Self::LeakyRelu2,
        Self::LeakyRelu1,
    ];

    /// Slope below zero of the piecewise linear ones.
    pub fn negative_slope(self) -> Option<f32> {
        match self {
            Self::Relu => Some(0.0),
            Self::LeakyRelu4 => Some(0.4),
            Self::LeakyRelu2 => Some(0.2),
            Self::LeakyRelu1 => Some(0.1),
            _ => None,
        }
    }

    /// (value, derivative); at a kink JAX's: 0 for ReLU, 1 for the leaky ones.
    #[inline(always)]
    fn eval<S: Simd>(self, s: S, x: S::V) -> (S::V, S::V) {
        let one = s.splat(1.0);
        let is_positive = s.gt(x, s.splat(0.0));
        match self {
            Self::Relu => (relu(s, x), s.keep(is_positive, one)),
            Self::Tanh => {
                let y = tanh(s, x);
                (y, s.fnma(y, y, one))
            }
            Self::Cos => {
                let (cos, sin) = cos_sin(s, x);
                (cos, s.sub(s.splat(0.0), sin))
            }
            Self::Elu => {
                // e^min(x, 0): finite for large x.
                let e = exp(s, s.min(s.splat(0.0), x));
                (s.select(is_positive, x, s.sub(e, one)), e)
            }
            Self::Sigmoid => {
                let y = sigmoid(s, x);
                (y, s.mul(y, s.sub(one, y)))
            }
            Self::Swish => {
                let g = sigmoid(s, x);
                let y = s.mul(x, g);
                (y, s.fma(y, s.sub(one, g), g))
            }
            Self::LeakyRelu4 | Self::LeakyRelu2 | Self::LeakyRelu1 => {
                let slope = s.splat(self.negative_slope().unwrap_or(0.0));
                let is_negative = s.gt(s.splat(0.0), x);
                (s.select(is_negative, s.mul(x, slope), x), s.select(is_negative, slope, one))
            }
        }
    }
}

/// `values` becomes activation(values) and `derivatives` its derivative, element by element.
/// # Panics
/// If the lengths differ or are no multiple of [`crate::simd::LANES`]: a bug of the caller.
pub fn activate<'a>(
    kind: Activation,
    values: &'a mut [f32],
    derivatives: &'a mut [f32],
) -> impl Kernel<Output = ()> {
    assert!(values.len() == derivatives.len() && values.len().is_multiple_of(crate::simd::LANES));
    Activate { kind, values, derivatives }
}

struct Activate<'a> {
    kind: Activation,
    values: &'a mut [f32],
    derivatives: &'a mut [f32],
}

impl Kernel for Activate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        /// One loop per kind, so that the choice is made outside it.
        #[inline(always)]
        fn go<S: Simd>(s: S, kind: Activation, values: &mut [f32], derivatives: &mut [f32]) {
            for (v, d) in values.chunks_exact_mut(S::WIDTH).zip(derivatives.chunks_exact_mut(S::WIDTH)) {
                // SAFETY: both chunks are WIDTH long.
                unsafe {
                    let (y, dy) = kind.eval(s, s.load(v.as_ptr()));
                    s.store(v.as_mut_ptr(), y);
                    s.store(d.as_mut_ptr(), dy);
                }
            }
        }
        let Self { kind, values, derivatives } = self;
        match kind {
            Activation::Relu => go(s, Activation::Relu, values, derivatives),
            Activation::Tanh => go(s, Activation::Tanh, values, derivatives),
            Activation::Cos => go(s, Activation::Cos, values, derivatives),
            Activation::Elu => go(s, Activation::Elu, values, derivatives),
            Activation::Sigmoid => go(s, Activation::Sigmoid, values, derivatives),
            Activation::Swish => go(s, Activation::Swish, values, derivatives),
            Activation::LeakyRelu4 => go(s, Activation::LeakyRelu4, values, derivatives),
            Activation::LeakyRelu2 => go(s, Activation::LeakyRelu2, values, derivatives),
            Activation::LeakyRelu1 => go(s, Activation::LeakyRelu1, values, derivatives),
        }
    }
}

/// `gradients` *= `derivatives`, element by element.
/// # Panics
/// If the lengths differ or are no multiple of [`crate::simd::LANES`]: a bug of the caller.
pub fn scale_by<'a>(gradients: &'a mut [f32], derivatives: &'a [f32]) -> impl Kernel<Output = ()> {
    assert!(gradients.len() == derivatives.len() && gradients.len().is_multiple_of(crate::simd::LANES));
    ScaleBy { gradients, derivatives }
}

struct ScaleBy<'a> {
    gradients: &'a mut [f32],
    derivatives: &'a [f32],
}

impl Kernel for ScaleBy<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (g, d) in self.gradients.chunks_exact_mut(S::WIDTH).zip(self.derivatives.chunks_exact(S::WIDTH)) {
            // SAFETY: both chunks are WIDTH long.
            unsafe { s.store(g.as_mut_ptr(), s.mul(s.load(g.as_ptr()), s.load(d.as_ptr()))) };
        }
    }
}
