//! Functions of every element.

use super::tensors::{as_number, relu, sigmoid, sign};
use super::{OpDef, arity, numbers};
use crate::program::op_cost::OpCost;
use crate::program::types::Type;
use candle_core::{Result as Candle, Tensor};
use serde::{Deserialize, Serialize};

/// `function` of every element. Argument: x.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Map {
    /// What is applied.
    #[serde(flatten)]
    pub function: Function,
}

/// A function of a number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "function", rename_all = "snake_case")]
pub enum Function {
    /// −x.
    Neg,
    /// eˣ.
    Exp,
    /// ln x.
    Ln,
    /// √x.
    Sqrt,
    /// 1/√x.
    Rsqrt,
    /// tanh x.
    Tanh,
    /// 1/(1 + e^−x).
    Sigmoid,
    /// max(x, 0).
    Relu,
    /// x, or `slope`·x below 0.
    LeakyRelu {
        /// Below 0.
        slope: f64,
    },
    /// x, or eˣ − 1 from 0 down.
    Elu,
    /// Klambauer et al. 2017, arXiv:1706.02515.
    Selu,
    /// x·sigmoid(x).
    Swish,
    /// x·Φ(x), with tanh (Hendrycks, Gimpel 2016, arXiv:1606.08415).
    Gelu,
    /// cos x.
    Cos,
    /// sin x.
    Sin,
    /// |x|, whose derivative at 0 is 0.
    Abs,
    /// x².
    Square,
    /// ln(1 + eˣ).
    Softplus,
    /// x to the power of `exponent`.
    Power {
        /// The exponent.
        exponent: f64,
    },
    /// scale·x + shift.
    Affine {
        /// Factor.
        scale: f64,
        /// Summand.
        shift: f64,
    },
    /// x held to `min` and `max`. The derivative is 1 inside and at the ends, and 0 outside; with `straight_through` it is 1.
    Clip {
        /// The least.
        min: f64,
        /// The largest.
        max: f64,
        /// Whether the gradient passes.
        #[serde(default)]
        straight_through: bool,
    },
    /// x, through which no gradient passes.
    StopGradient,
}

/// As published: √(2/π) and the cubic's factor of GELU; scale and α of SELU.
const GELU: [f64; 2] = [0.797_884_560_802_865_4, 0.044_715];
const SELU: [f64; 2] = [1.050_700_987_355_480_5, 1.673_263_242_354_377_2];

impl Function {
    fn check(self) -> Result<(), String> {
        let finite = |values: &[f64]| values.iter().all(|x| (*x as f32).is_finite());
        let ok = match self {
            Self::LeakyRelu { slope } => finite(&[slope]),
            Self::Power { exponent } => finite(&[exponent]),
            Self::Affine { scale, shift } => finite(&[scale, shift]),
            Self::Clip { min, max, .. } => finite(&[min, max]) && min <= max,
            _ => true,
        };
        if ok { Ok(()) } else { Err(format!("expected finite numbers, `min` at most `max`, got {self:?}")) }
    }

    /// The function of a tensor.
    /// # Errors
    /// If candle refuses.
    pub fn of(self, x: &Tensor) -> Candle<Tensor> {
        let zeros = || x.zeros_like();
        match self {
            Self::Neg => x.neg(),
            Self::Exp => x.exp(),
            Self::Ln => x.log(),
            Self::Sqrt => x.sqrt(),
            Self::Rsqrt => x.sqrt()?.recip(),
            Self::Tanh => x.tanh(),
            Self::Sigmoid => sigmoid(x),
            Self::Relu => relu(x),
            Self::LeakyRelu { slope } => x.lt(&zeros()?)?.where_cond(&(x * slope)?, x),
            Self::Elu => x.gt(&zeros()?)?.where_cond(x, &below_0(x)?),
            Self::Selu => {
                let below = (below_0(x)? * SELU[1])?;
                x.gt(&zeros()?)?.where_cond(x, &below)? * SELU[0]
            }
            Self::Swish => x * sigmoid(x)?,
            Self::Gelu => {
                let inner = ((x.sqr()? * x)? * GELU[1])?;
                let half = (((x + inner)? * GELU[0])?.tanh()? + 1.0)?;
                (x * half)? * 0.5
            }
            Self::Cos => x.cos(),
            Self::Sin => x.sin(),
            Self::Abs => x * sign(x)?.detach(),
            Self::Square => x.sqr(),
            Self::Softplus => {
                // From 30 on e^−x is lost in f64, and eˣ would leave f32 before that.
                let large = x.gt(&(zeros()? + 30.0)?)?;
                let held = large.where_cond(&zeros()?, x)?;
                large.where_cond(x, &(held.exp()? + 1.0)?.log()?)
            }
            Self::Power { exponent } => x.powf(exponent),
            Self::Affine { scale, shift } => x.affine(scale, shift),
            Self::Clip { min, max, straight_through } => {
                let held = x.detach().clamp(min, max)?;
                if straight_through {
                    return x + (held - x.detach())?;
                }
                let is_inside = as_number(&x.eq(&held)?, x)?;
                (x * &is_inside)? + (held * is_inside.affine(-1.0, 1.0)?)?
            }
            Self::StopGradient => Ok(x.detach()),
        }
    }
}

/// eˣ − 1 from 0 down, where its derivative is 1; above, where it could leave every range, 0.
fn below_0(x: &Tensor) -> Candle<Tensor> {
    let zeros = x.zeros_like()?;
    x.gt(&zeros)?.where_cond(&zeros, x)?.exp()? - 1.0
}

impl OpDef for Map {
    fn infer(&self, args: &[&Type]) -> Result<Type, String> {
        arity(args, &[1], "x")?;
        numbers(args)?;
        self.function.check()?;
        Ok(args[0].clone())
    }

    fn cost(&self, _: &[&Type], out: &Type) -> OpCost {
        match self.function {
            Function::StopGradient => OpCost::default(),
            _ => OpCost::elementwise(out.len(), 1),
        }
    }

    fn candle(&self, args: &[Tensor], _: Option<&Tensor>) -> Candle<Tensor> {
        self.function.of(&args[0])
    }
}
