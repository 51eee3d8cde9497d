//! `rms_mlp`: a per-parameter MLP on momenta and second moments, the hierarchical optimizer without its LSTMs.
//!
//! p ← p − o₀·e^(expMult·o₁)·stepMult. Inputs are g, p, ln(|p| + 1e-8), and m, v, m·s and s = rsqrt(v + 1e-6) for five
//! decays, each normalised over the tensor; then eleven time features, ln(tensors) − 1, ln(‖p‖ + 1e-8) and ln(elements).
//!
//! # References
//! "FF" of figure 2a in Metz, Maheswaranathan, Freeman, Poole, Sohl-Dickstein 2020, arXiv:2009.11243: two layers of 32
//! units on "RMS features". The choice of inputs is ours: those of the hierarchical optimizer
//! (google/learned_optimization, learned_optimizers/rnn_mlp_lopt.py, 32186aa) but for what comes from the LSTM. Gradients
//! are not clipped. No published numbers exist: an f64 twin only.

use super::engine::embedding::sine_embedding;
use super::engine::hierarchical_features::{DECAYS, KEPT, OLD, TensorArrays, accumulate, share, shares};
use super::engine::lstm::Linear;
use super::engine::mlp::{ParamMlp, Scratch, mlp_leaves};
use super::hierarchical::CONSTANTS;
use super::hierarchical::Forward;
use crate::error::Result;
use crate::optim::options::options;
use crate::optim::rounding::ln;
use crate::optim::{Config, Cost, GradRange, Needs, Optimizer, StateMut, Step, Theta, ThetaSpec, Update};
use crate::params::{ParamLayout, TensorSpec};
use crate::simd::AlignedVec;
use std::ops::Range;
use std::sync::Arc;

/// Normalised channels: all of the hierarchical optimizer's but the old parameters.
const CHANNELS: usize = OLD;
const INPUTS: usize = CHANNELS + CONSTANTS;
const NORMALIZER_FLOOR: f32 = 1e-5;
/// Parameters of a tensor whose features are kept from the first pass to the second; those of more would not stay in a
/// core's caches.
const MOST_KEPT: usize = 32_768;

options! {
    /// Per-parameter MLP on the hierarchical optimizer's features, without LSTMs ("FF" of Metz et al. 2020, figure
    /// 2a).
    pub struct RmsMlpConfig {
        /// Width of both hidden layers.
        hidden: usize = 32 => Range::integer(1, 1024);
        /// Factor of every step. Too large diverges at the start of meta-training, too small never moves.
        step_mult: f64 = 0.001 => Range::Positive;
        /// Factor inside the exponential that sets a step's magnitude; 0 switches that output off.
        exp_mult: f64 = 0.001 => Range::NonNegative;
    }
}

impl Config for RmsMlpConfig {
    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(RmsMlp::new(self)))
    }
}

/// The optimizer as an immutable value.
pub struct RmsMlp {
    config: RmsMlpConfig,
    theta: ThetaSpec,
}

impl RmsMlp {
    /// With the given size and scales; their ranges are the caller's to check.
    pub fn new(config: RmsMlpConfig) -> Self {
        let theta = ThetaSpec { leaves: mlp_leaves(INPUTS, config.hidden) };
        Self { config, theta }
    }
}

impl Optimizer for RmsMlp {
    fn theta_spec(&self) -> &ThetaSpec {
        &self.theta
    }

    fn state_layout(&self, params: &ParamLayout) -> Option<ParamLayout> {
        let mut arrays = vec![];
        for spec in params.specs() {
            for name in ["momentum", "square"] {
                let array = |k: usize| TensorSpec::new(format!("{name}{k}/{}", spec.name), [spec.len()]);
                arrays.extend((0..DECAYS.len()).map(array));
            }
        }
        ParamLayout::new(arrays).ok()
    }

    fn bind(&self, theta: Theta, params: &ParamLayout) -> Result<Box<dyn Update>> {
        self.theta.check(&theta)?;
        let leaf = |name: &str| self.theta.leaf(&theta, &format!("mlp/~/{name}"));
        let hidden = self.config.hidden;
        let layers = ["linear_1/w", "linear_1/b", "linear_2/w", "linear_2/b"].map(leaf);
        let mut at = 0;
        let tensor = |i: usize| {
            let range = params.padded_range(i);
            let state = at..at + 2 * DECAYS.len() * range.len();
            at = state.end;
            TensorPlan { len: params.range(i).len(), range, state }
        };
        let tensors: Vec<_> = (0..params.num_tensors()).map(tensor).collect();
        let longest = tensors.iter().map(|t| t.range.len()).filter(|&len| len <= MOST_KEPT).max();
        let mlp = ParamMlp::new(CHANNELS, hidden, layers, 2, 2);
        Ok(Box::new(Bound {
            tensors,
            w0: leaf("linear_0/w").to_vec(),
            b0: leaf("linear_0/b").to_vec(),
            scratch: mlp.scratch(),
            mlp,
            bias: vec![0.0; hidden],
            kept: AlignedVec::zeros(KEPT * longest.unwrap_or(0)),
            step_mult: self.config.step_mult as f32,
            exp_mult: self.config.exp_mult as f32,
        }))
    }

    fn cost(&self) -> Cost {
        let h = self.config.hidden;
        Cost { state_floats: 2 * DECAYS.len(), macs: INPUTS * h + h * h + 2 * h }
    }

    fn needs(&self) -> Needs {
        Needs { grad_range: GradRange::Refused, ..Needs::default() }
    }
}

/// One tensor: its elements, its place among the parameters and in the state.
struct TensorPlan {
    len: usize,
    range: Range<usize>,
    state: Range<usize>,
}

struct Bound {
    tensors: Vec<TensorPlan>,
    /// First layer: normalised channels, then what is constant over a tensor.
    w0: Vec<f32>,
    b0: Vec<f32>,
    mlp: ParamMlp,
    scratch: Scratch,
    /// Bias with the constants of a tensor.
    bias: Vec<f32>,
    kept: AlignedVec,
    step_mult: f32,
    exp_mult: f32,
}

impl Update for Bound {
    fn init(&mut self, _: &[f32], _: StateMut<'_>) {}

    fn step(&mut self, step: Step<'_>) {
        let Step { workers, state, mut params, mut grads, scale, .. } = step;
        let cpu = workers.cpu();
        let Self { tensors, w0, b0, mlp, scratch, bias, kept, .. } = self;
        let hidden = b0.len();
        let (channels, constant) = w0.split_at(CHANNELS * hidden);
        let mut constants = [0.0; CONSTANTS];
        constants[..11].copy_from_slice(&sine_embedding(*state.iteration));
        constants[11] = ln(tensors.len() as f32) - 1.0;
        for (i, t) in tensors.iter().enumerate() {
            let (momenta, squares) = state.data[t.state.clone()].split_at_mut(DECAYS.len() * t.range.len());
            let mut arrays = TensorArrays {
                len: t.len,
                params: params.get(i, &t.range),
                grads: grads.get(i, &t.range),
                old: None,
                momenta,
                squares,
                kept: (t.range.len() <= MOST_KEPT).then(|| &mut kept[..KEPT * t.range.len()]),
            };
            let arrays = arrays.pointers();
            let sums = accumulate(workers, arrays);
            constants[12] = ln(sums.squares[1].sqrt() + 1e-8);
            constants[13] = ln(t.len as f32);
            cpu.run(Linear { x: &constants, w: constant, b: b0, y: bias });
            let normalizers = sums.squares.map(|x| 1.0 / (NORMALIZER_FLOOR + x / t.len as f32).sqrt());
            for (c, row) in mlp.w0.chunks_exact_mut(hidden).enumerate() {
                let from = &channels[c * hidden..][..hidden];
                row.iter_mut().zip(from).for_each(|(to, w)| *to = w * normalizers[c]);
            }
            let forward = Forward {
                cpu,
                mlp,
                arrays,
                bias,
                limits: None,
                exp_mult: self.exp_mult,
                step_mult: self.step_mult * scale.of(i),
            };
            match shares(t.len) {
                1 => forward.run(scratch, 0..t.len, None),
                count => workers.each(count, |i| forward.run(&mut mlp.scratch(), share(t.len, i), None)),
            }
        }
        *state.iteration += 1;
    }
}
