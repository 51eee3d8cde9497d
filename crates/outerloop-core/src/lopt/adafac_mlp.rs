//! `adafac_mlp`: a small per-parameter MLP on momenta, second moments and factored second moments.
//!
//! # References
//! Metz, Freeman, Harrison, Maheswaranathan, Sohl-Dickstein 2022, "Practical tradeoffs between memory, compute, and
//! performance in learned optimizers", arXiv:2203.11860 (`small_fc_lopt`). Reference implementation:
//! google/learned_optimization, learned_optimizers/adafac_mlp_lopt.py, 32186aa. Differences: normalisers and
//! everything constant over a row, a column or the tensor are folded into the first layer (rounding only); time
//! features are computed in f64; hidden layers are always two.

use super::adafac_features::{
    Accumulate, CHANNELS, CHANNELS_DIAGONAL, Decays, Factors, FillBlock, TensorArrays,
};
use super::columns::Sink;
use super::embedding::tanh_embedding;
use super::factored::{self, DECAYS, FoldSide, Side};
use super::mlp::{ParamMlp, Start};
use super::runs::{Factoring, Run, blocks_of, runs_of};
use crate::error::Result;
use crate::optim::rounding::{exp, ln};
use crate::optim::{AdafacMlpConfig, Cost, LeafInit, Losses, Optimizer, OptimizerState, ThetaSpec, Update};
use crate::params::{ParamLayout, TensorSpec};
use crate::simd::{AlignedVec, Cpu, LANES};
use std::ops::Range;

const MOMENTUM_DECAYS: [f32; DECAYS] = [0.9, 0.99, 0.999];
const SQUARE_DECAY: f32 = 0.999;
const FACTORED_DECAYS: [f32; DECAYS] = [0.9, 0.99, 0.999];
/// Inputs of the network: 28 normalised ones and 11 time features.
const INPUTS: usize = 39;
const NORMALIZED: usize = 28;
const NORMALIZER_FLOOR: f32 = 1e-5;
/// Theta's rows of the channels that differ from element to element, in the order of the features.
const CHANNEL_ROWS: [usize; CHANNELS] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 25, 26, 27];
/// Theta's rows: row accumulators, column accumulators, their reciprocal roots.
const ROWS: [usize; 4] = [13, 16, 19, 22];

/// The optimizer as an immutable value.
pub struct AdafacMlp {
    config: AdafacMlpConfig,
    theta: ThetaSpec,
}

impl AdafacMlp {
    /// With the given sizes and scales; their ranges are the caller's to check.
    pub fn new(config: AdafacMlpConfig) -> Self {
        let h = config.hidden;
        let truncated = |inputs: usize| LeafInit::TruncatedNormal(1.0 / (inputs as f64).sqrt());
        let leaf = |name: &str, shape: &[usize], init| (TensorSpec::new(name, shape), init);
        let theta = ThetaSpec {
            leaves: vec![
                leaf("adafactor_decays", &[DECAYS], LeafInit::Zero),
                leaf("momentum_decays", &[DECAYS], LeafInit::Zero),
                leaf("nn/~/b0", &[h], LeafInit::Zero),
                leaf("nn/~/b1", &[h], LeafInit::Zero),
                leaf("nn/~/b2", &[2], LeafInit::Zero),
                leaf("nn/~/w0", &[INPUTS, h], truncated(INPUTS)),
                leaf("nn/~/w1", &[h, h], truncated(h)),
                leaf("nn/~/w2", &[h, 2], truncated(h)),
                leaf("rms_decays", &[1], LeafInit::Zero),
            ],
        };
        Self { config, theta }
    }
}

/// β = 1 − exp(10·(ln(1 − β₀)/10 + offset)) and 1 − β, in f32 (spec §1.13).
fn learned_decay(initial: f32, offset: f32, is_clipped: bool) -> [f32; 2] {
    let beta = 1.0 - exp(10.0 * (ln(1.0 - initial) / 10.0 + offset));
    let beta = if is_clipped && beta < 0.0 { 0.0 } else { beta };
    [beta, 1.0 - beta]
}

impl Optimizer for AdafacMlp {
    fn theta_spec(&self) -> &ThetaSpec {
        &self.theta
    }

    fn state_layout(&self, params: &ParamLayout) -> Option<ParamLayout> {
        let mut arrays = vec![];
        for spec in params.specs() {
            let mut add = |name: &str, len: usize| {
                arrays
                    .extend((0..DECAYS).map(|k| TensorSpec::new(format!("{name}{k}/{}", spec.name), [len])));
            };
            add("momentum", spec.len());
            match runs_of(&spec.shape).1 {
                Some(f) => {
                    add("row", f.row_len);
                    add("col", f.col_len);
                }
                None => add("diagonal", spec.len()),
            }
            arrays.push(TensorSpec::new(format!("square/{}", spec.name), [spec.len()]));
        }
        ParamLayout::new(arrays).ok()
    }

    fn bind(&self, theta: &[f32], params: &ParamLayout) -> Result<Box<dyn Update>> {
        self.theta.check(theta)?;
        Ok(Box::new(Bound::new(self, theta, params)))
    }

    fn cost(&self) -> Cost {
        let h = self.config.hidden;
        Cost { state_floats: 4, macs: INPUTS * h + h * h + 2 * h }
    }

    fn valid_every(&self) -> Option<u64> {
        None
    }
}

/// One tensor's shape, worked out once.
struct TensorPlan {
    params: Range<usize>,
    len: usize,
    runs: Vec<Run>,
    blocks: Vec<Range<usize>>,
    factoring: Option<Factoring>,
    /// Range of the tensor's arrays in the state.
    state: Range<usize>,
}

struct Bound {
    tensors: Vec<TensorPlan>,
    decays: Decays,
    w0: Vec<f32>,
    b0: Vec<f32>,
    /// Bias with the time features of this step.
    bias: Vec<f32>,
    step_mult: f32,
    exp_mult: f32,
    factored: ParamMlp,
    diagonal: ParamMlp,
    sides: [Side; 2],
    /// Weights of one side with normalisers, `[2 * DECAYS, hidden]`.
    side_weights: Vec<f32>,
    /// What rows and columns add to the first layer, `[hidden, side_stride]`.
    side_starts: [AlignedVec; 2],
    side_stride: usize,
}

impl Bound {
    fn new(optimizer: &AdafacMlp, theta: &[f32], params: &ParamLayout) -> Self {
        let leaf = |name: &str| optimizer.theta.leaf(theta, name);
        let hidden = optimizer.config.hidden;
        let mut tensors = vec![];
        let mut at = 0;
        for (i, spec) in params.specs().iter().enumerate() {
            let (runs, factoring) = runs_of(&spec.shape);
            let padded = |len: usize| len.next_multiple_of(LANES);
            let per_decay = padded(spec.len())
                + factoring.as_ref().map_or(padded(spec.len()), |f| padded(f.row_len) + padded(f.col_len));
            let state = at..at + DECAYS * per_decay + padded(spec.len());
            at = state.end;
            let blocks = blocks_of(&runs);
            tensors.push(TensorPlan {
                params: params.padded_range(i),
                len: spec.len(),
                runs,
                blocks,
                factoring,
                state,
            });
        }
        let longest = |f: fn(&Factoring) -> usize| {
            tensors
                .iter()
                .filter_map(|t| t.factoring.as_ref())
                .map(f)
                .max()
                .unwrap_or(0)
                .next_multiple_of(LANES)
        };
        let (row_len, col_len) = (longest(|f| f.row_len), longest(|f| f.col_len));
        let side_stride = row_len.max(col_len);
        let mlp = |channels| {
            let layers = ["nn/~/w1", "nn/~/b1", "nn/~/w2", "nn/~/b2"].map(leaf);
            ParamMlp::new(channels, hidden, layers, 2, 2)
        };
        let decays = |name: &str, initial: [f32; DECAYS], is_clipped| -> [[f32; 2]; DECAYS] {
            std::array::from_fn(|k| learned_decay(initial[k], leaf(name)[k], is_clipped))
        };
        Self {
            decays: Decays {
                momentum: decays("momentum_decays", MOMENTUM_DECAYS, false),
                square: learned_decay(SQUARE_DECAY, leaf("rms_decays")[0], true),
                factored: decays("adafactor_decays", FACTORED_DECAYS, true),
            },
            w0: leaf("nn/~/w0").to_vec(),
            b0: leaf("nn/~/b0").to_vec(),
            bias: vec![0.0; hidden],
            step_mult: optimizer.config.step_mult as f32,
            exp_mult: optimizer.config.exp_mult as f32,
            factored: mlp(CHANNELS),
            diagonal: mlp(CHANNELS_DIAGONAL),
            sides: [Side::new(row_len), Side::new(col_len)],
            side_weights: vec![0.0; 2 * DECAYS * hidden],
            side_starts: std::array::from_fn(|_| AlignedVec::zeros(hidden * side_stride)),
            side_stride,
            tensors,
        }
    }

    fn fold_time(&mut self, iteration: u64) {
        let hidden = self.bias.len();
        self.bias.copy_from_slice(&self.b0);
        for (j, x) in tanh_embedding(iteration).into_iter().enumerate() {
            let row = &self.w0[(NORMALIZED + j) * hidden..][..hidden];
            self.bias.iter_mut().zip(row).for_each(|(b, w)| *b = w.mul_add(x, *b));
        }
    }

    /// One factored tensor's sides: accumulators, factors and what they add to the first layer.
    fn update_sides(&mut self, cpu: Cpu, tensor: usize, grads: &[f32], state: &mut [f32]) {
        let TensorPlan { runs, factoring: Some(factoring), .. } = &self.tensors[tensor] else { return };
        let mut accumulators = factored::accumulators(state, factoring);
        let borrowed = accumulators.each_mut().map(|side| side.each_mut().map(|a| &mut **a));
        let sums = factored::update_sides(
            cpu,
            &mut self.sides,
            grads,
            runs,
            factoring,
            borrowed,
            self.decays.factored,
        );
        let hidden = self.bias.len();
        for (which, len) in [factoring.row_len, factoring.col_len].into_iter().enumerate() {
            for k in 0..DECAYS {
                for (kind, sum) in sums[which][k].into_iter().enumerate() {
                    // The mean over the tensor is the mean over the side: every place counts equally often.
                    let scale = 1.0 / (NORMALIZER_FLOOR + sum / len as f32).sqrt();
                    let from = &self.w0[(ROWS[2 * kind + which] + k) * hidden..][..hidden];
                    let to = &mut self.side_weights[(kind * DECAYS + k) * hidden..][..hidden];
                    to.iter_mut().zip(from).for_each(|(to, w)| *to = w * scale);
                }
            }
            cpu.run(FoldSide {
                bias: &[],
                side: &self.sides[which],
                accumulators: accumulators[which].each_ref().map(|a| &**a),
                weights: &self.side_weights,
                hidden,
                len,
                out: &mut self.side_starts[which],
                stride: self.side_stride,
            });
        }
    }

    fn step_tensor(&mut self, cpu: Cpu, tensor: usize, state: &mut [f32], params: &mut [f32], grads: &[f32]) {
        let hidden = self.bias.len();
        let padded = params.len();
        let (momenta, rest) = state.split_at_mut(DECAYS * padded);
        let [m0, m1, m2] = thirds(momenta);
        let (accumulators, square) = rest.split_at_mut(rest.len() - padded);
        let is_factored = self.tensors[tensor].factoring.is_some();
        let mut diagonal: [&mut [f32]; DECAYS] = Default::default();
        if is_factored {
            self.update_sides(cpu, tensor, grads, accumulators);
        } else {
            diagonal = thirds(accumulators);
        }
        let plan = &self.tensors[tensor];
        let [row, col] = &self.sides;
        let factors = plan.factoring.as_ref().map(|factoring| Factors { factoring, row, col });
        let mut arrays = TensorArrays { params, grads, momenta: [m0, m1, m2], square, diagonal };
        let sums =
            cpu.run(Accumulate { arrays: &mut arrays, runs: &plan.runs, factors, decays: self.decays });
        let mlp = if is_factored { &mut self.factored } else { &mut self.diagonal };
        for c in 0..mlp.num_features {
            let scale = 1.0 / (NORMALIZER_FLOOR + sums[c] / plan.len as f32).sqrt();
            for h in 0..hidden {
                let w = |row: usize| self.w0[row * hidden + h];
                let weight = match c.checked_sub(CHANNELS) {
                    None => w(CHANNEL_ROWS[c]),
                    // Where nothing is factored, rows and columns both see the same accumulator.
                    Some(k) if k < DECAYS => w(ROWS[0] + k) + w(ROWS[1] + k),
                    Some(k) => w(ROWS[2] + k - DECAYS) + w(ROWS[3] + k - DECAYS),
                };
                mlp.w0[c * hidden + h] = weight * scale;
            }
        }
        for block in &plan.blocks {
            let runs = &plan.runs[block.clone()];
            let last = runs[runs.len() - 1];
            let elements = runs[0].start..last.start + last.len;
            cpu.run(FillBlock {
                arrays: &arrays,
                runs,
                factors,
                bias: &self.bias,
                sides: self.side_starts.each_ref().map(|x| &**x),
                side_stride: self.side_stride,
                features: &mut mlp.features,
                start: &mut mlp.start,
            });
            let mut sink = Sink::step(&mut arrays.params[elements], self.exp_mult, self.step_mult);
            mlp.run(cpu, Start::Columns, None, &mut sink);
        }
    }
}

fn thirds(x: &mut [f32]) -> [&mut [f32]; DECAYS] {
    let (a, rest) = x.split_at_mut(x.len() / DECAYS);
    let (b, c) = rest.split_at_mut(rest.len() / 2);
    [a, b, c]
}

impl Update for Bound {
    fn init(&mut self, _: &[f32], _: &mut OptimizerState) {}

    fn step(
        &mut self,
        cpu: Cpu,
        state: &mut OptimizerState,
        params: &mut [f32],
        grads: &mut [f32],
        _: Losses,
    ) {
        self.fold_time(state.iteration);
        for t in 0..self.tensors.len() {
            let (range, arrays) = (self.tensors[t].params.clone(), self.tensors[t].state.clone());
            self.step_tensor(cpu, t, &mut state.data[arrays], &mut params[range.clone()], &grads[range]);
        }
        state.iteration += 1;
    }
}
