//! A minibatch, in the layout the plans use.

use super::matrix::MatrixScratch;
use crate::simd::{AlignedVec, LANES};

/// Inputs and labels of one minibatch; reused from step to step.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// `[features, stride]`: one row a feature, one column an example. Columns past the batch are zero.
    pub inputs: AlignedVec,
    /// Class of every example; empty for tasks without labels.
    pub labels: Vec<u32>,
    /// Example numbers drawn last; scratch of [`super::Task::sample`].
    pub(super) indices: Vec<u32>,
    /// The inputs example by example; scratch of [`super::Task::sample`].
    pub(super) examples: Vec<f32>,
    /// Noise drawn last, and room for drawing it; scratch as well.
    pub(super) noise: Vec<f32>,
    pub(super) matrix_scratch: MatrixScratch,
    features: usize,
    stride: usize,
}

impl Batch {
    /// Makes room for `size` examples of `features` numbers; allocates only when it grows.
    pub fn resize(&mut self, features: usize, size: usize) {
        let stride = size.next_multiple_of(LANES);
        if (self.features, self.stride, self.labels.len()) != (features, stride, size) {
            self.inputs = AlignedVec::zeros(features * stride);
            self.labels = vec![0; size];
            self.indices = vec![0; size];
            (self.features, self.stride) = (features, stride);
        }
    }

    /// Numbers an example.
    pub fn features(&self) -> usize {
        self.features
    }

    /// Examples.
    pub fn size(&self) -> usize {
        self.labels.len()
    }

    /// Distance between rows of `inputs`.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// A batch of the given examples, for tests and candle users.
    ///
    /// # Shapes
    /// `examples: [labels.len(), features]` row-major.
    /// # Panics
    /// If the lengths do not agree.
    pub fn from_examples(examples: &[f32], features: usize, labels: &[u32]) -> Self {
        assert_eq!(examples.len(), features * labels.len());
        let mut batch = Self::default();
        batch.resize(features, labels.len());
        batch.labels.copy_from_slice(labels);
        for (b, example) in examples.chunks_exact(features.max(1)).enumerate() {
            for (f, &x) in example.iter().enumerate() {
                batch.inputs[f * batch.stride + b] = x;
            }
        }
        batch
    }

    /// Row-major `[size, features]`.
    pub fn examples(&self) -> Vec<f32> {
        (0..self.size())
            .flat_map(|b| (0..self.features).map(move |f| self.inputs[f * self.stride + b]))
            .collect()
    }
}
