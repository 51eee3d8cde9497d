//! What one operation costs.

/// Cost of one operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpCost {
    /// Floating-point operations of the forward pass; a multiply-add is two.
    pub forward: u64,
    /// Those of the backward pass.
    pub backward: u64,
}

impl OpCost {
    /// A product of `macs` multiply-adds: twice as many again for the gradients of both factors.
    pub fn product(macs: usize) -> Self {
        let macs = macs as u64;
        Self { forward: 2 * macs, backward: 4 * macs }
    }

    /// `each` operations an element, forward and backward.
    pub fn elementwise(len: usize, each: u64) -> Self {
        let total = len as u64 * each;
        Self { forward: total, backward: total }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { forward: self.forward + other.forward, backward: self.backward + other.backward }
    }
}
