//! A program as a candle expression.

use super::checked::Program;
use super::ops::OpDef;
use super::types::Id;
use candle_core::{Result, Tensor};

/// All values of a program as tensors.
pub struct Values(Vec<Tensor>);

impl Values {
    /// One of them.
    /// # Panics
    /// If there is no such value.
    pub fn get(&self, id: Id) -> &Tensor {
        &self.0[id]
    }
}

impl Program {
    /// Every value, from `inputs` and `params` in the program's order. Numbers are in the parameters' dtype and on their
    /// device, where inputs must be too; classes and tokens are `u32`.
    /// # Errors
    /// If a tensor is missing or has another shape, or candle refuses an operation.
    pub fn values(&self, inputs: &[Tensor], params: &[Tensor]) -> Result<Values> {
        let expected = self.first_node();
        if inputs.len() != self.spec().inputs.len() || inputs.len() + params.len() != expected {
            let got = (inputs.len(), params.len());
            candle_core::bail!("program: expected {expected} inputs and parameters, got {got:?}");
        }
        let mut values = Vec::with_capacity(expected + self.spec().nodes.len());
        for (id, tensor) in inputs.iter().chain(params).enumerate() {
            if tensor.dims() != self.type_of(id).shape {
                candle_core::bail!(
                    "program: expected {} as value {id}, got {:?}",
                    self.type_of(id),
                    tensor.dims()
                );
            }
            values.push(tensor.clone());
        }
        // Constants have no argument whose dtype and device they could take.
        let like = params.first().or_else(|| inputs.first());
        for node in &self.spec().nodes {
            let args: Vec<_> = node.args.iter().map(|&id| values[id].clone()).collect();
            values.push(node.op.candle(&args, like)?);
        }
        Ok(Values(values))
    }

    /// The loss, a scalar.
    /// # Errors
    /// As [`Program::values`].
    pub fn graph(&self, inputs: &[Tensor], params: &[Tensor]) -> Result<Tensor> {
        Ok(self.values(inputs, params)?.get(self.spec().loss).clone())
    }
}
