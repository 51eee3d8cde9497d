//! The `quadratic` family: loss(x) = out(‖(A + E)·x‖²), spec TaskSet §2.11. All splits share the objective.

use super::matrix::MatrixScratch;
use super::{Batch, Normalizer, Plan, QuadraticConfig, QuadraticOutput, Task, TaskSpec, TensorInit};
use crate::data::Split;
use crate::error::Result;
use crate::layer::{Grid, Order};
use crate::params::{ParamLayout, TensorSpec};
use crate::program::ops::{Fold, Function, Matmul, Op};
use crate::program::{Builder, Dtype, Program};
use crate::rng::{Key, Purpose};
use crate::simd::{AlignedVec, Cpu, GemmInit, Kernel, LANES, LaneSum, MatMut, MatRef, Simd, gemm};
use candle_core::Tensor;

const STREAM_NOISE: u64 = 3;
/// Added inside the logarithm of the `log` output.
const LOG_FLOOR: f64 = 1e-8;

/// A checked quadratic with its matrix.
pub struct QuadraticTask {
    config: QuadraticConfig,
    /// A, row-major.
    matrix: Vec<f32>,
    spec: TaskSpec,
}

impl QuadraticTask {
    /// Draws A by its instance seed.
    /// # Errors
    /// `ShapeMismatch` never in practice: the config bounds the size.
    pub fn new(config: QuadraticConfig) -> Result<Self> {
        let d = config.dims;
        let mut matrix = vec![0.0; d * d];
        let key = Key::new(config.instance_seed, Purpose::TaskContent);
        config.matrix.fill(key, d, &mut matrix, &mut MatrixScratch::default());
        let spec = TaskSpec {
            params: Self::layout(d)?,
            init: vec![TensorInit::Independent(config.start)],
            normalizer: Normalizer::Identity,
            scales: None,
        };
        Ok(Self { config, matrix, spec })
    }

    /// The parameters of `dims` dimensions.
    pub(super) fn layout(dims: usize) -> Result<ParamLayout> {
        ParamLayout::new(vec![TensorSpec::new("x", [dims])])
    }
}

impl Task for QuadraticTask {
    fn spec(&self) -> &TaskSpec {
        &self.spec
    }

    /// The batch holds A + E, one row of the matrix an example.
    fn sample(&self, _: Cpu, split: Split, key: Key, index: u64, batch: &mut Batch) {
        let d = self.config.dims;
        let grid = Grid { features: d, batch: d, order: Order::ByExample };
        batch.resize(grid);
        let Batch { inputs, noise, matrix_scratch, .. } = batch;
        if let Some(kind) = &self.config.noise {
            noise.resize(d * d, 0.0);
            kind.fill(key.fold(STREAM_NOISE).fold(split as u64).fold(index), d, noise, matrix_scratch);
        }
        for i in 0..d {
            let row = &mut inputs[i * grid.row()..][..d];
            row.copy_from_slice(&self.matrix[i * d..][..d]);
            if self.config.noise.is_some() {
                row.iter_mut().zip(&noise[i * d..]).for_each(|(a, e)| *a += e);
            }
        }
    }

    fn graph(&self, params: &[Tensor], batch: &Batch) -> candle_core::Result<Tensor> {
        let (x, d) = (&params[0], self.config.dims);
        let matrix = Tensor::from_vec(batch.examples(), (d, d), x.device())?.to_dtype(x.dtype())?;
        let program = program(&self.config).map_err(candle_core::Error::wrap)?;
        program.graph(&[matrix], params)
    }

    fn plan(&self) -> Box<dyn Plan> {
        Box::new(QuadraticPlan {
            dims: self.config.dims,
            output: self.config.output,
            scale: self.config.loss_scale as f32,
            product: AlignedVec::zeros(self.config.dims),
        })
    }
}

/// The loss as a program of A + E.
fn program(config: &QuadraticConfig) -> Result<Program> {
    let (mut b, d) = (Builder::new(), config.dims);
    let (matrix, x) = (b.input("matrix", Dtype::F32, &[d, d]), b.param("x", &[d], None));
    let column = b.reshape(x, &[d, 1]);
    let product = b.push(Op::Matmul(Matmul { transposed: [false; 2] }), &[matrix, column]);
    let squares = b.map(Function::Square, product);
    let mut value = b.reduce(Fold::Sum, squares, None);
    if config.output == QuadraticOutput::Log {
        let floored = b.affine(value, 1.0, LOG_FLOOR);
        value = b.map(Function::Ln, floored);
    }
    let loss = b.affine(value, config.loss_scale, 0.0);
    b.finish(loss)
}

struct QuadraticPlan {
    dims: usize,
    output: QuadraticOutput,
    scale: f32,
    /// (A + E)·x.
    product: AlignedVec,
}

impl Plan for QuadraticPlan {
    fn loss(&mut self, cpu: Cpu, params: &[f32], batch: &Batch) -> f32 {
        let value = cpu.run(SquaredNorm {
            matrix: &batch.inputs,
            row: batch.grid().row(),
            x: params,
            y: &mut self.product,
        });
        match self.output {
            QuadraticOutput::Identity => self.scale * value,
            // `value` is a sum of squares, so the maximum with 0 of the definition only matters for NaN.
            QuadraticOutput::Log => self.scale * libm::logf(value + LOG_FLOOR as f32),
        }
    }

    fn loss_and_grad(&mut self, cpu: Cpu, params: &[f32], batch: &Batch, grads: &mut [f32]) -> f32 {
        let loss = self.loss(cpu, params, batch);
        let slope = match self.output {
            QuadraticOutput::Identity => 2.0 * self.scale,
            QuadraticOutput::Log => {
                let value: f32 = self.product.iter().map(|y| y * y).sum();
                2.0 * self.scale / (value + LOG_FLOOR as f32)
            }
        };
        self.product.iter_mut().for_each(|y| *y *= slope);
        let d = self.dims;
        cpu.run(gemm(
            [1, d, d],
            MatRef { data: &self.product, row: d, col: 1 },
            MatRef { data: &batch.inputs, row: batch.grid().row(), col: 1 },
            MatMut { data: grads, row: d },
            GemmInit::Zero,
        ));
        loss
    }
}

/// y = M·x and ‖y‖². Columns of M past its width and gaps of x are zero.
struct SquaredNorm<'a> {
    matrix: &'a [f32],
    row: usize,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for SquaredNorm<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let mut norm = 0.0;
        for (y, row) in self.y.iter_mut().zip(self.matrix.chunks_exact(self.row)) {
            let mut dot = LaneSum::zero(s);
            for (m, x) in row.chunks_exact(LANES).zip(self.x.chunks_exact(LANES)) {
                for half in 0..LANES / S::WIDTH {
                    // SAFETY: `half * WIDTH + WIDTH <= LANES`, the length of both chunks.
                    unsafe {
                        let at = half * S::WIDTH;
                        dot.fma(s, half, s.load(m.as_ptr().add(at)), s.load(x.as_ptr().add(at)));
                    }
                }
            }
            *y = dot.total(s);
            norm += *y * *y;
        }
        norm
    }
}
