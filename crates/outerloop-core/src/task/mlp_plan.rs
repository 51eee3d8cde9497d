//! The MLP's loss and gradient as hand-written layers.

use super::{Batch, Plan};
use crate::layer::{Activation, Dense, Grid, activate, arrange, cross_entropy, scale_by};
use crate::params::ParamLayout;
use crate::simd::{AlignedVec, Cpu, LANES};
use std::sync::Arc;

/// Scratch of one MLP. Tensor order of the layout: bias then weights, layer by layer.
pub(super) struct MlpPlan {
    layout: Arc<ParamLayout>,
    activation: Activation,
    layers: Vec<Dense>,
    /// Outputs of every layer; the last one holds the logits, one row a class, then their gradient.
    outputs: Vec<AlignedVec>,
    /// Derivatives of the hidden layers' activations; empty for ReLU, whose outputs tell them.
    derivatives: Vec<AlignedVec>,
    /// Gradient of a hidden layer's output; as long as the longest.
    d_hidden: [AlignedVec; 2],
    losses: AlignedVec,
    /// How the first layer wants its inputs, and room for a batch that has them otherwise.
    inputs: (Grid, AlignedVec),
}

impl MlpPlan {
    /// For layers of the given `widths` (inputs first, classes last) and `batch` examples.
    pub(super) fn new(
        layout: Arc<ParamLayout>,
        widths: &[usize],
        activation: Activation,
        batch: usize,
    ) -> Self {
        let grids = arrange(widths, batch);
        let hidden = &grids[1..widths.len() - 1];
        let is_relu = activation == Activation::Relu;
        let longest = hidden.iter().map(|grid| grid.len()).max().unwrap_or(0);
        let layers = grids.windows(2).enumerate().map(|(l, pair)| Dense::new(pair[0], pair[1], l > 0));
        Self {
            layout,
            activation,
            layers: layers.collect(),
            outputs: grids[1..].iter().map(|grid| AlignedVec::zeros(grid.len())).collect(),
            derivatives: hidden
                .iter()
                .map(|grid| AlignedVec::zeros(if is_relu { 0 } else { grid.len() }))
                .collect(),
            d_hidden: [AlignedVec::zeros(longest), AlignedVec::zeros(longest)],
            losses: AlignedVec::zeros(batch.next_multiple_of(LANES)),
            inputs: (grids[0], AlignedVec::default()),
        }
    }
}

impl MlpPlan {
    /// Writes the logits of `batch` into the last output.
    fn forward(&mut self, cpu: Cpu, params: &[f32], batch: &Batch) {
        let last = self.layers.len() - 1;
        let (grid, transposed) = &mut self.inputs;
        if batch.grid() != *grid {
            assert!(batch.grid() == grid.transposed());
            if transposed.is_empty() {
                *transposed = AlignedVec::zeros(grid.len());
            }
            batch.grid().transpose(cpu, &batch.inputs, transposed);
        }
        for l in 0..=last {
            let (before, here) = self.outputs.split_at_mut(l);
            let x = before.last().map_or(inputs(&self.inputs, batch), |x| &**x);
            let bias = &params[self.layout.range(2 * l)];
            let weights = &params[self.layout.range(2 * l + 1)];
            let has_relu = l < last && self.activation == Activation::Relu;
            self.layers[l].forward(cpu, [weights, bias], x, &mut here[0], has_relu);
            if l < last && !has_relu {
                cpu.run(activate(self.activation, &mut here[0], &mut self.derivatives[l]));
            }
        }
    }
}

impl Plan for MlpPlan {
    fn loss(&mut self, cpu: Cpu, params: &[f32], batch: &Batch) -> f32 {
        self.forward(cpu, params, batch);
        let last = self.layers.len() - 1;
        cpu.run(cross_entropy(&mut self.outputs[last], &batch.labels, &mut self.losses))
    }

    fn loss_and_grad(&mut self, cpu: Cpu, params: &[f32], batch: &Batch, grads: &mut [f32]) -> f32 {
        let loss = self.loss(cpu, params, batch);
        let last = self.layers.len() - 1;
        for l in (0..=last).rev() {
            let [above, below] = &mut self.d_hidden;
            let dz: &[f32] = if l == last { &self.outputs[last] } else { &above[..self.outputs[l].len()] };
            let x = if l == 0 { inputs(&self.inputs, batch) } else { &*self.outputs[l - 1] };
            let (bias, weights) = grads.split_at_mut(self.layout.range(2 * l + 1).start);
            let d_bias = &mut bias[self.layout.range(2 * l)];
            let d_weights = &mut weights[..self.layout.range(2 * l + 1).len()];
            self.layers[l].backward_params(cpu, x, dz, d_weights, d_bias);
            if l > 0 {
                let dx = &mut below[..self.outputs[l - 1].len()];
                let is_relu = self.activation == Activation::Relu;
                let relu = is_relu.then_some(&*self.outputs[l - 1]);
                self.layers[l].backward_input(cpu, &params[self.layout.range(2 * l + 1)], dz, dx, relu);
                if !is_relu {
                    cpu.run(scale_by(dx, &self.derivatives[l - 1]));
                }
                self.d_hidden.swap(0, 1);
            }
        }
        loss
    }

    fn error_rate(&mut self, cpu: Cpu, params: &[f32], batch: &Batch) -> f32 {
        self.forward(cpu, params, batch);
        let (logits, stride) = (&self.outputs[self.layers.len() - 1], self.losses.len());
        let is_wrong = |&(b, &label): &(usize, &u32)| {
            let right = logits[label as usize * stride + b];
            // A score that is no number answers nothing.
            !logits[b..].iter().step_by(stride).all(|&score| score <= right)
        };
        let wrong = batch.labels.iter().enumerate().filter(is_wrong).count();
        wrong as f32 / batch.labels.len() as f32
    }
}

/// The inputs of `batch` as the first layer wants them.
fn inputs<'a>((grid, transposed): &'a (Grid, AlignedVec), batch: &'a Batch) -> &'a [f32] {
    if batch.grid() == *grid { &batch.inputs } else { transposed }
}
