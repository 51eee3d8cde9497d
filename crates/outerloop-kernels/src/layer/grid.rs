//! How the activations of a batch lie in memory.

use super::transpose;
use crate::simd::{Cpu, LANES, MatRef};

/// Which axis has adjacent elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// One row an example, its features adjacent: `[batch, row]`.
    #[default]
    ByExample,
    /// One row a feature, its examples adjacent: `[features, row]`.
    ByFeature,
}

/// Rows this many floats apart, or a multiple of it, all lie in the same set of the first-level cache.
const SAME_SET: usize = 1024;

/// Shape and order of a batch's activations. Rows are a multiple of [`LANES`] apart; what is in the gaps is finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grid {
    /// Numbers an example has.
    pub features: usize,
    /// Examples.
    pub batch: usize,
    /// Which of them are adjacent.
    pub order: Order,
}

impl Grid {
    /// Whether an example's features are adjacent.
    pub fn is_by_example(self) -> bool {
        self.order == Order::ByExample
    }

    /// Distance between rows.
    pub fn row(self) -> usize {
        let adjacent = if self.is_by_example() { self.features } else { self.batch };
        let row = adjacent.next_multiple_of(LANES);
        // A product reads several examples at a time.
        if self.is_by_example() && row.is_multiple_of(SAME_SET) { row + LANES } else { row }
    }

    /// Floats with gaps.
    #[expect(clippy::len_without_is_empty, reason = "a batch is never empty")]
    pub fn len(self) -> usize {
        self.row() * if self.is_by_example() { self.batch } else { self.features }
    }

    /// The same activations in the other order.
    pub fn transposed(self) -> Self {
        let order = if self.is_by_example() { Order::ByFeature } else { Order::ByExample };
        Self { order, ..self }
    }

    /// Writes `from`, which is arranged like this, to `to` in the other order; gaps of `to` stay as they are.
    pub fn transpose(self, cpu: Cpu, from: &[f32], to: &mut [f32]) {
        let lines = [self.batch, self.features];
        let shape = if self.is_by_example() { lines } else { [lines[1], lines[0]] };
        cpu.run(transpose(from, self.row(), shape, to, self.transposed().row()));
    }

    /// `data`, which is arranged like this, in the given order: as it is, or transposed into `transposed`; and the distance between
    /// its rows.
    pub(super) fn ordered<'a>(
        self,
        cpu: Cpu,
        order: Order,
        data: &'a [f32],
        transposed: &'a mut [f32],
    ) -> (&'a [f32], usize) {
        if self.order == order {
            return (data, self.row());
        }
        self.transpose(cpu, data, transposed);
        (transposed, self.transposed().row())
    }

    /// Distances between examples and between features.
    pub fn strides(self) -> [usize; 2] {
        if self.is_by_example() { [self.row(), 1] } else { [1, self.row()] }
    }

    /// `data` as a matrix `[batch, features]`.
    pub(super) fn examples(self, data: &[f32]) -> MatRef<'_> {
        let [row, col] = self.strides();
        MatRef { data, row, col }
    }

    /// `data` as a matrix `[features, batch]`.
    pub(super) fn features(self, data: &[f32]) -> MatRef<'_> {
        let [col, row] = self.strides();
        MatRef { data, row, col }
    }
}
