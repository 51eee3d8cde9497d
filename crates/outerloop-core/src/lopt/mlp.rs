//! The per-parameter network, applied to a block of parameters at a time.

use super::STRIDE;
use crate::simd::{AlignedVec, Cpu, GemmInit, MatMut, MatRef, gemm};

/// Features → ReLU → ReLU → outputs, one column a parameter.
///
/// The features are `[num_features, STRIDE]`. What is constant over a tensor, row or column is not a feature: the
/// caller adds it to the first layer's start instead.
pub(super) struct ParamMlp {
    pub(super) num_features: usize,
    pub(super) hidden: usize,
    num_outputs: usize,
    /// First layer for this tensor, `[num_features, hidden]`: the caller folds normalisers into it.
    pub(super) w0: AlignedVec,
    w1: Vec<f32>,
    b1: Vec<f32>,
    /// Output layer, `[hidden, num_outputs]`.
    w2: Vec<f32>,
    b2: Vec<f32>,
    /// Features of a block, `[num_features, STRIDE]`.
    pub(super) features: AlignedVec,
    /// First hidden layer; before [`ParamMlp::run`] it holds the start of every unit and column.
    pub(super) h1: AlignedVec,
    /// Second hidden layer.
    pub(super) h2: AlignedVec,
    /// Outputs, `[num_outputs, STRIDE]`.
    pub(super) outputs: AlignedVec,
}

impl ParamMlp {
    /// A network with the given second and third layer; of the output layer only the first `num_outputs` columns of
    /// the `w2_cols` in `w2` and `b2` are computed.
    pub(super) fn new(
        num_features: usize,
        hidden: usize,
        [w1, b1, w2, b2]: [&[f32]; 4],
        w2_cols: usize,
        num_outputs: usize,
    ) -> Self {
        Self {
            num_features,
            hidden,
            num_outputs,
            w0: AlignedVec::zeros(num_features * hidden),
            w1: w1.to_vec(),
            b1: b1.to_vec(),
            w2: w2.chunks_exact(w2_cols).flat_map(|row| &row[..num_outputs]).copied().collect(),
            b2: b2[..num_outputs].to_vec(),
            features: AlignedVec::zeros(num_features * STRIDE),
            h1: AlignedVec::zeros(hidden * STRIDE),
            h2: AlignedVec::zeros(hidden * STRIDE),
            outputs: AlignedVec::zeros(num_outputs * STRIDE),
        }
    }

    /// Outputs of the first `n` columns, from `features` and the start in `h1`.
    pub(super) fn run(&mut self, cpu: Cpu, n: usize) {
        let (h, o) = (self.hidden, self.num_outputs);
        cpu.run(
            gemm(
                [h, n, self.num_features],
                MatRef { data: &self.w0, row: 1, col: h },
                MatRef { data: &self.features, row: STRIDE, col: 1 },
                MatMut { data: &mut self.h1, row: STRIDE },
                GemmInit::Keep,
            )
            .with_relu(),
        );
        cpu.run(
            gemm(
                [h, n, h],
                MatRef { data: &self.w1, row: 1, col: h },
                MatRef { data: &self.h1, row: STRIDE, col: 1 },
                MatMut { data: &mut self.h2, row: STRIDE },
                GemmInit::Rows(&self.b1),
            )
            .with_relu(),
        );
        cpu.run(gemm(
            [o, n, h],
            MatRef { data: &self.w2, row: 1, col: o },
            MatRef { data: &self.h2, row: STRIDE, col: 1 },
            MatMut { data: &mut self.outputs, row: STRIDE },
            GemmInit::Rows(&self.b2),
        ));
    }
}
