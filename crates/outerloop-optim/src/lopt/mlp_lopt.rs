//! `mlp_lopt`: a per-parameter MLP on the gradient, the parameter and six momenta.
//!
//! # References
//! Metz, Maheswaranathan, Nixon, Freeman, Sohl-Dickstein 2019, "Understanding and correcting pathologies in the training
//! of learned optimizers", arXiv:1810.10180. Reference implementation: google/learned_optimization,
//! learned_optimizers/mlp_lopt.py, 32186aa. Differences: normalisers and time features are folded into the first layer
//! (rounding only); time features are computed in f64.

use super::engine::embedding::fold_time;
use super::engine::features::{Arrays, Decay, Features, Inputs, MAX_KEPT, MAX_MADE, Pass, Source};
use super::engine::mlp::{ParamMlp, mlp_leaves};
use super::engine::rule::{Rule, Span, Wanted, spans_of};
use crate::error::Result;
use crate::optim::options::options;
use crate::optim::{Config, Cost, GradRange, Needs, Optimizer, StateMut, Step, Theta, ThetaSpec, Update};
use crate::params::{ParamLayout, TensorSpec};
use crate::simd::Simd;
use crate::tensor::{Run, runs_of};
use std::ops::Range;
use std::sync::Arc;

const DECAYS: [f32; 6] = [0.1, 0.5, 0.9, 0.99, 0.999, 0.9999];
/// Normalised channels: gradient, parameter, momenta.
const CHANNELS: usize = 2 + DECAYS.len();
/// Those and the time features.
const INPUTS: usize = CHANNELS + 11;
const NORMALIZER_FLOOR: f32 = 1e-5;

/// Gradient, parameter, momenta.
struct Momenta;

impl Features for Momenta {
    const MOMENTA: usize = DECAYS.len();
    const SQUARES: usize = 0;
    const KEPT: usize = 0;
    const RAW: &'static [Source] = &[
        Source::Grad,
        Source::Param,
        Source::State(0),
        Source::State(1),
        Source::State(2),
        Source::State(3),
        Source::State(4),
        Source::State(5),
    ];
    const MADE: usize = 0;
    const PASSES: &'static [Pass] = &[Pass {
        state: (0, DECAYS.len()),
        kept: (0, 0),
        is_factored: false,
        channels: &[0, 1, 2, 3, 4, 5, 6, 7],
    }];

    #[inline(always)]
    fn keep<S: Simd>(_: S, x: &Inputs<S>) -> [S::V; MAX_KEPT] {
        [x.g; MAX_KEPT]
    }

    #[inline(always)]
    fn make<S: Simd>(_: S, x: &Inputs<S>) -> [S::V; MAX_MADE] {
        [x.g; MAX_MADE]
    }
}

options! {
    /// Per-parameter MLP over six momenta (Metz et al. 2019, arXiv:1810.10180).
    pub struct MlpLoptConfig {
        /// Width of both hidden layers.
        hidden: usize = 32 => Range::integer(1, 1024);
        /// Factor of every step. Too large diverges at the start of meta-training, too small never moves.
        step_mult: f64 = 0.001 => Range::Positive;
        /// Factor inside the exponential that sets a step's magnitude; 0 switches that output off.
        exp_mult: f64 = 0.001 => Range::NonNegative;
    }
}

impl Config for MlpLoptConfig {
    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(MlpLopt::new(self)))
    }
}

/// The optimizer as an immutable value.
pub struct MlpLopt {
    config: MlpLoptConfig,
    theta: ThetaSpec,
}

impl MlpLopt {
    /// With the given sizes and scales; their ranges are the caller's to check.
    pub fn new(config: MlpLoptConfig) -> Self {
        let theta = ThetaSpec { leaves: mlp_leaves(INPUTS, config.hidden) };
        Self { config, theta }
    }
}

impl Optimizer for MlpLopt {
    fn theta_spec(&self) -> &ThetaSpec {
        &self.theta
    }

    fn state_layout(&self, params: &ParamLayout) -> Option<ParamLayout> {
        let momenta = |spec: &TensorSpec| {
            let len = spec.len();
            let name = spec.name.clone();
            (0..DECAYS.len()).map(move |k| TensorSpec::new(format!("momentum{k}/{name}"), [len]))
        };
        ParamLayout::new(params.specs().iter().flat_map(momenta).collect()).ok()
    }

    fn bind(&self, theta: Theta, params: &ParamLayout) -> Result<Box<dyn Update>> {
        self.theta.check(&theta)?;
        let leaf = |name: &str| self.theta.leaf(&theta, name);
        let hidden = self.config.hidden;
        let layers =
            ["linear_1/w", "linear_1/b", "linear_2/w", "linear_2/b"].map(|l| leaf(&format!("mlp/~/{l}")));
        let w0 = leaf("mlp/~/linear_0/w");
        let (weights, time_weights) = w0.split_at(CHANNELS * hidden);
        let mlp = ParamMlp::new(CHANNELS, hidden, layers, 2, 2);
        let mut at = 0;
        let tensors = (0..params.num_tensors()).map(|i| {
            let range = params.padded_range(i);
            let state = at..at + DECAYS.len() * range.len();
            at = state.end;
            let len = params.range(i).len();
            let runs = runs_of(&[len]).0;
            let span = spans_of(len, len, &runs).remove(0);
            Tensor { params: range, state, runs, span }
        });
        let longest = (0..params.num_tensors()).map(|i| params.padded_range(i).len()).max().unwrap_or(0);
        Ok(Box::new(Bound {
            tensors: tensors.collect(),
            rule: Rule::new(
                &DECAYS.map(|beta| Decay::new(beta, 0.0)),
                weights.to_vec(),
                NORMALIZER_FLOOR,
                mlp,
                longest,
            ),
            time_weights: time_weights.to_vec(),
            b0: leaf("mlp/~/linear_0/b").to_vec(),
            bias: vec![0.0; hidden],
            step_mult: self.config.step_mult as f32,
            exp_mult: self.config.exp_mult as f32,
        }))
    }

    fn cost(&self) -> Cost {
        let h = self.config.hidden;
        Cost { state_floats: DECAYS.len(), macs: INPUTS * h + h * h + 2 * h }
    }

    fn needs(&self) -> Needs {
        Needs { grad_range: GradRange::Refused, ..Needs::default() }
    }
}

/// One tensor: its places among parameters and state, its runs, and all of them.
struct Tensor {
    params: Range<usize>,
    state: Range<usize>,
    runs: Vec<Run>,
    span: Span,
}

struct Bound {
    tensors: Vec<Tensor>,
    rule: Rule<Momenta>,
    time_weights: Vec<f32>,
    b0: Vec<f32>,
    /// Bias with the time features of this step.
    bias: Vec<f32>,
    step_mult: f32,
    exp_mult: f32,
}

impl Update for Bound {
    fn init(&mut self, _: &[f32], _: StateMut<'_>) {}

    fn step(&mut self, step: Step<'_>) {
        let Step { workers, state, mut params, mut grads, scale, .. } = step;
        let Self { tensors, rule, time_weights, b0, bias, step_mult, exp_mult } = self;
        fold_time(bias, b0, time_weights, *state.iteration);
        for (i, tensor) in tensors.iter().enumerate() {
            let mut arrays = Arrays {
                params: params.get(i, &tensor.params),
                grads: grads.get(i, &tensor.params),
                state: &mut state.data[tensor.state.clone()],
            };
            let wanted = Wanted::Step { exp_mult: *exp_mult, step_mult: *step_mult * scale.of(i) };
            rule.run(workers, &mut arrays, (&tensor.runs, &tensor.span), None, bias, wanted);
        }
        *state.iteration += 1;
    }
}
