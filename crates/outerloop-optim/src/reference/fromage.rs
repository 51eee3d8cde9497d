//! Fromage (Bernstein, Vahdat, Yue, Liu 2020, arXiv:2002.03432), in optax's form.

use super::ReferenceOptimizer;
use super::constants::Constants;
use super::lamb::trust_ratio;
use super::primitives::norm;
use super::tensor::Tensor;

/// p ← p − lr·k·ratio·g + (k − 1)·p for every tensor, with k = 1/√(1 + lr²) and
/// ratio = max(‖p‖, min_norm)/max(‖g‖, min_norm).
#[derive(Clone, Debug)]
pub struct Fromage {
    lr: f64,
    min_norm: f64,
    constants: Constants,
    iteration: Tensor,
}

impl Fromage {
    /// Before the first step.
    pub fn new(lr: f64, min_norm: f64, constants: Constants) -> Self {
        Self { lr, min_norm, constants, iteration: Tensor::scalar("iteration", 0.0) }
    }
}

impl ReferenceOptimizer for Fromage {
    fn step(&mut self, params: &mut [Tensor], grads: &[Tensor], _loss: f64, _valid_loss: Option<f64>) {
        let round = |x| self.constants.literal(x);
        let (lr, min_norm) = (round(self.lr), round(self.min_norm));
        // Each operation rounded where constants are: k is so close to 1 that k − 1 keeps few digits in f32.
        let k = round(1.0 / round(round(1.0 + self.lr * self.lr).sqrt()));
        self.iteration.data[0] += 1.0;
        for (p, g) in params.iter_mut().zip(grads) {
            let at_least = |norm: f64| if norm <= min_norm { min_norm } else { norm };
            let (p_norm, g_norm) = (at_least(norm(&p.data)), at_least(norm(&g.data)));
            let ratio = trust_ratio(p_norm, g_norm, p_norm / g_norm);
            for (p, g) in p.data.iter_mut().zip(&g.data) {
                *p += -lr * k * ratio * g + (k - 1.0) * *p;
            }
        }
    }

    fn state(&self) -> Vec<&Tensor> {
        vec![&self.iteration]
    }

    fn state_mut(&mut self) -> Vec<&mut Tensor> {
        vec![&mut self.iteration]
    }
}
