//! What programs are made of.

use super::init::Init;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Number of a value: inputs first, then parameters, then the results of nodes, in order.
pub type Id = usize;

/// Most axes of a value.
pub const MAX_RANK: usize = 6;
/// Most elements of a value.
pub const MAX_ELEMENTS: usize = 1 << 31;

/// Type of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// A number; single precision on the CPU engine.
    F32,
    /// A class or a token.
    U32,
}

/// Type of a value. It is printed as `f32[64, 10]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type {
    /// Of its elements.
    pub dtype: Dtype,
    /// Row-major; empty for a scalar.
    pub shape: Vec<usize>,
}

impl Type {
    /// Numbers of the given shape.
    pub fn f32(shape: impl Into<Vec<usize>>) -> Self {
        Self { dtype: Dtype::F32, shape: shape.into() }
    }

    /// Classes or tokens of the given shape.
    pub fn u32(shape: impl Into<Vec<usize>>) -> Self {
        Self { dtype: Dtype::U32, shape: shape.into() }
    }

    /// Elements; shapes were checked, so it cannot overflow.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Never: no axis is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Checks number and length of axes.
    /// # Errors
    /// What was expected and what came, as text.
    pub fn checked(self) -> Result<Self, String> {
        if self.rank() > MAX_RANK {
            return Err(format!("expected at most {MAX_RANK} axes, got {self}"));
        }
        let len = self.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        match len {
            Some(len) if (1..=MAX_ELEMENTS).contains(&len) => Ok(self),
            _ => Err(format!("expected 1 to {MAX_ELEMENTS} elements, got {self}")),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.dtype {
            Dtype::F32 => "f32",
            Dtype::U32 => "u32",
        };
        write!(f, "{name}{:?}", self.shape)
    }
}

/// What a minibatch holds, drawn before the program runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Its name, unique among inputs and parameters.
    pub name: String,
    /// Of its elements.
    pub dtype: Dtype,
    /// Whole, with the batch axis.
    pub shape: Vec<usize>,
}

/// A tensor that is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Param {
    /// Its name, unique among inputs and parameters.
    pub name: String,
    /// Row-major; empty for a scalar.
    pub shape: Vec<usize>,
    /// How it starts; none: zeros.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<Init>,
    /// Fan-in and fan-out of the initialiser; none: the product of all axes but the last, and the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fans: Option<[usize; 2]>,
}
