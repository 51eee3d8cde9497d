//! `adafac_mlp`: a small per-parameter MLP on momenta, second moments and factored second moments.
//!
//! # References
//! Metz, Freeman, Harrison, Maheswaranathan, Sohl-Dickstein 2022, "Practical tradeoffs between memory, compute, and
//! performance in learned optimizers", arXiv:2203.11860 (`small_fc_lopt`). Reference implementation:
//! google/learned_optimization, learned_optimizers/adafac_mlp_lopt.py, 32186aa. Differences: normalisers and
//! everything constant over a row, a column or the tensor are folded into the first layer (rounding only); time
//! features are computed in f64; hidden layers are always two.

use super::engine::embedding::fold_time;
use super::engine::factored::{DECAYS, FEATURE_FLOOR, ROOT_FLOOR};
use super::engine::factored_rule::{FactoredRule, Parts, TensorPlan, state_arrays};
use super::engine::features::{
    Arrays, Decay, Features, Inputs, MAX_CHANNELS, MAX_KEPT, MAX_MADE, Pass, Source, Square, Squares, squares,
};
use super::engine::mlp::ParamMlp;
use super::engine::nominal::NominalScales;
use super::engine::rule::Wanted;
use crate::error::Result;
use crate::optim::options::options;
use crate::optim::rounding::{exp, ln};
use crate::optim::{
    Config, Cost, GradRange, LeafInit, Needs, Optimizer, StateMut, Step, Theta, ThetaSpec, Update,
};
use crate::params::{ParamLayout, TensorSpec};
use crate::simd::{AlignedVec, Simd, rsqrt};
use std::sync::Arc;

const MOMENTUM_DECAYS: [f32; DECAYS] = [0.9, 0.99, 0.999];
const SQUARE_DECAY: f32 = 0.999;
const FACTORED_DECAYS: [f32; DECAYS] = [0.9, 0.99, 0.999];
/// Inputs of the network: 28 normalised ones and 11 time features.
const INPUTS: usize = 39;
const NORMALIZED: usize = 28;
const NORMALIZER_FLOOR: f32 = 1e-5;
/// Theta's rows of the channels that every element has: those that are arrays, then those that are computed.
const ARRAY_ROWS: [usize; 7] = [0, 1, 5, 9, 2, 3, 4];
const MADE_ROWS: [usize; 9] = [6, 7, 8, 10, 11, 12, 25, 26, 27];
/// Theta's rows: row accumulators, column accumulators, their reciprocal roots.
const ROWS: [usize; 4] = [13, 16, 19, 22];
/// Added inside the reciprocal root of the second moment.
const SECOND_MOMENT_FLOOR: f32 = 1e-6;
/// Added inside the reciprocal root that scales the momenta of a tensor that is not factored.
const DIAGONAL_FLOOR: f32 = 1e-6;
/// Added to every squared gradient of a diagonal accumulator.
const SQUARE_FLOOR: f32 = 1e-30;
/// Added to a diagonal accumulator inside its factor.
const DIAGONAL_ROOT_FLOOR: f32 = 1e-9;

/// Gradient, parameter, second moment and its reciprocal root, momenta.
const ARRAYS: [Source; 7] = [
    Source::Grad,
    Source::Param,
    Source::State(DECAYS),
    Source::Kept(0),
    Source::State(0),
    Source::State(1),
    Source::State(2),
];

/// Channels of a factored tensor, and of one that is not: that has its accumulators and their reciprocal roots as well.
struct FactoredFeatures;
struct DiagonalFeatures;

/// rsqrt(v + 1e-6).
#[inline(always)]
fn root<S: Simd>(s: S, x: &Inputs<S>) -> S::V {
    rsqrt(s, s.add(x.state[DECAYS], s.splat(SECOND_MOMENT_FLOOR)))
}

/// m·root, g·f, m·h.
#[inline(always)]
fn make<S: Simd>(s: S, x: &Inputs<S>, f: [S::V; DECAYS], h: [S::V; DECAYS]) -> [S::V; MAX_MADE] {
    let mut out = [x.g; MAX_MADE];
    for k in 0..DECAYS {
        out[k] = s.mul(x.state[k], x.kept[0]);
        out[DECAYS + k] = s.mul(x.g, f[k]);
        out[2 * DECAYS + k] = s.mul(x.state[k], h[k]);
    }
    out
}

impl Features for FactoredFeatures {
    const MOMENTA: usize = DECAYS;
    const SQUARES: usize = 1;
    const KEPT: usize = 1;
    const RAW: &'static [Source] = &ARRAYS;
    const MADE: usize = MADE_ROWS.len();
    const OUTPUTS: usize = 4;
    const PASSES: &'static [Pass] = &[
        Pass { state: (DECAYS, DECAYS + 1), kept: (0, 1), is_factored: false, channels: &[0, 1, 2] },
        Pass { state: (0, DECAYS), kept: (0, 0), is_factored: false, channels: &[3, 4, 5, 6, 7, 8, 9] },
        Pass { state: (0, 0), kept: (0, 0), is_factored: true, channels: &[10, 11, 12, 13, 14, 15] },
    ];

    #[inline(always)]
    fn keep<S: Simd>(s: S, x: &Inputs<S>) -> [S::V; MAX_KEPT] {
        [root(s, x); MAX_KEPT]
    }

    #[inline(always)]
    fn make<S: Simd>(s: S, x: &Inputs<S>) -> [S::V; MAX_MADE] {
        make(s, x, x.factors, x.factors)
    }

    #[inline(always)]
    fn squares<S: Simd>(s: S, x: &Inputs<S>) -> [Square<S>; MAX_CHANNELS] {
        let [p, v] = [x.p, x.state[DECAYS]].map(Square::Of);
        let Squares { g, root, momenta, by_root: [_, by_root @ ..], by_factors } = squares(s, x);
        let [g, root] = [g, root].map(Square::Is);
        let mut out = [g; MAX_CHANNELS];
        out[1..4].copy_from_slice(&[p, v, root]);
        let products = [momenta.map(Square::Is), by_root, by_factors[0], by_factors[1]];
        out[4..16].copy_from_slice(products.as_flattened());
        out
    }
}

impl Features for DiagonalFeatures {
    const MOMENTA: usize = DECAYS;
    const SQUARES: usize = 1 + DECAYS;
    /// The second moment's root; then f, h and the feature's root of every accumulator.
    const KEPT: usize = 1 + 3 * DECAYS;
    const RAW: &'static [Source] = &[
        ARRAYS[0],
        ARRAYS[1],
        ARRAYS[2],
        ARRAYS[3],
        ARRAYS[4],
        ARRAYS[5],
        ARRAYS[6],
        Source::State(DECAYS + 1),
        Source::State(DECAYS + 2),
        Source::State(DECAYS + 3),
        Source::Kept(1 + 2 * DECAYS),
        Source::Kept(2 + 2 * DECAYS),
        Source::Kept(3 + 2 * DECAYS),
    ];
    const MADE: usize = MADE_ROWS.len();
    const OUTPUTS: usize = 4;
    const PASSES: &'static [Pass] = &[
        Pass {
            state: (DECAYS, 2 * DECAYS + 1),
            kept: (0, Self::KEPT),
            is_factored: false,
            channels: &[0, 1, 2, 3, 7, 8, 9],
        },
        Pass { state: (0, DECAYS), kept: (0, 0), is_factored: false, channels: &[4, 5, 6, 13, 14, 15] },
        Pass { state: (0, 0), kept: (0, 0), is_factored: false, channels: &[10, 11, 12, 16, 17, 18] },
        Pass { state: (0, 0), kept: (0, 0), is_factored: false, channels: &[19, 20, 21] },
    ];

    #[inline(always)]
    fn keep<S: Simd>(s: S, x: &Inputs<S>) -> [S::V; MAX_KEPT] {
        let mut out = [root(s, x); MAX_KEPT];
        for k in 0..DECAYS {
            let q = x.state[DECAYS + 1 + k];
            out[1 + k] = rsqrt(s, s.max(s.splat(ROOT_FLOOR), s.add(q, s.splat(DIAGONAL_ROOT_FLOOR))));
            out[1 + DECAYS + k] = rsqrt(s, s.add(q, s.splat(DIAGONAL_FLOOR)));
            out[1 + 2 * DECAYS + k] = rsqrt(s, s.add(q, s.splat(FEATURE_FLOOR)));
        }
        out
    }

    #[inline(always)]
    fn make<S: Simd>(s: S, x: &Inputs<S>) -> [S::V; MAX_MADE] {
        let k = x.kept;
        make(s, x, [k[1], k[2], k[3]], [k[4], k[5], k[6]])
    }
}

options! {
    /// Per-parameter MLP over momentum, second-moment and factored second-moment features.
    pub struct AdafacMlpConfig {
        /// Width of both hidden layers.
        hidden: usize = 4 => Range::integer(1, 1024);
        /// Factor of every step. Too large diverges at the start of meta-training, too small never moves.
        step_mult: f64 = 0.001 => Range::Positive;
        /// Factor inside the exponential that sets a step's magnitude; 0 switches that output off.
        exp_mult: f64 = 0.001 => Range::NonNegative;
    }
}

impl Config for AdafacMlpConfig {
    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(AdafacMlp::new(self)))
    }
}

/// The optimizer as an immutable value.
pub struct AdafacMlp {
    config: AdafacMlpConfig,
    theta: ThetaSpec,
}

impl AdafacMlp {
    /// With the given sizes and scales; their ranges are the caller's to check.
    pub fn new(config: AdafacMlpConfig) -> Self {
        let theta = theta_spec(config.hidden, 2);
        Self { config, theta }
    }
}

/// Theta of a network with so many units and outputs.
pub(super) fn theta_spec(hidden: usize, outputs: usize) -> ThetaSpec {
    let h = hidden;
    let truncated = |inputs: usize| LeafInit::TruncatedNormal(1.0 / (inputs as f64).sqrt());
    let leaf = |name: &str, shape: &[usize], init| (TensorSpec::new(name, shape), init);
    ThetaSpec {
        leaves: vec![
            leaf("adafactor_decays", &[DECAYS], LeafInit::Zero),
            leaf("momentum_decays", &[DECAYS], LeafInit::Zero),
            leaf("nn/~/b0", &[h], LeafInit::Zero),
            leaf("nn/~/b1", &[h], LeafInit::Zero),
            leaf("nn/~/b2", &[outputs], LeafInit::Zero),
            leaf("nn/~/w0", &[INPUTS, h], truncated(INPUTS)),
            leaf("nn/~/w1", &[h, h], truncated(h)),
            leaf("nn/~/w2", &[h, outputs], truncated(h)),
            leaf("rms_decays", &[1], LeafInit::Zero),
        ],
    }
}

/// Arrays of the state.
pub(super) fn state_layout(params: &ParamLayout) -> Option<ParamLayout> {
    let arrays = params.specs().iter().flat_map(|spec| state_arrays(spec, DECAYS));
    ParamLayout::new(arrays.collect()).ok()
}

/// What a step costs for a network with so many units and outputs.
pub(super) fn cost(hidden: usize, outputs: usize) -> Cost {
    Cost { state_floats: 4, macs: INPUTS * hidden + hidden * hidden + outputs * hidden }
}

/// β = 1 − exp(10·(ln(1 − β₀)/10 + offset)), in f32 (spec §1.13).
fn learned_decay(initial: f32, offset: f32, is_clipped: bool, floor: f32) -> Decay {
    let beta = 1.0 - exp(10.0 * (ln(1.0 - initial) / 10.0 + offset));
    Decay::new(if is_clipped && beta < 0.0 { 0.0 } else { beta }, floor)
}

impl Optimizer for AdafacMlp {
    fn theta_spec(&self) -> &ThetaSpec {
        &self.theta
    }

    fn state_layout(&self, params: &ParamLayout) -> Option<ParamLayout> {
        state_layout(params)
    }

    fn bind(&self, theta: Theta, params: &ParamLayout) -> Result<Box<dyn Update>> {
        self.theta.check(&theta)?;
        let AdafacMlpConfig { hidden, step_mult, exp_mult } = self.config;
        Ok(Box::new(Bound::new(&self.theta, &theta, params, hidden, [step_mult, exp_mult], None)))
    }

    fn cost(&self) -> Cost {
        cost(self.config.hidden, 2)
    }

    fn needs(&self) -> Needs {
        Needs { grad_range: GradRange::Refused, ..Needs::default() }
    }
}

/// What a network with four outputs adds to the step.
pub(super) struct Nominal {
    /// Step and exponent are the optimizer's own.
    pub(super) scales: NominalScales,
    /// Whether the parts that it adds are there.
    pub(super) is_used: bool,
}

/// The optimizer bound to theta and shapes.
pub(super) struct Bound {
    tensors: Vec<TensorPlan>,
    rule: FactoredRule<FactoredFeatures, DiagonalFeatures>,
    b0: Vec<f32>,
    /// First layer's weights of the time features.
    time_weights: Vec<f32>,
    /// Bias with the time features of this step.
    bias: Vec<f32>,
    step_mult: f32,
    exp_mult: f32,
    /// What the third and fourth output do, and scratch for the outputs of a tensor; if they do anything.
    nominal: Option<(NominalScales, AlignedVec)>,
}

impl Bound {
    /// Packs `theta`, whose length was checked; the network has four outputs if `nominal` is given, else two.
    pub(super) fn new(
        spec: &ThetaSpec,
        theta: &[f32],
        params: &ParamLayout,
        hidden: usize,
        [step_mult, exp_mult]: [f64; 2],
        nominal: Option<Nominal>,
    ) -> Self {
        let leaf = |name: &str| spec.leaf(theta, name);
        let mut at = 0;
        let tensors = (0..params.num_tensors()).map(|i| {
            let plan = TensorPlan::new(params, i, at, [DECAYS + 1, 2 * DECAYS + 1], false);
            at = plan.state.end;
            plan
        });
        let tensors: Vec<_> = tensors.collect();
        let decay = |initial: f32, name: &str, k: usize, is_clipped: bool, floor: f32| {
            learned_decay(initial, leaf(name)[k], is_clipped, floor)
        };
        let mut elementwise: Vec<_> =
            (0..DECAYS).map(|k| decay(MOMENTUM_DECAYS[k], "momentum_decays", k, false, 0.0)).collect();
        elementwise.push(decay(SQUARE_DECAY, "rms_decays", 0, true, 0.0));
        let factored =
            std::array::from_fn(|k| decay(FACTORED_DECAYS[k], "adafactor_decays", k, true, SQUARE_FLOOR));
        let w0 = leaf("nn/~/w0");
        let row = |row: usize| &w0[row * hidden..][..hidden];
        let rows = |rows: &[usize]| rows.iter().flat_map(|&r| row(r)).copied().collect::<Vec<_>>();
        let three = |first: usize| rows(&[first, first + 1, first + 2]);
        // Where nothing is factored, rows and columns both see the same accumulator.
        let both =
            |a: usize, b: usize| three(a).into_iter().zip(three(b)).map(|(x, y)| x + y).collect::<Vec<_>>();
        let diagonal = [both(ROWS[0], ROWS[1]), both(ROWS[2], ROWS[3])].concat();
        let (arrays, made) = (rows(&ARRAY_ROWS), rows(&MADE_ROWS));
        let parts = Parts {
            elementwise: &elementwise,
            factored,
            weights: [[&arrays[..], &made].concat(), [&arrays[..], &diagonal, &made].concat()],
            side_weights: [[three(ROWS[0]), three(ROWS[1])], [three(ROWS[2]), three(ROWS[3])]],
            floor: NORMALIZER_FLOOR,
            gradient_bound: None,
        };
        let layers = ["nn/~/w1", "nn/~/b1", "nn/~/w2", "nn/~/b2"].map(leaf);
        let outputs = if nominal.is_some() { 4 } else { 2 };
        let nominal = nominal.filter(|n| n.is_used).map(|n| {
            let longest = tensors.iter().map(|t| t.params.len()).max().unwrap_or(0);
            (n.scales, AlignedVec::zeros(3 * longest))
        });
        let computed = if nominal.is_some() { 4 } else { 2 };
        let mlp = |channels| ParamMlp::new(channels, hidden, layers, outputs, computed);
        Self {
            rule: FactoredRule::new(parts, mlp, tensors.iter()),
            tensors,
            b0: leaf("nn/~/b0").to_vec(),
            time_weights: w0[NORMALIZED * hidden..].to_vec(),
            bias: vec![0.0; hidden],
            step_mult: step_mult as f32,
            exp_mult: exp_mult as f32,
            nominal,
        }
    }
}

impl Update for Bound {
    fn init(&mut self, _: &[f32], _: StateMut<'_>) {}

    fn step(&mut self, step: Step<'_>) {
        let Step { workers, state, mut params, mut grads, scale, .. } = step;
        fold_time(&mut self.bias, &self.b0, &self.time_weights, *state.iteration);
        for (i, plan) in self.tensors.iter().enumerate() {
            let arrays = Arrays {
                params: params.get(i, &plan.params),
                grads: grads.get(i, &plan.params),
                state: &mut state.data[plan.state.clone()],
            };
            let factor = scale.of(i);
            let step_mult = self.step_mult * factor;
            let wanted = match &mut self.nominal {
                None => Wanted::Step { exp_mult: self.exp_mult, step_mult },
                Some((scales, out)) => {
                    let scales = NominalScales {
                        step_mult,
                        nominal_lr: scales.nominal_lr * factor,
                        weight_decay: scales.weight_decay * factor,
                        ..*scales
                    };
                    Wanted::Nominal { out, scales }
                }
            };
            self.rule.run(workers, plan, arrays, &self.bias, wanted);
        }
        *state.iteration += 1;
    }
}
