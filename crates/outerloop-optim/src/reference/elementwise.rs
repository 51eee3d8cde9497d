//! Optimizers that look at one element at a time: a rule is written for one number.

use super::ReferenceOptimizer;
use super::constants::Constants;
use super::tensor::Tensor;
use crate::params::TensorSpec;

/// What all elements of a step have in common.
#[derive(Clone, Copy, Debug)]
pub struct Common {
    /// Updates with this one.
    pub t: f64,
    /// Updates that there will be.
    pub num_steps: f64,
    /// How literals are taken.
    pub constants: Constants,
}

/// A rule for one element.
pub trait ElementRule {
    /// Names of the numbers that it keeps for each.
    const STATE: &'static [&'static str];
    /// Whether it reads the number of steps.
    const READS_NUM_STEPS: bool;

    /// What these numbers are at first.
    fn first_state(&self) -> f64;

    /// One update of the parameter `p` and its `state`, in place.
    fn step(&self, common: Common, p: &mut f64, g: f64, state: &mut [f64]);
}

/// The optimizer of a rule.
#[derive(Clone, Debug)]
pub struct Elementwise<R> {
    rule: R,
    constants: Constants,
    /// Iteration, number of steps if read, then `state|tensor` for every state and tensor.
    state: Vec<Tensor>,
    num_tensors: usize,
}

impl<R: ElementRule> Elementwise<R> {
    /// In its first state.
    pub fn new(rule: R, specs: &[TensorSpec], constants: Constants, num_steps: u64) -> Self {
        let mut state = vec![Tensor::scalar("iteration", 0.0)];
        if R::READS_NUM_STEPS {
            state.push(Tensor::scalar("num_steps", num_steps as f64));
        }
        for name in R::STATE {
            for mut tensor in Tensor::per_param(name, specs, &[]) {
                tensor.data.fill(constants.literal(rule.first_state()));
                state.push(tensor);
            }
        }
        Self { rule, constants, state, num_tensors: specs.len() }
    }
}

impl<R: ElementRule> ReferenceOptimizer for Elementwise<R> {
    fn step(&mut self, params: &mut [Tensor], grads: &[Tensor], _loss: f64, _valid_loss: Option<f64>) {
        let t = self.state[0].item() + 1.0;
        self.state[0].set_item(t);
        let num_steps = if R::READS_NUM_STEPS { self.state[1].item() } else { 0.0 };
        let common = Common { t, num_steps, constants: self.constants };
        let first_array = if R::READS_NUM_STEPS { 2 } else { 1 };
        let mut numbers = vec![0.0; R::STATE.len()];
        for (tensor, (p, g)) in params.iter_mut().zip(grads).enumerate() {
            for i in 0..p.data.len() {
                for (k, number) in numbers.iter_mut().enumerate() {
                    *number = self.state[first_array + k * self.num_tensors + tensor].data[i];
                }
                self.rule.step(common, &mut p.data[i], g.data[i], &mut numbers);
                for (k, &number) in numbers.iter().enumerate() {
                    self.state[first_array + k * self.num_tensors + tensor].data[i] = number;
                }
            }
        }
    }

    fn state(&self) -> Vec<&Tensor> {
        self.state.iter().collect()
    }

    fn state_mut(&mut self) -> Vec<&mut Tensor> {
        self.state.iter_mut().collect()
    }
}
