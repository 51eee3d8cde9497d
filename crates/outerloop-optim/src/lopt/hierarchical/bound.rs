//! The hierarchical optimizer at work: one step over all tensors of a lane.

use super::config::{FEATURE_CLIP, HierarchicalConfig, TRAIN_LOSS_DECAY, VALID_LOSS_DECAY, Variant};
use super::forward::Forward;
use super::optimizer::{Hierarchical, OLD_AGE};
use super::tensor::{NUM_DECAYS, TensorPlan, arrays_of, statistics};
use super::theta::{num_channels, num_lstm_inputs};
use crate::lopt::engine::embedding::sine_embedding;
use crate::lopt::engine::hierarchical_features::{
    KEPT, Limits, MAX_CHANNELS, OLD, Sums, TensorArrays, accumulate, share, shares,
};
use crate::lopt::engine::loss_normalizer;
use crate::lopt::engine::lstm::{Linear, Lstm};
use crate::lopt::engine::mlp::{ParamMlp, Scratch};
use crate::optim::{Losses, StateMut, Step, Tensors, Theta, Update, rounding};
use crate::params::ParamLayout;
use crate::simd::{AlignedVec, Cpu, LANES, Workers, sum_lanes};
use crate::tensor::clip;
use std::ops::Range;

const NORMALIZER_FLOOR: f32 = 1e-5;
/// Parameters of a lane whose features are kept; those of more would not stay in a core's caches.
const MOST_KEPT: usize = 32_768;

/// Gradient clipping at a multiple of the running root mean square (spec §1.10).
struct Clipper {
    decay: f32,
    complement: f32,
    mult: f32,
}

/// Weights of a dense layer.
struct Weights {
    w: Vec<f32>,
    b: Vec<f32>,
}

/// The hierarchical optimizer bound to theta and shapes.
pub(super) struct Bound {
    tensors: Vec<TensorPlan>,
    config: HierarchicalConfig,
    num_old: usize,
    clip: Option<f32>,
    loss_decays: [f64; 2],
    clipper: Clipper,
    lstm: Lstm,
    to_ff: Weights,
    to_in: Weights,
    first: Weights,
    output: Weights,
    mlp: ParamMlp,
    scratch: Scratch,
    initial: [Vec<f32>; 4],
    /// Ranges in the state: from_mlp, from_lstm, hidden, cell, train and valid normaliser, clipper.
    globals: [Range<usize>; 7],
    /// Channels of all tensors that are kept from the first pass over the elements to the second; empty if they are to be
    /// computed twice.
    kept: AlignedVec,
    sums: Vec<Sums>,
    constants: Vec<f32>,
    bias: Vec<f32>,
    hidden_lanes: Vec<f32>,
    hidden_mean: Vec<f32>,
    outputs: Vec<f32>,
    projection: Vec<f32>,
}

impl Bound {
    /// Packs `theta`, whose length was checked.
    pub(super) fn new(optimizer: &Hierarchical, theta: &Theta, params: &ParamLayout) -> Self {
        let config = optimizer.config.clone();
        let leaf = |name: &str| optimizer.theta.leaf(theta, name);
        let weights = |name: &str| Weights {
            w: leaf(&format!("{name}/w")).to_vec(),
            b: leaf(&format!("{name}/b")).to_vec(),
        };
        let rows = params.num_tensors();
        let mut at = 0;
        let mut take = |len: usize| {
            let range = at..at + len;
            at += len.next_multiple_of(LANES);
            range
        };
        let tensors = params.specs().iter().enumerate().map(|(i, spec)| {
            let dim = |axis: usize| rounding::ln(spec.shape.get(axis).copied().unwrap_or(1) as f32) - 1.0;
            let params = params.padded_range(i);
            let state = take(params.len() * (2 * NUM_DECAYS + optimizer.num_old()));
            TensorPlan {
                len: spec.len(),
                rank: spec.shape.len(),
                dims: std::array::from_fn(dim),
                params,
                state,
            }
        });
        let tensors: Vec<_> = tensors.collect();
        let state = rows * config.lstm_hidden;
        let lens = [rows * config.from_mlp, config.from_lstm, state, state, 3, 3, 2];
        let globals = lens.map(&mut take);
        let clipper = match config.variant {
            Variant::Library => Clipper { decay: 0.99, complement: 0.01, mult: 10.0 },
            Variant::Paper => {
                let complement = rounding::exp(leaf("clip_log_one_minus_decay")[0]);
                let decay = (1.0 - complement).clamp(0.0, 1.0 - 1e-6);
                Clipper { decay, complement: 1.0 - decay, mult: rounding::exp(leaf("clip_log_mult")[0]) }
            }
        };
        let first = weights("ffmod_params/mlp/~/linear_0");
        let (second, output) =
            (weights("ffmod_params/mlp/~/linear_1"), weights("ffmod_params/mlp/~/linear_2"));
        let num_outputs = 2 + config.from_mlp;
        let layers = [&second.w, &second.b, &output.w, &output.b].map(|x| &x[..]);
        let mlp = ParamMlp::new(num_channels(&config), config.hidden, layers, num_outputs, 2);
        let [w, b] =
            ["w", "b"].map(|part| optimizer.theta.share(theta, &format!("rnn_params/rnn/linear/{part}")));
        let paper = config.variant == Variant::Paper;
        let keeps = params.padded_len() <= MOST_KEPT;
        Self {
            num_old: optimizer.num_old(),
            clip: paper.then(|| config.feature_clip.unwrap_or(FEATURE_CLIP) as f32),
            loss_decays: [
                config.train_loss_decay.unwrap_or(TRAIN_LOSS_DECAY),
                config.valid_loss_decay.unwrap_or(VALID_LOSS_DECAY),
            ],
            clipper,
            lstm: Lstm::new(rows, num_lstm_inputs(&config), config.lstm_hidden, w, b),
            to_ff: weights("rnn_to_ff_params/rnn_to_ff"),
            to_in: weights("rnn_to_in_params/rnn_to_in"),
            initial: [
                "initial_from_mlp",
                "initial_from_lstm",
                "lstm_init_state/hidden",
                "lstm_init_state/cell",
            ]
            .map(|name| leaf(name).to_vec()),
            globals,
            kept: AlignedVec::zeros(if keeps { KEPT * params.padded_len() } else { 0 }),
            sums: vec![Sums { squares: [0.0; MAX_CHANNELS], plain: [0.0; 3] }; rows],
            constants: vec![0.0; first.w.len() / config.hidden - num_channels(&config)],
            bias: vec![0.0; config.hidden],
            hidden_lanes: vec![0.0; config.hidden * LANES],
            hidden_mean: vec![0.0; config.hidden],
            outputs: vec![0.0; num_outputs],
            projection: vec![0.0; config.from_lstm],
            tensors,
            first,
            output,
            scratch: mlp.scratch(),
            mlp,
            config,
        }
    }

    /// Standardised train and validation loss after feeding `losses`.
    fn feed_losses(&self, state: &mut StateMut<'_>, losses: Losses) -> [f32; 2] {
        let [train_decay, valid_decay] = self.loss_decays;
        let [.., train, valid, _] = &self.globals;
        if let Some(loss) = losses.valid {
            loss_normalizer::update(&mut state.data[valid.clone()], loss, valid_decay);
            // The library's validation call counts as an iteration.
            *state.iteration += u64::from(self.config.variant == Variant::Library);
        }
        let valid = &state.data[valid.clone()];
        let (valid_mean, has_valid) = (loss_normalizer::mean(valid, valid_decay), valid[2] > 0.0);
        let train = &mut state.data[train.clone()];
        loss_normalizer::update(train, losses.train, train_decay);
        let [train, valid] =
            [losses.train, valid_mean].map(|loss| loss_normalizer::standardize(train, loss, train_decay));
        // Before the first validation loss the library standardises a mean of 0; the paper's variant says nothing.
        let is_known = has_valid || self.config.variant == Variant::Library;
        [train, if is_known { valid } else { 0.0 }]
    }

    fn clip_gradients(&self, workers: Workers<'_>, state: &mut StateMut<'_>, grads: &mut Tensors<'_>) {
        let Clipper { decay, complement, mult } = self.clipper;
        let [n, scale] = [0, 1].map(|i| self.globals[6].start + i);
        let bound = state.data[scale] / rounding::one_minus_power(decay, f64::from(state.data[n])) * mult;
        let mut mean = 0.0;
        for (i, t) in self.tensors.iter().enumerate() {
            mean += clip(workers, grads.get(i, &t.params), bound) / t.len as f32;
        }
        mean /= self.tensors.len() as f32;
        state.data[scale] = state.data[scale] * decay + (1e-8 + mean).sqrt() * complement;
        state.data[n] += 1.0;
    }

    /// What the LSTM sees of one tensor, in the order of the published names.
    fn lstm_input(
        &mut self,
        workers: Workers<'_>,
        row: usize,
        arrays: &TensorArrays<'_>,
        state: [&[f32]; 2],
        losses: [f32; 2],
    ) {
        let values = statistics(workers, &self.tensors[row], &self.sums[row], arrays, losses);
        let [from_mlp, from_lstm] = state;
        let (shared, rest) = self.lstm.input(row).split_at_mut(from_lstm.len());
        shared.copy_from_slice(from_lstm);
        let (own, rest) = rest.split_at_mut(from_mlp.len());
        own.copy_from_slice(from_mlp);
        rest.copy_from_slice(&values);
    }

    /// Bias of the first layer with everything that is constant over the tensor.
    fn fold_constants(&mut self, cpu: Cpu, row: usize, iteration: u64, hidden: &[f32]) {
        let norm = self.sums[row].squares[1].sqrt();
        let (fixed, control) = self.constants.split_at_mut(super::theta::CONSTANTS);
        fixed[..11].copy_from_slice(&sine_embedding(iteration));
        fixed[11] = rounding::ln(self.tensors.len() as f32) - 1.0;
        fixed[12] = rounding::ln(norm + 1e-8);
        fixed[13] = rounding::ln(self.tensors[row].len as f32);
        cpu.run(Linear { x: hidden, w: &self.to_ff.w, b: &self.to_ff.b, y: control });
        let w = &self.first.w[self.mlp.w0.len()..];
        cpu.run(Linear { x: &self.constants, w, b: &self.first.b, y: &mut self.bias });
    }

    /// The per-parameter network over one tensor; `from_mlp` becomes the mean of its other outputs.
    fn step_tensor(
        &mut self,
        workers: Workers<'_>,
        row: usize,
        arrays: &mut TensorArrays<'_>,
        from_mlp: &mut [f32],
        factor: f32,
    ) {
        let (arrays_len, cpu) = (arrays.len, workers.cpu());
        let n = arrays_len as f32;
        let scale = self.sums[row].squares.map(|x| 1.0 / (NORMALIZER_FLOOR + x / n).sqrt());
        // Without a clip in between, the normalisers go into the weights.
        let folds = self.clip.is_none();
        for (c, row) in self.mlp.w0.chunks_exact_mut(self.config.hidden).enumerate() {
            // Theta has old parameters between p and ln|p|.
            let theta_row = match c {
                OLD => 2,
                2.. if self.num_old > 0 => c + 1,
                _ => c,
            };
            let from = &self.first.w[theta_row * self.config.hidden..];
            let scale = if folds { scale[c] } else { 1.0 };
            row.iter_mut().zip(from).for_each(|(to, w)| *to = w * scale);
        }
        let Self { mlp, bias, clip, scratch, hidden_lanes, hidden_mean, config, .. } = self;
        let mlp = &*mlp;
        let forward = Forward {
            cpu,
            mlp,
            arrays: arrays.pointers(),
            bias,
            limits: clip.map(|bound| Limits { scale: &scale, bound }),
            exp_mult: config.exp_mult as f32,
            step_mult: config.step_mult as f32 * factor,
        };
        let count = shares(arrays_len);
        if count == 1 {
            forward.run(scratch, 0..arrays_len, Some(hidden_lanes));
            for (mean, lanes) in hidden_mean.iter_mut().zip(hidden_lanes.as_chunks::<LANES>().0) {
                *mean = sum_lanes(lanes) / n;
            }
        } else {
            let mut blocks = vec![vec![0.0; hidden_lanes.len()]; count];
            workers.each_mut(&mut blocks, |i, lanes| {
                forward.run(&mut mlp.scratch(), share(arrays_len, i), Some(lanes));
            });
            for (h, mean) in hidden_mean.iter_mut().enumerate() {
                let sum = |block: &Vec<f32>| f64::from(sum_lanes(&block.as_chunks::<LANES>().0[h]));
                *mean = blocks.iter().map(sum).sum::<f64>() as f32 / n;
            }
        }
        let Weights { w, b } = &self.output;
        cpu.run(Linear { x: &self.hidden_mean, w, b, y: &mut self.outputs });
        from_mlp.copy_from_slice(&self.outputs[2..]);
    }

    /// Keeps the parameters before this step where it is their turn; returns which copy the features read.
    fn keep_params(&self, iteration: u64, state: &mut [f32], params: &mut Tensors<'_>) -> usize {
        let age = OLD_AGE as u64;
        let (read, write) = match self.num_old {
            0 => return 0,
            // Two copies take turns every 100 steps: the one refreshed longer ago is read.
            2 => {
                let turn = (iteration / age % 2) as usize;
                (1 - turn, iteration.is_multiple_of(age).then_some(turn))
            }
            n => (((iteration + 1) % n as u64) as usize, Some((iteration % n as u64) as usize)),
        };
        if let Some(copy) = write {
            for (i, t) in self.tensors.iter().enumerate() {
                let at = t.state.start + (2 * NUM_DECAYS + copy) * t.params.len();
                state[at..at + t.params.len()].copy_from_slice(params.get(i, &t.params));
            }
        }
        read
    }

    /// What all tensors share: the mean over the tensors of a projection of their LSTM's output.
    fn share(&mut self, cpu: Cpu, hidden: &[f32], from_lstm: &mut [f32]) {
        from_lstm.fill(0.0);
        for x in hidden.chunks_exact(self.config.lstm_hidden) {
            cpu.run(Linear { x, w: &self.to_in.w, b: &self.to_in.b, y: &mut self.projection });
            from_lstm.iter_mut().zip(&self.projection).for_each(|(sum, y)| *sum += y);
        }
        from_lstm.iter_mut().for_each(|x| *x /= self.tensors.len() as f32);
    }
}

impl Update for Bound {
    fn init(&mut self, params: &[f32], state: StateMut<'_>) {
        for (range, initial) in self.globals.iter().zip(&self.initial) {
            for row in state.data[range.clone()].chunks_exact_mut(initial.len()) {
                row.copy_from_slice(initial);
            }
        }
        let clipper = &mut state.data[self.globals[6].clone()];
        clipper.copy_from_slice(&[1.0, self.clipper.complement]);
        for t in &self.tensors {
            let len = t.params.len();
            for k in 0..self.num_old {
                let at = t.state.start + (2 * NUM_DECAYS + k) * len;
                state.data[at..at + len].copy_from_slice(&params[t.params.clone()]);
            }
        }
    }

    fn step(&mut self, step: Step<'_>) {
        let Step { workers, mut state, mut params, mut grads, losses, scale } = step;
        let cpu = workers.cpu();
        let losses = self.feed_losses(&mut state, losses);
        self.clip_gradients(workers, &mut state, &mut grads);
        let base = self.globals[0].start;
        let (per_tensor, globals) = state.data.split_at_mut(base);
        let read = self.keep_params(*state.iteration, per_tensor, &mut params);
        let [from_mlp, from_lstm, hidden, cell] =
            std::array::from_fn(|i| self.globals[i].start - base..self.globals[i].end - base);
        let width = self.config.from_mlp;
        let own = |row: usize| from_mlp.start + row * width..from_mlp.start + (row + 1) * width;
        let mut kept = std::mem::take(&mut self.kept);
        for row in 0..self.tensors.len() {
            let mut arrays = arrays_of(
                &self.tensors[row],
                row,
                per_tensor,
                [&mut params, &mut grads],
                self.num_old,
                read,
                &mut kept,
            );
            self.sums[row] = accumulate(workers, arrays.pointers());
            let inputs = [&globals[own(row)], &globals[from_lstm.clone()]];
            self.lstm_input(workers, row, &arrays, inputs, losses);
        }
        let (before, cells) = globals.split_at_mut(cell.start);
        let (before, hidden) = before.split_at_mut(hidden.start);
        let size = self.config.lstm_hidden;
        let hidden = &mut hidden[..self.tensors.len() * size];
        self.lstm.step(cpu, hidden, &mut cells[..cell.len()]);
        self.share(cpu, hidden, &mut before[from_lstm]);
        for row in 0..self.tensors.len() {
            self.fold_constants(cpu, row, *state.iteration, &hidden[row * size..][..size]);
            let mut arrays = arrays_of(
                &self.tensors[row],
                row,
                per_tensor,
                [&mut params, &mut grads],
                self.num_old,
                read,
                &mut kept,
            );
            self.step_tensor(workers, row, &mut arrays, &mut before[own(row)], scale.of(row));
        }
        self.kept = kept;
        *state.iteration += 1;
    }
}
