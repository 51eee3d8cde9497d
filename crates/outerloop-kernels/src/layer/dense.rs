//! A dense layer: z = Wᵀx + b, weights `[inputs, outputs]` row-major.

use super::{Grid, Order, sum_examples, transpose};
use crate::simd::{AlignedVec, Cpu, GemmInit, LANES, MatMut, MatRef, gemm};

/// Shapes of a dense layer and the scratch of its passes.
///
/// A product needs adjacent columns in one operand. What is not arranged so is transposed first; how activations are arranged
/// therefore decides about speed, and about nothing else.
#[derive(Debug)]
pub struct Dense {
    x: Grid,
    z: Grid,
    /// Whether the weights' gradient is worked out as its transpose: where rows of outputs would not fill registers.
    is_narrow: bool,
    /// The input in the other order, if a pass wants it so.
    x_transposed: AlignedVec,
    /// The output's gradient in the other order, if a pass wants it so.
    z_transposed: AlignedVec,
    /// The weights' transpose, `[outputs, row]`, if the input's gradient is wanted by example.
    weights_transposed: AlignedVec,
    /// The transpose of a narrow layer's gradient, `[outputs, inputs]`.
    gradient_transposed: AlignedVec,
}

impl Dense {
    /// A layer from activations like `x` to activations like `z`. Where `has_below`, the input's gradient will be asked for.
    /// # Panics
    /// If the batches differ: a bug of the caller.
    pub fn new(x: Grid, z: Grid, has_below: bool) -> Self {
        assert!(x.batch == z.batch);
        let (inputs, outputs) = (x.features, z.features);
        let is_narrow = is_narrow(inputs, outputs);
        let zeros = |is_needed: bool, len: usize| AlignedVec::zeros(if is_needed { len } else { 0 });
        let transposes_x = if x.is_by_example() { !z.is_by_example() } else { is_narrow };
        let transposes_z = if z.is_by_example() { !x.is_by_example() && has_below } else { !is_narrow };
        Self {
            x,
            z,
            is_narrow,
            x_transposed: zeros(transposes_x, x.transposed().len()),
            z_transposed: zeros(transposes_z, z.transposed().len()),
            weights_transposed: zeros(x.is_by_example() && has_below, outputs * x.row()),
            gradient_transposed: zeros(is_narrow, outputs * inputs),
        }
    }

    /// `z = Wᵀx + b`, or max(z, 0) if `has_relu`.
    /// # Shapes
    /// `weights: [inputs, outputs]`, `bias: [outputs]`, `x` and `z` as given to [`Dense::new`].
    pub fn forward(
        &mut self,
        cpu: Cpu,
        [weights, bias]: [&[f32]; 2],
        x: &[f32],
        z: &mut [f32],
        has_relu: bool,
    ) {
        let (inputs, outputs) = (self.x.features, self.z.features);
        let product = if self.z.is_by_example() {
            gemm(
                [self.z.batch, outputs, inputs],
                self.x.examples(x),
                MatRef { data: weights, row: outputs, col: 1 },
                MatMut { data: z, row: self.z.row() },
                GemmInit::Columns(bias),
            )
        } else {
            let row = self.z.row();
            gemm(
                [outputs, row, inputs],
                MatRef { data: weights, row: 1, col: outputs },
                MatRef {
                    data: self.x.ordered(cpu, Order::ByFeature, x, &mut self.x_transposed).0,
                    row,
                    col: 1,
                },
                MatMut { data: z, row },
                GemmInit::Rows(bias),
            )
        };
        let product = if has_relu { product.with_relu() } else { product };
        product.run_blocked(cpu);
    }

    /// Gradients of the weights and the bias, from the gradient `dz` of the output.
    /// # Shapes
    /// `x` and `dz` as given to [`Dense::new`], `d_weights: [inputs, outputs]`, `d_bias: [outputs]`.
    pub fn backward_params(
        &mut self,
        cpu: Cpu,
        x: &[f32],
        dz: &[f32],
        d_weights: &mut [f32],
        d_bias: &mut [f32],
    ) {
        let (inputs, outputs, batch) = (self.x.features, self.z.features, self.x.batch);
        cpu.run(sum_examples(self.z, dz, &mut d_bias[..outputs]));
        if self.is_narrow {
            let (x, row) = self.x.ordered(cpu, Order::ByExample, x, &mut self.x_transposed);
            let product = gemm(
                [outputs, inputs, batch],
                self.z.features(dz),
                MatRef { data: x, row, col: 1 },
                MatMut { data: &mut self.gradient_transposed, row: inputs },
                GemmInit::Zero,
            );
            product.run_blocked(cpu);
            cpu.run(transpose(&self.gradient_transposed, inputs, [outputs, inputs], d_weights, outputs));
            return;
        }
        let (dz, row) = self.z.ordered(cpu, Order::ByExample, dz, &mut self.z_transposed);
        let product = gemm(
            [inputs, outputs, batch],
            self.x.features(x),
            MatRef { data: dz, row, col: 1 },
            MatMut { data: d_weights, row: outputs },
            GemmInit::Zero,
        );
        product.run_blocked(cpu);
    }

    /// Gradient of the input; where `relu` is given, times 1 where that is positive, else times 0.
    /// # Shapes
    /// `weights: [inputs, outputs]`, `dz` and `dx` as given to [`Dense::new`], `relu` as `dx`.
    pub fn backward_input(
        &mut self,
        cpu: Cpu,
        weights: &[f32],
        dz: &[f32],
        dx: &mut [f32],
        relu: Option<&[f32]>,
    ) {
        let (inputs, outputs) = (self.x.features, self.z.features);
        let row = self.x.row();
        let product = if self.x.is_by_example() {
            cpu.run(transpose(weights, outputs, [inputs, outputs], &mut self.weights_transposed, row));
            gemm(
                [self.x.batch, inputs, outputs],
                self.z.examples(dz),
                MatRef { data: &self.weights_transposed, row, col: 1 },
                MatMut { data: dx, row },
                GemmInit::Zero,
            )
        } else {
            gemm(
                [inputs, row, outputs],
                MatRef { data: weights, row: outputs, col: 1 },
                MatRef {
                    data: self.z.ordered(cpu, Order::ByFeature, dz, &mut self.z_transposed).0,
                    row,
                    col: 1,
                },
                MatMut { data: dx, row },
                GemmInit::Zero,
            )
        };
        let product = match relu {
            Some(values) => product.with_mask(values),
            None => product,
        };
        product.run_blocked(cpu);
    }
}

/// Whether the weights' gradient is better worked out as its transpose.
pub(super) fn is_narrow(inputs: usize, outputs: usize) -> bool {
    outputs < 2 * LANES && !outputs.is_multiple_of(LANES) && inputs >= 2 * LANES
}
