//! A minibatch, in the layout the plans use.

use super::matrix::MatrixScratch;
use crate::simd::{AlignedVec, LANES};

/// Inputs and labels of one minibatch; reused from step to step.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// `[size, row]`: one row an example, its features adjacent; gaps are zero.
    pub inputs: AlignedVec,
    /// Class of every example; empty for tasks without labels.
    pub labels: Vec<u32>,
    /// Example numbers drawn last; scratch of [`super::Task::sample`].
    pub(super) indices: Vec<u32>,
    /// Noise drawn last, and room for drawing it; scratch as well.
    pub(super) noise: Vec<f32>,
    pub(super) matrix_scratch: MatrixScratch,
    features: usize,
}

impl Batch {
    /// Makes room for `size` examples of `features` numbers; allocates only when it grows.
    pub fn resize(&mut self, features: usize, size: usize) {
        if (self.features, self.labels.len()) != (features, size) {
            self.features = features;
            self.inputs = AlignedVec::zeros(size * self.row());
            self.labels = vec![0; size];
            self.indices = vec![0; size];
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

    /// Distance between examples: their features, rounded up to [`LANES`].
    pub fn row(&self) -> usize {
        self.features.next_multiple_of(LANES)
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
        let row = batch.row();
        for (to, from) in
            batch.inputs.chunks_exact_mut(row.max(1)).zip(examples.chunks_exact(features.max(1)))
        {
            to[..features].copy_from_slice(from);
        }
        batch
    }

    /// Row-major `[size, features]`.
    pub fn examples(&self) -> Vec<f32> {
        self.inputs.chunks_exact(self.row().max(1)).flat_map(|row| &row[..self.features]).copied().collect()
    }
}
