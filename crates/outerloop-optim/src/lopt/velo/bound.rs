//! VeLO and Celo at work: one step over all tensors of a lane.

use super::bank::{Bank, OUTPUTS, no_weights};
use super::statistics::{mean_square, write_features};
use crate::lopt::engine::factored::DECAYS;
use crate::lopt::engine::factored_rule::{FactoredRule, Parts, TensorPlan};
use crate::lopt::engine::features::{Arrays, Decay};
use crate::lopt::engine::hyper_lstm::{Dense, HyperLstm};
use crate::lopt::engine::mlp::ParamMlp;
use crate::lopt::engine::rule::Wanted;
use crate::lopt::engine::velo_features::HIDDEN;
use crate::lopt::engine::velo_features::{
    DECAY_RATES, DiagonalFeatures, FactoredFeatures, GRADIENT_BOUND, SQUARE_FLOOR, Velo,
};
use crate::optim::{StateMut, Step, Tensors, Theta, ThetaSpec, Update, rounding};
use crate::params::ParamLayout;
use crate::simd::{Cpu, Workers};

const SQUARE_DECAY: f32 = 0.999;
const NORMALIZER_FLOOR: f32 = 1e-5;
/// Added to the mean square of the parameters that scales a step.
const SIZE_FLOOR: f64 = 1e-9;
/// Half-lives of the loss if they are bugged.
const BUGGED_HALF_LIFE: f64 = 10.0;

/// Which of the two.
#[derive(Clone, Copy)]
pub(in crate::lopt) enum Kind {
    Velo {
        /// Factor of the mixed weights, for a mean of as many as there are in the bank.
        factor: f32,
        bugged_loss: bool,
        bugged_state: bool,
    },
    Celo {
        /// Whether the LSTM scales the steps.
        is_scheduled: bool,
    },
}

/// Size of the bank, and factors of the step.
pub(in crate::lopt) struct Sizes {
    pub(in crate::lopt) inits: usize,
    pub(in crate::lopt) step_mult: f32,
    pub(in crate::lopt) exp_mult: f32,
}

/// VeLO or Celo bound to theta and shapes.
pub(in crate::lopt) struct Bound {
    kind: Kind,
    sizes: Sizes,
    params: ParamLayout,
    tensors: Vec<TensorPlan>,
    /// Where the LSTM's state starts.
    shared_state: usize,
    rule: FactoredRule<FactoredFeatures<Velo>, DiagonalFeatures>,
    lstm: HyperLstm,
    to_controls: Dense,
    /// `[rows, inits]`.
    controls: Vec<f32>,
    bank: Bank,
    /// Mean square of every tensor's parameters before the step.
    squares: Vec<f64>,
}

impl Bound {
    /// On `theta`, whose length was checked.
    pub(in crate::lopt) fn new(
        spec: &ThetaSpec,
        theta: &Theta,
        params: &ParamLayout,
        kind: Kind,
        sizes: Sizes,
    ) -> Self {
        let num_tensors = params.num_tensors();
        let rows = if matches!(kind, Kind::Velo { .. }) { num_tensors } else { 1 };
        let mut at = 0;
        let tensors = (0..num_tensors).map(|i| {
            let plan = TensorPlan::new(params, i, at, [DECAYS + 1, 2 * DECAYS + 1], false);
            at = plan.state.end;
            plan
        });
        let tensors: Vec<_> = tensors.collect();
        let mut elementwise = DECAY_RATES.map(|beta| Decay::new(beta, 0.0)).to_vec();
        elementwise.push(Decay::new(SQUARE_DECAY, 0.0));
        let (weights, side_weights) = no_weights();
        let parts = Parts {
            elementwise: &elementwise,
            factored: DECAY_RATES.map(|beta| Decay::new(beta, SQUARE_FLOOR)),
            weights,
            side_weights,
            floor: NORMALIZER_FLOOR,
            gradient_bound: Some(GRADIENT_BOUND),
        };
        let layers: [&[f32]; 4] =
            [&[0.0; HIDDEN * HIDDEN], &[0.0; HIDDEN], &[0.0; HIDDEN * OUTPUTS], &[0.0; OUTPUTS]];
        let mlp = |channels| ParamMlp::new(channels, HIDDEN, layers, OUTPUTS, 2);
        let mut rule = FactoredRule::new(parts, mlp, tensors.iter());
        let bank = Bank::new(spec, theta, sizes.inits, rows);
        if rows == 1 {
            tensors.iter().for_each(|plan| bank.write(0, rule.weights_mut(plan)));
        }
        Self {
            kind,
            params: params.clone(),
            shared_state: at,
            rule,
            lstm: HyperLstm::new(spec, theta, rows),
            to_controls: Dense::new(spec, theta, "rnn_to_controls"),
            controls: vec![0.0; rows * sizes.inits],
            bank,
            squares: vec![0.0; num_tensors],
            tensors,
            sizes,
        }
    }

    /// Whether weights change from step to step: not if Celo's bank holds one network, whose share is 1.
    fn is_mixed(&self) -> bool {
        self.sizes.inits > 1 || matches!(self.kind, Kind::Velo { .. })
    }

    /// Measures every tensor: its size, and for VeLO what the LSTM sees of it.
    fn measure(&mut self, workers: Workers<'_>, params: &mut Tensors<'_>, state: &[f32]) {
        for (i, plan) in self.tensors.iter().enumerate() {
            let (spec, params) = (&self.params.specs()[i], params.get(i, &plan.params));
            self.squares[i] = match self.kind {
                Kind::Velo { .. } => {
                    let state = &state[plan.state.clone()];
                    write_features(workers, &spec.shape, params, state, self.lstm.own_features(i))
                }
                Kind::Celo { .. } => mean_square(workers, params, spec.len()),
            };
        }
    }

    /// Mixes the networks of this step.
    fn mix(&mut self, cpu: Cpu) {
        let inits = self.sizes.inits;
        self.to_controls.apply(cpu, self.lstm.outputs(), &mut self.controls, inits);
        match self.kind {
            Kind::Velo { factor, .. } => self.controls.iter_mut().for_each(|c| *c *= factor),
            Kind::Celo { .. } => softmax_mean(&mut self.controls),
        }
        self.bank.mix(cpu, &self.controls);
    }

    /// The factor of a row's steps besides the size of parameters.
    fn rate(&self, cpu: Cpu, row: usize) -> f32 {
        match self.kind {
            Kind::Velo { .. } => self.lstm.step_size(cpu, row),
            Kind::Celo { is_scheduled: true } => 0.1 * rounding::exp(self.lstm.step_size(cpu, row)),
            Kind::Celo { is_scheduled: false } => 1.0,
        }
    }

    /// The longest half-life of the loss.
    fn longest(&self, num_steps: u64) -> f64 {
        match self.kind {
            Kind::Velo { bugged_loss: true, .. } => BUGGED_HALF_LIFE,
            _ => num_steps as f64,
        }
    }
}

/// Shares that are as the exponentials, over their number: what a mean multiplies.
fn softmax_mean(x: &mut [f32]) {
    let largest = x.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
    x.iter_mut().for_each(|x| *x = rounding::exp(*x - largest));
    let sum: f64 = x.iter().map(|&x| f64::from(x)).sum();
    let factor = 1.0 / (sum * x.len() as f64);
    x.iter_mut().for_each(|x| *x = (f64::from(*x) * factor) as f32);
}

impl Update for Bound {
    fn init(&mut self, _: &[f32], state: StateMut<'_>) {
        self.lstm.init(&mut state.data[self.shared_state..], self.longest(state.num_steps));
    }

    fn step(&mut self, step: Step<'_>) {
        let Step { workers, state, mut params, mut grads, losses, scale } = step;
        let cpu = workers.cpu();
        let (tensors_state, shared) = state.data.split_at_mut(self.shared_state);
        self.lstm.observe(shared, *state.iteration, state.num_steps, losses.train);
        self.measure(workers, &mut params, tensors_state);
        self.lstm.step(cpu, shared, matches!(self.kind, Kind::Velo { bugged_state: true, .. }));
        let is_mixed = self.is_mixed();
        if is_mixed {
            self.mix(cpu);
        }
        let has_rows = matches!(self.kind, Kind::Velo { .. });
        let mut rate = self.rate(cpu, 0);
        for i in 0..self.tensors.len() {
            let (plan, row) = (&self.tensors[i], if has_rows { i } else { 0 });
            if is_mixed {
                self.bank.write(row, self.rule.weights_mut(plan));
            }
            if has_rows {
                rate = self.rate(cpu, row);
            }
            let size = (self.squares[i] + SIZE_FLOOR).sqrt() as f32;
            let arrays = Arrays {
                params: params.get(i, &plan.params),
                grads: grads.get(i, &plan.params),
                state: &mut tensors_state[plan.state.clone()],
            };
            let step_mult = rate * size * self.sizes.step_mult * scale.of(i);
            let wanted = Wanted::Step { exp_mult: self.sizes.exp_mult, step_mult };
            self.rule.run(workers, plan, arrays, self.bank.bias(row), wanted);
        }
        *state.iteration += 1;
    }
}
