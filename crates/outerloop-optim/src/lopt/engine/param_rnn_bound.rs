//! A learned optimizer that is a recurrent network per parameter, at work.

use super::param_cell::{Cell, INPUTS, Layer, Preprocess};
use super::param_rnn::{Move, ParamArrays, ParamRnn};
use crate::optim::{StateMut, Step, Update};
use crate::params::ParamLayout;
use crate::simd::AlignedVec;

/// Weights of a recurrent network per parameter.
pub(in crate::lopt) struct Weights {
    pub(in crate::lopt) cell: Cell,
    pub(in crate::lopt) hidden: usize,
    pub(in crate::lopt) layers: Vec<Layer>,
    /// Output layer, `[hidden, outputs]`.
    pub(in crate::lopt) w: Vec<f32>,
    pub(in crate::lopt) b: Vec<f32>,
    /// What the arrays of the state hold at first, one number each; or nothing, and they are zero.
    pub(in crate::lopt) initial: Vec<f32>,
}

/// The optimizer bound to theta and shapes.
pub(in crate::lopt) struct Bound {
    /// Elements of every tensor, without its gap.
    params: ParamLayout,
    rnn: ParamRnn,
    initial: Vec<f32>,
    step: Move,
}

impl Bound {
    /// With `log_range` as [`Preprocess`] has it.
    pub(in crate::lopt) fn new(weights: Weights, log_range: f64, step: Move, params: &ParamLayout) -> Self {
        let Weights { cell, hidden, layers, w, b, initial } = weights;
        let preprocess = Preprocess::new(log_range as f32);
        let mut rnn = ParamRnn { cell, hidden, layers, w, b, preprocess, scratch: vec![] };
        rnn.scratch.push(AlignedVec::zeros(rnn.scratch_len()));
        Self { params: params.clone(), rnn, initial, step }
    }
}

impl Update for Bound {
    fn init(&mut self, params: &[f32], state: StateMut<'_>) {
        for (array, &initial) in state.data.chunks_exact_mut(params.len()).zip(&self.initial) {
            for i in 0..self.params.num_tensors() {
                array[self.params.range(i)].fill(initial);
            }
        }
    }

    fn step(&mut self, step: Step<'_>) {
        let Step { workers, state, mut params, mut grads, scale, .. } = step;
        for i in 0..self.params.num_tensors() {
            let range = self.params.padded_range(i);
            let arrays = ParamArrays {
                len: self.params.range(i).len(),
                params: params.get(i, &range),
                grads: grads.get(i, &range),
                state: &mut state.data[range.start..],
                stride: self.params.padded_len(),
            };
            self.rnn.run(workers, arrays, self.step.times(scale.of(i)));
        }
        *state.iteration += 1;
    }
}

impl Move {
    /// With another factor of the step.
    fn times(self, factor: f32) -> Self {
        match self {
            Self::Add { step } => Self::Add { step: step * factor },
            Self::Subtract { step, exp_mult } => Self::Subtract { step: step * factor, exp_mult },
        }
    }
}

/// What a step of one parameter costs in multiply-adds.
pub(in crate::lopt) fn macs(cell: Cell, layers: usize, hidden: usize, outputs: usize) -> usize {
    let columns = cell.gates() * hidden;
    let inputs = |layer: usize| if layer == 0 { INPUTS } else { hidden };
    (0..layers).map(|layer| (inputs(layer) + hidden) * columns).sum::<usize>() + hidden * outputs
}

#[cfg(test)]
mod tests {
    use crate::optim::{Losses, Scale, Step, Tensors, empty_state};
    use crate::params::{ParamLayout, TensorSpec};
    use crate::rng::{Key, Purpose};
    use crate::simd::{AlignedVec, Cpu, Workers};
    use crate::zoo::{OptimizerConfig, build_optimizer};

    /// Threads share a tensor's elements, which share no sums: the same bits for one and for three of them.
    #[test]
    fn threads_do_not_change_bits() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("threads");
        let cpu = Cpu::detect().expect("a backend");
        let specs = vec![TensorSpec::new("b", [77]), TensorSpec::new("w", [71, 77])];
        let layout = ParamLayout::new(specs).expect("valid layout");
        for json in [r#"{"name":"l2l_gru","hidden":5}"#, r#"{"name":"param_lstm","hidden":3,"stepMult":0.1}"#]
        {
            let config = OptimizerConfig::from_json(json).expect("valid options");
            let optimizer = build_optimizer(&config).expect("valid options");
            let theta = optimizer.theta_spec().init(Key::new(1, Purpose::ThetaInit));
            let run = |workers: Workers<'_>| {
                let mut update = optimizer.bind(theta[..].into(), &layout).expect("theta fits");
                let mut state = empty_state(&*optimizer, &layout, 0);
                let mut params = AlignedVec::zeros(layout.padded_len());
                update.init(&params, state.view());
                for t in 0..3 {
                    let mut flat = vec![0.0; layout.flat_len()];
                    Key::new(t, Purpose::Unroll).fill_normal(&mut flat);
                    let mut grads = AlignedVec::zeros(layout.padded_len());
                    layout.pack(&flat, &mut grads).expect("lengths fit");
                    update.step(Step {
                        workers,
                        state: state.view(),
                        params: Tensors::joint(&mut params),
                        grads: Tensors::joint(&mut grads),
                        losses: Losses { train: 1.0, valid: None },
                        scale: Scale::ONE,
                    });
                }
                (params.to_vec(), state.data.to_vec())
            };
            let one = run(Workers::one(cpu));
            assert!(one.0.iter().any(|&p| p != 0.0));
            assert!(one == run(Workers::of(cpu, &pool)), "{json}");
        }
    }
}
