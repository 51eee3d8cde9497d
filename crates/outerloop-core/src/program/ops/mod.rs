//! The operations of programs, one file each.

mod attention;
mod constant;
mod conv;
mod dense;
mod embed;
mod map;
mod norm;
mod pool;
mod reduce;
mod rnn;
mod tensors;
mod view;
mod xent;
mod zip;

pub use attention::Attention;
pub use constant::Constant;
pub use conv::{Conv2d, Conv2dTranspose, Padding};
pub use dense::{Dense, Matmul};
pub use embed::Embed;
pub use map::{Function, Map};
pub use norm::{BatchNorm, LayerNorm};
pub use pool::{Pool, PoolKind};
pub use reduce::{Fold, Reduce};
pub use rnn::{Cell, Rnn};
pub use view::{Concat, Gather, Pad, Reshape, Slice, Transpose};
pub use xent::{SigmoidXent, SoftmaxXent, Wrong};
pub use zip::{Pairing, Zip};

use crate::program::op_cost::OpCost;
use crate::program::types::{Dtype, Type};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};

/// What an operation is to the readers of a program.
pub trait OpDef {
    /// The type of the result.
    /// # Errors
    /// What was expected of the arguments and what came, as text.
    fn infer(&self, args: &[&Type]) -> Result<Type, String>;

    /// What it costs to compute `out` and its gradients.
    fn cost(&self, args: &[&Type], out: &Type) -> OpCost;

    /// The result as a candle expression, whose gradient is autograd's. `like` has the dtype and device of numbers that
    /// have no argument to take them from.
    /// # Errors
    /// If candle refuses.
    fn candle(&self, args: &[Tensor], like: Option<&Tensor>) -> candle_core::Result<Tensor>;
}

macro_rules! ops {
    ($($(#[doc = $doc:literal])* $name:ident = $json:literal,)*) => {
        /// An operation with its options. In JSON it is an object with its name as `op`, beside the options and `args`.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "op")]
        pub enum Op {
            $($(#[doc = $doc])* #[serde(rename = $json)] $name($name),)*
        }

        impl Op {
            /// As in JSON.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => $json,)* }
            }
        }

        impl OpDef for Op {
            fn infer(&self, args: &[&Type]) -> Result<Type, String> {
                match self { $(Self::$name(op) => op.infer(args),)* }
            }

            fn cost(&self, args: &[&Type], out: &Type) -> OpCost {
                match self { $(Self::$name(op) => op.cost(args, out),)* }
            }

            fn candle(&self, args: &[Tensor], like: Option<&Tensor>) -> candle_core::Result<Tensor> {
                match self { $(Self::$name(op) => op.candle(args, like),)* }
            }
        }
    };
}

ops! {
    /// x·w + b over the last axis.
    Dense = "dense",
    /// Products of matrices, batch by batch.
    Matmul = "matmul",
    /// Cross-correlation of images with kernels.
    Conv2d = "conv2d",
    /// Its transpose: the gradient of a convolution with respect to its images.
    Conv2dTranspose = "conv2d_transpose",
    /// Windows of images, reduced.
    Pool = "pool",
    /// A recurrent cell over a sequence.
    Rnn = "rnn",
    /// Scaled dot-product attention.
    Attention = "attention",
    /// Normalisation over the last axis.
    LayerNorm = "layer_norm",
    /// Normalisation over all axes but the last.
    BatchNorm = "batch_norm",
    /// Rows of a table by token.
    Embed = "embed",
    /// −ln softmax(logits)\[label\].
    SoftmaxXent = "softmax_xent",
    /// Cross entropy of independent yes–no answers.
    SigmoidXent = "sigmoid_xent",
    /// 1 where another class has a larger logit than the label, else 0.
    Wrong = "wrong",
    /// A function of every element.
    Map = "map",
    /// A function of two values, element by element.
    Zip = "zip",
    /// Sums and the like over axes.
    Reduce = "reduce",
    /// The same elements in another shape.
    Reshape = "reshape",
    /// Axes in another order.
    Transpose = "transpose",
    /// A part of an axis.
    Slice = "slice",
    /// Values one after another along an axis.
    Concat = "concat",
    /// Zeros around.
    Pad = "pad",
    /// Chosen places of an axis: fixed permutations among others.
    Gather = "gather",
    /// Numbers that are part of the program.
    Constant = "constant",
}

/// Checks how many arguments there are.
pub(super) fn arity(args: &[&Type], expected: &[usize], names: &str) -> Result<(), String> {
    if expected.contains(&args.len()) {
        return Ok(());
    }
    let got = args.len();
    Err(format!("expected {names}, got {got} argument{}", if got == 1 { "" } else { "s" }))
}

/// Checks that arguments are numbers.
pub(super) fn numbers(args: &[&Type]) -> Result<(), String> {
    match args.iter().position(|t| t.dtype != Dtype::F32) {
        Some(i) => Err(format!("expected numbers as argument {i}, got {}", args[i])),
        None => Ok(()),
    }
}

/// Checks a shape.
pub(super) fn shaped(what: &str, arg: &Type, expected: &[usize]) -> Result<(), String> {
    if arg.shape == expected {
        return Ok(());
    }
    Err(format!("expected {what} of shape {expected:?}, got {arg}"))
}
