//! A minibatch, in the layout the plans use.

use super::matrix::MatrixScratch;
use crate::data::Split;
use crate::layer::{Grid, Order};
use crate::rng::Key;
use crate::simd::AlignedVec;

/// Inputs and labels of one minibatch; reused from step to step.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// As [`Batch::grid`] says; gaps are zero.
    pub inputs: AlignedVec,
    /// Class of every example; empty for tasks without labels.
    pub labels: Vec<u32>,
    /// Example numbers drawn last; scratch of [`super::Task::sample`].
    pub(super) indices: Vec<u32>,
    /// The stream that [`super::Task::sample`] folded last, and what it is of: a key stays the same for a whole problem.
    pub(super) stream: Option<(Key, Split, Key)>,
    /// Noise drawn last, and room for drawing it; scratch as well.
    pub(super) noise: Vec<f32>,
    pub(super) matrix_scratch: MatrixScratch,
    grid: Grid,
}

impl Batch {
    /// Makes room for inputs like `grid`; allocates only when that changes.
    pub fn resize(&mut self, grid: Grid) {
        if self.grid != grid {
            self.grid = grid;
            self.inputs = AlignedVec::zeros(grid.len());
            self.labels = vec![0; grid.batch];
            self.indices = vec![0; grid.batch];
        }
    }

    /// Shape and order of the inputs.
    pub fn grid(&self) -> Grid {
        self.grid
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
        let grid = Grid { features, batch: labels.len(), order: Order::ByExample };
        batch.resize(grid);
        batch.labels.copy_from_slice(labels);
        for (to, from) in batch.inputs.chunks_exact_mut(grid.row()).zip(examples.chunks_exact(features)) {
            to[..features].copy_from_slice(from);
        }
        batch
    }

    /// The inputs, row-major `[size, features]`.
    pub fn examples(&self) -> Vec<f32> {
        let Grid { features, batch, .. } = self.grid;
        let [example, feature] = self.grid.strides();
        (0..batch).flat_map(|b| (0..features).map(move |f| self.inputs[b * example + f * feature])).collect()
    }
}
