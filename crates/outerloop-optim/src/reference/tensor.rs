//! A named array of doubles.

use crate::params::TensorSpec;

/// A named row-major array of doubles.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Name of the tensor.
    pub name: String,
    /// Row-major shape; empty for a scalar.
    pub shape: Vec<usize>,
    /// Elements; as many as the shape says.
    pub data: Vec<f64>,
}

impl Tensor {
    /// A tensor of the given elements.
    pub fn new(name: impl Into<String>, shape: impl Into<Vec<usize>>, data: Vec<f64>) -> Self {
        Self { name: name.into(), shape: shape.into(), data }
    }

    /// A tensor with every element equal to `value`.
    pub fn filled(name: impl Into<String>, shape: impl Into<Vec<usize>>, value: f64) -> Self {
        let shape = shape.into();
        let len = shape.iter().product();
        Self::new(name, shape, vec![value; len])
    }

    /// A scalar.
    pub fn scalar(name: impl Into<String>, value: f64) -> Self {
        Self::new(name, [], vec![value])
    }

    /// One tensor for every parameter, named `group|parameter`, of the parameter's shape followed by `channels`.
    pub fn per_param(group: &str, specs: &[TensorSpec], channels: &[usize]) -> Vec<Self> {
        let of =
            |s: &TensorSpec| Self::filled(format!("{group}|{}", s.name), [&s.shape, channels].concat(), 0.0);
        specs.iter().map(of).collect()
    }

    /// The value of a scalar.
    pub fn item(&self) -> f64 {
        self.data[0]
    }

    /// Sets a scalar.
    pub fn set_item(&mut self, value: f64) {
        self.data[0] = value;
    }
}
