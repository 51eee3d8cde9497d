//! The per-parameter network of Celo2 and Celo2-base: normalised, optionally orthogonalised directions.
//!
//! Moudgil, Knyazev, Belilovsky 2026, "Celo2: towards learned optimization free lunch", arXiv:2602.19142; features
//! of VeLO (Metz et al. 2022, arXiv:2211.09760); reference implementation amoudgl/celo (66d9761),
//! `celo/optimizers/celo2.py`, classes `Celo2` and `Celo2Base`. Left out are its options that are off by default:
//! scaling by the parameters, aggregated magnitudes, bias-corrected features.

use super::ReferenceOptimizer;
use super::accumulators::{FactoredMoment, accumulate};
use super::constants::{Constants, Decay};
use super::newton_schulz::orthogonalise;
use super::primitives::{Dense, clip, magnitude_step, normalise_columns, relu_network, rsqrt};
use super::tensor::Tensor;
use super::theta::ThetaReader;
use crate::error::{Error, Result};
use crate::params::TensorSpec;

/// Decays of momentum and factored moments under the learned rule.
const DECAYS: [f64; 3] = [0.9, 0.99, 0.999];
/// Decay of the unfactored second moment under the learned rule.
const RMS_DECAY: f64 = 0.95;
/// Width of the two hidden layers of published weights.
const PUBLISHED_HIDDEN: usize = 8;
/// Outputs of the network: direction, log magnitude, and one without use.
const NUM_OUTPUTS: usize = 3;
/// Channels of the 14 feature groups.
const GROUPS: [usize; 14] = [1, 1, 1, 3, 1, 3, 1, 3, 1, 3, 3, 3, 3, 3];
/// How many of the groups a tensor of rank below 2 has.
const NUM_UNFACTORED_GROUPS: usize = 9;
/// Theta has the groups' weights by name, and `w0__10` sorts before `w0__2`.
const GROUPS_BY_NAME: [usize; 14] = [0, 1, 10, 11, 12, 13, 2, 3, 4, 5, 6, 7, 8, 9];
/// Epsilon of the normalisation of features and of directions.
const NORMALISER_EPS: f64 = 1e-9;

/// Hyperparameters of [`Celo2`].
#[derive(Clone, Debug, PartialEq)]
pub struct Celo2Config {
    /// Width of both hidden layers.
    pub hidden: usize,
    /// Learning rate: the root mean square of a step.
    pub step_mult: f64,
    /// Factor in the exponent of every direction. With 0 only the first output has an effect.
    pub exp_mult: f64,
    /// Decay of all parameters, in units of their learning rate.
    pub weight_decay: f64,
    /// Whether directions of tensors of rank 2 and more are orthogonalised.
    pub orthogonalize: bool,
    /// Which tensors take Adam's rule instead of the learned one, in the order of the tensors.
    pub adam: Vec<bool>,
    /// Decay of Adam's first moment.
    pub adam_b1: f64,
    /// Decay of Adam's second moment.
    pub adam_b2: f64,
    /// Adam's learning rate in units of `step_mult`.
    pub mult_1d: f64,
    /// Whether Adam's moments are divided by 1 − βᵗ.
    pub adam_bias_correction: bool,
}

impl Celo2Config {
    /// Celo2: orthogonalised matrices, Adam for the tensors marked.
    pub fn celo2(adam: Vec<bool>) -> Self {
        Self {
            hidden: PUBLISHED_HIDDEN,
            step_mult: 0.001,
            exp_mult: 0.0,
            weight_decay: 0.0,
            orthogonalize: true,
            adam,
            adam_b1: 0.9,
            adam_b2: 0.95,
            mult_1d: 20.0,
            adam_bias_correction: false,
        }
    }

    /// Celo2-base: the learned rule alone, without orthogonalisation.
    pub fn base(num_tensors: usize) -> Self {
        Self { orthogonalize: false, ..Self::celo2(vec![false; num_tensors]) }
    }
}

/// p ← p − lr·d − lr·weight_decay·p, d being the normalised output of a ReLU network on features of the parameter,
/// or Adam's step.
#[derive(Clone, Debug)]
pub struct Celo2 {
    config: Celo2Config,
    constants: Constants,
    /// For tensors of rank 2 and more, and for those below.
    networks: [Vec<Dense>; 2],
    momentum: Vec<Tensor>,
    rms: Vec<Tensor>,
    factored: Vec<FactoredMoment>,
    iteration: Tensor,
}

impl Celo2 {
    /// Length of a flat theta whose hidden layers have `h` units.
    pub fn theta_length(h: usize) -> usize {
        2 * h + NUM_OUTPUTS + GROUPS.iter().sum::<usize>() * h + h * h + h * NUM_OUTPUTS
    }

    /// With zero accumulators. Theta's leaves in order, H being the width: b0\[H\], b1\[H\], b2\[3\], w0__0 … w0__9 by
    /// name, each \[channels, H\], w1\[H, H\], w2\[H, 3\].
    /// # Errors
    /// `ShapeMismatch` if `theta` has another length than [`Self::theta_length`], or `config.adam` than `specs`.
    pub fn new(
        config: Celo2Config,
        theta: &[f32],
        specs: &[TensorSpec],
        constants: Constants,
    ) -> Result<Self> {
        let (marks, tensors) = (config.adam.len(), specs.len());
        if marks != tensors {
            return Err(Error::shape(format!("celo2: expected `adam` of {tensors} tensors, got {marks}")));
        }
        let h = config.hidden;
        let mut leaves = ThetaReader::new(theta, Self::theta_length(h))?;
        let [b0, b1, b2] = [h, h, NUM_OUTPUTS].map(|len| leaves.take(len));
        let mut groups = vec![vec![]; GROUPS.len()];
        for group in GROUPS_BY_NAME {
            groups[group] = leaves.take(GROUPS[group] * h);
        }
        let [w1, w2] = [h * h, h * NUM_OUTPUTS].map(|len| leaves.take(len));
        let network = |num_groups: usize| {
            let first = Dense { w: groups[..num_groups].concat(), b: b0.clone() };
            vec![first, Dense { w: w1.clone(), b: b1.clone() }, Dense { w: w2.clone(), b: b2.clone() }]
        };
        let mut momentum = vec![];
        for (spec, &adam) in specs.iter().zip(&config.adam) {
            let channels = if adam { 1 } else { DECAYS.len() };
            momentum.extend(Tensor::per_param("mom_rolling|m", std::slice::from_ref(spec), &[channels]));
        }
        Ok(Self {
            networks: [network(GROUPS.len()), network(NUM_UNFACTORED_GROUPS)],
            momentum,
            rms: Tensor::per_param("rms_rolling|rms", specs, &[1]),
            factored: specs.iter().map(|s| FactoredMoment::new("fac_rolling", s, DECAYS.len())).collect(),
            iteration: Tensor::scalar("iteration", 0.0),
            config,
            constants,
        })
    }

    /// Feeds the accumulators of one tensor and returns its normalised features, group after group.
    /// # Shapes
    /// `[num_params][30]`, or `[num_params][15]` below rank 2.
    fn features(&mut self, tensor: usize, p: &Tensor, g: &[f64]) -> Vec<Vec<f64>> {
        let decays = DECAYS.map(|beta| Decay::array(beta, self.constants));
        let rms_decay = Decay::array(RMS_DECAY, self.constants);
        let (momentum, rms) = (&mut self.momentum[tensor].data, &mut self.rms[tensor].data);
        accumulate(momentum, &decays, g.iter().copied());
        accumulate(rms, &[rms_decay], g.iter().map(|g| g * g));
        let view = self.factored[tensor].update(g, &decays);
        let mut rows = vec![];
        for i in 0..g.len() {
            let (m, v) = (&momentum[3 * i..3 * i + 3], rms[i]);
            let (row, col, scale) = (&view.row[i], &view.col[i], &view.scale[i]);
            let s = rsqrt(v + 1e-8);
            let mut f = vec![g[i], clip(g[i], -0.1, 0.1), p.data[i]];
            f.extend(m);
            f.push(v);
            f.extend(m.iter().map(|m| m * s));
            f.push(s);
            f.extend(scale.iter().map(|scale| g[i] * scale));
            f.push(g[i] * s);
            if p.shape.len() >= 2 {
                f.extend(row);
                f.extend(col);
                f.extend(row.iter().map(|r| rsqrt(r + 1e-8)));
                f.extend(col.iter().map(|c| rsqrt(c + 1e-8)));
                f.extend(m.iter().zip(scale).map(|(m, scale)| m * scale));
            }
            rows.push(f);
        }
        normalise_matrices(&mut rows, &p.shape);
        rows
    }

    /// The learned rule's step in units of its learning rate: of root mean square 1 in every matrix.
    fn learned_direction(&mut self, tensor: usize, p: &Tensor, g: &[f64]) -> Vec<f64> {
        let g: Vec<f64> = g.iter().map(|&g| clip(g, -1000.0, 1000.0)).collect();
        let rows = self.features(tensor, p, &g);
        let network = &self.networks[usize::from(p.shape.len() < 2)];
        let exp_mult = self.constants.literal(self.config.exp_mult);
        let mut d: Vec<f64> =
            rows.iter().map(|row| magnitude_step(&relu_network(network, row), 1.0, exp_mult)).collect();
        if let ([.., rows, cols], true) = (&p.shape[..], self.config.orthogonalize) {
            d.chunks_exact_mut(rows * cols).for_each(|x| orthogonalise(x, *rows, *cols, self.constants));
        }
        let mut column: Vec<Vec<f64>> = d.iter().map(|&d| vec![d]).collect();
        normalise_matrices(&mut column, &p.shape);
        column.concat()
    }

    /// Adam's step in units of its learning rate, m·rsqrt(v + 1e-8): epsilon inside the root, gradient as it came.
    fn adam_direction(&mut self, tensor: usize, g: &[f64]) -> Vec<f64> {
        let betas = [self.config.adam_b1, self.config.adam_b2];
        let (m, v) = (&mut self.momentum[tensor].data, &mut self.rms[tensor].data);
        accumulate(m, &[Decay::array(betas[0], self.constants)], g.iter().copied());
        accumulate(v, &[Decay::array(betas[1], self.constants)], g.iter().map(|g| g * g));
        let t = self.iteration.item() + 1.0;
        let [m_sum, v_sum] = betas.map(|beta| {
            if self.config.adam_bias_correction { self.constants.one_minus_power(beta, t) } else { 1.0 }
        });
        m.iter().zip(v).map(|(m, v)| m / m_sum * rsqrt(*v / v_sum + 1e-8)).collect()
    }
}

/// Divides every column by its root mean square over the last two axes of a tensor of `shape`, for each of the other
/// axes' indices separately; over the whole tensor below rank 2.
fn normalise_matrices(rows: &mut [Vec<f64>], shape: &[usize]) {
    let matrix_len: usize = shape.iter().rev().take(2).product();
    rows.chunks_exact_mut(matrix_len).for_each(|matrix| normalise_columns(matrix, NORMALISER_EPS));
}

impl ReferenceOptimizer for Celo2 {
    fn step(&mut self, params: &mut [Tensor], grads: &[Tensor], _loss: f64, _valid_loss: Option<f64>) {
        let lr = self.constants.literal(self.config.step_mult);
        let adam_lr = self.constants.literal(self.config.mult_1d * self.config.step_mult);
        let decay = self.constants.literal(self.config.weight_decay);
        for (tensor, (p, g)) in params.iter_mut().zip(grads).enumerate() {
            let (direction, lr) = if self.config.adam[tensor] {
                (self.adam_direction(tensor, &g.data), adam_lr)
            } else {
                (self.learned_direction(tensor, p, &g.data), lr)
            };
            for (p, d) in p.data.iter_mut().zip(direction) {
                *p -= lr * d + lr * decay * *p;
            }
        }
        self.iteration.data[0] += 1.0;
    }

    fn state(&self) -> Vec<&Tensor> {
        let learned = self.factored.iter().zip(&self.config.adam).filter(|(_, adam)| !**adam);
        let factored = learned.flat_map(|(f, _)| [&f.row, &f.col, &f.diag]).filter(|t| !t.data.is_empty());
        self.momentum.iter().chain(&self.rms).chain(factored).chain([&self.iteration]).collect()
    }

    fn state_mut(&mut self) -> Vec<&mut Tensor> {
        let learned = self.factored.iter_mut().zip(&self.config.adam).filter(|(_, adam)| !**adam);
        let factored =
            learned.flat_map(|(f, _)| [&mut f.row, &mut f.col, &mut f.diag]).filter(|t| !t.data.is_empty());
        self.momentum.iter_mut().chain(&mut self.rms).chain(factored).chain([&mut self.iteration]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    /// Steps of the learned rule have root mean square `step_mult` in every matrix, whatever the gradient's scale: the
    /// normaliser's epsilon takes 1e-9/mean(o²) of it, here below 1e-4.
    #[test]
    fn every_matrix_moves_by_the_learning_rate() {
        let specs = [TensorSpec::new("conv", [2, 3, 4]), TensorSpec::new("bias", [3])];
        let theta: Vec<f32> =
            (0..Celo2::theta_length(PUBLISHED_HIDDEN)).map(|i| (12.9898 * i as f32).sin()).collect();
        for config in [Celo2Config::base(2), Celo2Config::celo2(vec![false, false])] {
            let mut optimizer = Celo2::new(config, &theta, &specs, Constants::Exact).expect("a right theta");
            let wave = |s: &TensorSpec, scale: f64| {
                let data = (0..s.len()).map(|i| scale * (78.233 * i as f64 + 0.5).sin()).collect();
                Tensor::new(&s.name, s.shape.clone(), data)
            };
            for scale in [1e-3, 1.0, 1e3] {
                let (before, grads) =
                    (specs.clone().map(|s| wave(&s, 0.5)), specs.clone().map(|s| wave(&s, scale)));
                let mut params = before.clone();
                optimizer.step(&mut params, &grads, 0.0, None);
                for (p, q) in params.iter().zip(&before) {
                    let step: Vec<f64> = p.data.iter().zip(&q.data).map(|(p, q)| (p - q).powi(2)).collect();
                    for matrix in step.chunks_exact(p.shape.iter().rev().take(2).product()) {
                        let size = (matrix.iter().sum::<f64>() / matrix.len() as f64).sqrt();
                        assert!((size / 0.001 - 1.0).abs() < 1e-4, "{} {scale}: {size}", p.name);
                    }
                }
            }
        }
    }

    #[test]
    fn marks_must_be_those_of_the_tensors() {
        let specs = [TensorSpec::new("w", [2, 2])];
        let made = Celo2::new(
            Celo2Config::base(2),
            &vec![0.0; Celo2::theta_length(PUBLISHED_HIDDEN)],
            &specs,
            Constants::Exact,
        );
        assert_eq!(made.map(|_| ()).map_err(|e| e.code), Err(ErrorCode::ShapeMismatch));
    }
}
