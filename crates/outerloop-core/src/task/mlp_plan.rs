//! The MLP's loss and gradient as hand-written layers.

use super::{Batch, Plan};
use crate::layer::{Activation, Dense, activate, cross_entropy, scale_by};
use crate::params::ParamLayout;
use crate::simd::{AlignedVec, Cpu, LANES};
use std::sync::Arc;

/// Scratch of one MLP. Tensor order of the layout: bias then weights, layer by layer.
pub(super) struct MlpPlan {
    layout: Arc<ParamLayout>,
    activation: Activation,
    layers: Vec<Dense>,
    /// Outputs of every layer, `[width, stride]`; the last one holds the logits, then their gradient.
    outputs: Vec<AlignedVec>,
    /// Derivatives of the hidden layers' activations; empty for ReLU, whose outputs tell them.
    derivatives: Vec<AlignedVec>,
    /// Gradient of a hidden layer's output; as long as the widest.
    d_hidden: [AlignedVec; 2],
    losses: AlignedVec,
}

impl MlpPlan {
    /// For layers of the given `widths` (inputs first, classes last) and `batch` examples.
    pub(super) fn new(
        layout: Arc<ParamLayout>,
        widths: &[usize],
        activation: Activation,
        batch: usize,
    ) -> Self {
        let stride = batch.next_multiple_of(LANES);
        let hidden = &widths[1..widths.len() - 1];
        let is_relu = activation == Activation::Relu;
        let widest = hidden.iter().copied().max().unwrap_or(0) * stride;
        Self {
            layout,
            activation,
            layers: widths.windows(2).map(|w| Dense::new(w[0], w[1], batch)).collect(),
            outputs: widths[1..].iter().map(|w| AlignedVec::zeros(w * stride)).collect(),
            derivatives: hidden
                .iter()
                .map(|w| AlignedVec::zeros(if is_relu { 0 } else { w * stride }))
                .collect(),
            d_hidden: [AlignedVec::zeros(widest), AlignedVec::zeros(widest)],
            losses: AlignedVec::zeros(stride),
        }
    }
}

impl MlpPlan {
    /// Writes the logits of `batch` into the last output.
    fn forward(&mut self, cpu: Cpu, params: &[f32], batch: &Batch) {
        let last = self.layers.len() - 1;
        for l in 0..=last {
            let (before, here) = self.outputs.split_at_mut(l);
            let x = before.last().map_or(&*batch.inputs, |x| &**x);
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
            let x = if l == 0 { &*batch.inputs } else { &*self.outputs[l - 1] };
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
        let (logits, stride) = (&self.outputs[self.layers.len() - 1], batch.stride());
        let is_wrong = |&(b, &label): &(usize, &u32)| {
            let right = logits[label as usize * stride + b];
            // A score that is no number answers nothing.
            !logits[b..].iter().step_by(stride).all(|&score| score <= right)
        };
        let wrong = batch.labels.iter().enumerate().filter(is_wrong).count();
        wrong as f32 / batch.labels.len() as f32
    }
}
