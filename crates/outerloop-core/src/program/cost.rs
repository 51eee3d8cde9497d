//! What a step costs, told by shapes alone.

use super::checked::Program;
use super::op_cost::OpCost;
use super::ops::OpDef;

/// Cost of one step of a program, without the optimizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Floating-point operations, forward and backward.
    pub flops: u64,
    /// Numbers that are trained.
    pub num_params: u64,
    /// Bytes of all results of nodes in single precision, were none of them ever reused.
    pub value_bytes: u64,
}

impl Program {
    /// The cost of a step.
    pub fn cost(&self) -> Cost {
        let nodes = 0..self.spec().nodes.len();
        let flops = nodes.clone().map(|i| self.op_cost(i)).map(|cost| cost.forward + cost.backward).sum();
        let value_bytes = nodes.map(|i| 4 * self.types_at(i).1.len() as u64).sum();
        Cost { flops, num_params: self.layout().flat_len() as u64, value_bytes }
    }

    /// The cost of one node.
    pub fn op_cost(&self, node: usize) -> OpCost {
        let (args, out) = self.types_at(node);
        self.spec().nodes[node].op.cost(&args, out)
    }
}
