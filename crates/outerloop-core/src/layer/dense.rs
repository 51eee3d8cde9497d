//! A dense layer: z = Wᵀx + b, weights `[inputs, outputs]` row-major.

use super::{sum_columns, transpose};
use crate::simd::{AlignedVec, Cpu, GemmInit, LANES, MatMut, MatRef, gemm};

/// Shape of a dense layer and the scratch of its backward pass.
#[derive(Debug)]
pub struct Dense {
    inputs: usize,
    outputs: usize,
    batch: usize,
    stride: usize,
    /// Whether the weights' gradient is worked out as its transpose: where rows of outputs would not fill registers.
    is_narrow: bool,
    /// Output gradient as `[batch, outputs]`, rows padded; of a narrow layer the inputs instead.
    by_example: AlignedVec,
    /// The transpose of a narrow layer's gradient, `[outputs, inputs]`.
    turned: AlignedVec,
}

impl Dense {
    /// A layer of the given widths for minibatches of `batch` examples.
    pub fn new(inputs: usize, outputs: usize, batch: usize) -> Self {
        let is_narrow = outputs < 2 * LANES && !outputs.is_multiple_of(LANES) && inputs >= 2 * LANES;
        let (width, turned) = if is_narrow { (inputs, outputs * inputs) } else { (outputs, 0) };
        let by_example = AlignedVec::zeros(batch * width.next_multiple_of(LANES));
        let stride = batch.next_multiple_of(LANES);
        Self { inputs, outputs, batch, stride, is_narrow, by_example, turned: AlignedVec::zeros(turned) }
    }

    /// `z = Wᵀx + b`, or max(z, 0) if `has_relu`.
    /// # Shapes
    /// `weights: [inputs, outputs]`, `bias: [outputs]`, `x: [inputs, stride]`, `z: [outputs, stride]`.
    pub fn forward(&self, cpu: Cpu, [weights, bias]: [&[f32]; 2], x: &[f32], z: &mut [f32], has_relu: bool) {
        let product = gemm(
            [self.outputs, self.stride, self.inputs],
            MatRef { data: weights, row: 1, col: self.outputs },
            MatRef { data: x, row: self.stride, col: 1 },
            MatMut { data: z, row: self.stride },
            GemmInit::Rows(bias),
        );
        cpu.run(if has_relu { product.with_relu() } else { product });
    }

    /// Gradients of the weights and the bias, from the gradient `dz` of the output.
    /// # Shapes
    /// `x: [inputs, stride]`, `dz: [outputs, stride]`, `d_weights: [inputs, outputs]`, `d_bias: [outputs]`.
    pub fn backward_params(
        &mut self,
        cpu: Cpu,
        x: &[f32],
        dz: &[f32],
        d_weights: &mut [f32],
        d_bias: &mut [f32],
    ) {
        cpu.run(sum_columns(dz, self.stride, self.batch, &mut d_bias[..self.outputs]));
        if self.is_narrow {
            return self.backward_narrow(cpu, x, dz, d_weights);
        }
        let row = self.outputs.next_multiple_of(LANES);
        cpu.run(transpose(dz, self.stride, [self.outputs, self.batch], &mut self.by_example, row));
        cpu.run(gemm(
            [self.inputs, self.outputs, self.batch],
            MatRef { data: x, row: self.stride, col: 1 },
            MatRef { data: &self.by_example, row, col: 1 },
            MatMut { data: d_weights, row: self.outputs },
            GemmInit::Zero,
        ));
    }

    fn backward_narrow(&mut self, cpu: Cpu, x: &[f32], dz: &[f32], d_weights: &mut [f32]) {
        let row = self.inputs.next_multiple_of(LANES);
        cpu.run(transpose(x, self.stride, [self.inputs, self.batch], &mut self.by_example, row));
        cpu.run(gemm(
            [self.outputs, self.inputs, self.batch],
            MatRef { data: dz, row: self.stride, col: 1 },
            MatRef { data: &self.by_example, row, col: 1 },
            MatMut { data: &mut self.turned, row: self.inputs },
            GemmInit::Zero,
        ));
        cpu.run(transpose(&self.turned, self.inputs, [self.outputs, self.inputs], d_weights, self.outputs));
    }

    /// Gradient of the input; where `relu` is given, times 1 where that is positive, else times 0.
    /// # Shapes
    /// `weights: [inputs, outputs]`, `dz: [outputs, stride]`, `dx: [inputs, stride]`, `relu: [inputs, stride]`.
    pub fn backward_input(
        &self,
        cpu: Cpu,
        weights: &[f32],
        dz: &[f32],
        dx: &mut [f32],
        relu: Option<&[f32]>,
    ) {
        let product = gemm(
            [self.inputs, self.stride, self.outputs],
            MatRef { data: weights, row: self.outputs, col: 1 },
            MatRef { data: dz, row: self.stride, col: 1 },
            MatMut { data: dx, row: self.stride },
            GemmInit::Zero,
        );
        cpu.run(match relu {
            Some(values) => product.with_mask(values),
            None => product,
        });
    }
}
