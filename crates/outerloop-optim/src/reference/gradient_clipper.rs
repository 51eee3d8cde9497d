//! Clipping of gradients at a multiple of their running size (the hierarchical optimizer's).

use super::constants::{Constants, Decay};
use super::primitives::{clip, mean};
use super::tensor::Tensor;

/// Clips every gradient element to ±bound, bound = mult·s/(1 − αⁿ), where s is a running mean of the gradients' root
/// mean square. The bound of a step does not see that step's gradient.
#[derive(Clone, Debug)]
pub struct GradientClipper {
    decay: Decay,
    mult: f64,
    constants: Constants,
    iteration: Tensor,
    value: Tensor,
}

impl GradientClipper {
    /// Starts with n = 1 and s = 1 − α, that is with the bound `mult`.
    pub fn new(decay: Decay, mult: f64, constants: Constants) -> Self {
        let iteration = Tensor::scalar("dynamic_clip|iteration", 1.0);
        let value = Tensor::scalar("dynamic_clip|value", decay.complement);
        Self { decay, mult, constants, iteration, value }
    }

    /// The clipped gradients; then s ← α·s + (1 − α)·√(1e-8 + a), a = mean over tensors of mean(clipped²), every
    /// tensor counting the same whatever its size.
    pub fn clip(&mut self, grads: &[Tensor]) -> Vec<Tensor> {
        let correction = self.constants.one_minus_power(self.decay.beta, self.iteration.item());
        let bound = self.value.item() / correction * self.mult;
        let mut clipped = grads.to_vec();
        for x in clipped.iter_mut().flat_map(|g| &mut g.data) {
            *x = clip(*x, -bound, bound);
        }
        let square = |g: &Tensor| mean(&g.data.iter().map(|x| x * x).collect::<Vec<_>>());
        let average = mean(&clipped.iter().map(square).collect::<Vec<_>>());
        self.decay.update(&mut self.value.data[0], (1e-8 + average).sqrt());
        self.iteration.data[0] += 1.0;
        clipped
    }

    /// The state.
    pub fn state(&self) -> [&Tensor; 2] {
        [&self.iteration, &self.value]
    }

    /// The state, to be overwritten.
    pub fn state_mut(&mut self) -> [&mut Tensor; 2] {
        [&mut self.iteration, &mut self.value]
    }
}
