//! Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon), in the dialects of Celo2's baselines and of optax.

use super::ReferenceOptimizer;
use super::constants::{Constants, Decay};
use super::newton_schulz::orthogonalise;
use super::tensor::Tensor;
use crate::params::TensorSpec;

/// Hyperparameters of [`Muon`].
#[derive(Clone, Debug, PartialEq)]
pub struct MuonConfig {
    /// Whether as optax has it: Nesterov's momentum, in Adam too, and tensors of rank above 2 under Adam.
    pub is_optax: bool,
    /// Learning rate of matrices.
    pub lr: f64,
    /// Decay of the mean of gradients.
    pub beta: f64,
    /// Decay of matrices, in units of lr.
    pub weight_decay: f64,
    /// Which tensors take Adam whatever their rank.
    pub adam: Vec<bool>,
    /// Learning rate under Adam.
    pub adam_lr: f64,
    /// Decay of Adam's mean.
    pub adam_beta1: f64,
    /// Decay of Adam's mean square.
    pub adam_beta2: f64,
    /// Added to Adam's root.
    pub adam_eps: f64,
    /// Decay under Adam, in units of its learning rate.
    pub adam_weight_decay: f64,
}

/// Matrices: m ← β·m + (1 − β)·g; d = m/(1 − βᵗ), or β·m/(1 − βᵗ⁺¹) + (1 − β)·g/(1 − βᵗ) in optax's dialect;
/// p ← p − lr·(√max(1, cols/rows)·orthogonal(d) + wd·p). The rest: p ← p − lr·(Adam's direction + wd·p), where d of β₁ takes
/// the place of Adam's corrected mean.
#[derive(Clone, Debug)]
pub struct Muon {
    config: MuonConfig,
    constants: Constants,
    is_adam: Vec<bool>,
    iteration: Tensor,
    mu: Vec<Tensor>,
    /// Of tensors under Adam; empty else.
    nu: Vec<Tensor>,
}

impl Muon {
    /// With zero moments.
    pub fn new(config: MuonConfig, specs: &[TensorSpec], constants: Constants) -> Self {
        let is_adam = |(spec, &named): (&TensorSpec, &bool)| {
            let rank = spec.shape.len();
            named || rank < 2 || (rank > 2 && config.is_optax)
        };
        let is_adam: Vec<bool> = specs.iter().zip(&config.adam).map(is_adam).collect();
        let mut nu = Tensor::per_param("nu", specs, &[]);
        nu.iter_mut().zip(&is_adam).filter(|(_, is_adam)| !**is_adam).for_each(|(nu, _)| nu.data.clear());
        let mu = Tensor::per_param("mu", specs, &[]);
        Self { config, constants, is_adam, iteration: Tensor::scalar("iteration", 0.0), mu, nu }
    }

    fn matrix(&mut self, tensor: usize, p: &mut Tensor, g: &[f64]) {
        let (c, constants, t) = (&self.config, self.constants, self.iteration.item());
        let [lr, decay] = [c.lr, c.weight_decay].map(|x| constants.literal(x));
        let beta = Decay::literal(c.beta, constants);
        let mut direction = vec![];
        for (m, &g) in self.mu[tensor].data.iter_mut().zip(g) {
            beta.update(m, g);
            direction.push(corrected(c.is_optax, beta, c.beta, constants, t, [*m, g]));
        }
        let [.., rows, cols] = p.shape[..] else { unreachable!("a matrix has two axes") };
        for matrix in direction.chunks_exact_mut(rows * cols) {
            orthogonalise(matrix, rows, cols, constants);
        }
        let factor = (cols as f64 / rows as f64).max(1.0).sqrt();
        p.data.iter_mut().zip(direction).for_each(|(p, d)| *p -= lr * (factor * d + decay * *p));
    }

    fn adam(&mut self, tensor: usize, p: &mut [f64], g: &[f64]) {
        let (c, constants, t) = (&self.config, self.constants, self.iteration.item());
        let [lr, eps, decay] = [c.adam_lr, c.adam_eps, c.adam_weight_decay].map(|x| constants.literal(x));
        let [first, second] = [c.adam_beta1, c.adam_beta2].map(|beta| Decay::literal(beta, constants));
        for (i, (p, &g)) in p.iter_mut().zip(g).enumerate() {
            let (m, v) = (&mut self.mu[tensor].data[i], &mut self.nu[tensor].data[i]);
            first.update(m, g);
            second.update(v, g * g);
            let mean = corrected(c.is_optax, first, c.adam_beta1, constants, t, [*m, g]);
            let root = (*v / constants.one_minus_power(c.adam_beta2, t)).sqrt() + eps;
            *p -= lr * (if root == 0.0 { 0.0 } else { mean / root } + decay * *p);
        }
    }
}

/// The mean `m` without its bias at update `t`; as optax has it, of the next update, if its gradient were `g` again.
fn corrected(is_optax: bool, decay: Decay, beta: f64, constants: Constants, t: f64, [m, g]: [f64; 2]) -> f64 {
    let sum_of_weights = |t| constants.one_minus_power(beta, t);
    if is_optax {
        decay.beta * m / sum_of_weights(t + 1.0) + decay.complement * g / sum_of_weights(t)
    } else {
        m / sum_of_weights(t)
    }
}

impl ReferenceOptimizer for Muon {
    fn step(&mut self, params: &mut [Tensor], grads: &[Tensor], _loss: f64, _valid_loss: Option<f64>) {
        self.iteration.data[0] += 1.0;
        for (tensor, (p, g)) in params.iter_mut().zip(grads).enumerate() {
            if self.is_adam[tensor] {
                self.adam(tensor, &mut p.data, &g.data);
            } else {
                self.matrix(tensor, p, &g.data);
            }
        }
    }

    fn state(&self) -> Vec<&Tensor> {
        let second = self.nu.iter().filter(|t| !t.data.is_empty());
        std::iter::once(&self.iteration).chain(&self.mu).chain(second).collect()
    }

    fn state_mut(&mut self) -> Vec<&mut Tensor> {
        let second = self.nu.iter_mut().filter(|t| !t.data.is_empty());
        std::iter::once(&mut self.iteration).chain(&mut self.mu).chain(second).collect()
    }
}
