//! Adafactor (Shazeer, Stern 2018, arXiv:1804.04235), in optax's form.

use super::ReferenceOptimizer;
use super::accumulators::{factored_axes, means, project, without};
use super::constants::{Constants, Decay};
use super::primitives::mean;
use super::tensor::Tensor;
use crate::params::TensorSpec;

/// Hyperparameters of [`Adafactor`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdafactorConfig {
    /// Learning rate.
    pub lr: f64,
    /// Tensors whose second largest axis is at least this are factored.
    pub min_dim_size_to_factor: usize,
    /// In the decay 1 − t^(−decay_rate).
    pub decay_rate: f64,
    /// Largest root mean square of a direction, if there is one.
    pub clipping_threshold: Option<f64>,
    /// Whether steps are relative to the parameters' root mean square.
    pub multiply_by_parameter_scale: bool,
    /// Decay of the mean of steps, if there is one.
    pub momentum: Option<f64>,
    /// Decay of the parameters a step.
    pub weight_decay: f64,
    /// Added to squared gradients.
    pub eps: f64,
}

/// v ← d·v + (1 − d)(g² + eps) with d = 1 − t^(−decay_rate), of large matrices only its means over either axis;
/// u = g/√v, with v ≈ r·cᵀ/mean(r); u ← u/max(1, rms(u)/threshold)·lr·max(rms(p), 1e-3); m ← β·m + (1 − β)·u;
/// p ← p − m − wd·p.
///
/// State tensors that an optimizer of these shapes has no use for are zeros of one element, as published.
#[derive(Clone, Debug)]
pub struct Adafactor {
    config: AdafactorConfig,
    constants: Constants,
    iteration: Tensor,
    v_row: Vec<Tensor>,
    v_col: Vec<Tensor>,
    v: Vec<Tensor>,
    ema: Vec<Tensor>,
}

impl Adafactor {
    /// With zero moments.
    pub fn new(config: AdafactorConfig, specs: &[TensorSpec], constants: Constants) -> Self {
        let axes = |s: &TensorSpec| {
            factored_axes(&s.shape).filter(|&(_, second)| s.shape[second] >= config.min_dim_size_to_factor)
        };
        let all = |group: &str, shape: &dyn Fn(&TensorSpec) -> Vec<usize>| -> Vec<Tensor> {
            specs.iter().map(|s| Tensor::filled(format!("{group}|{}", s.name), shape(s), 0.0)).collect()
        };
        let ema = if config.momentum.is_some() { Tensor::per_param("ema", specs, &[]) } else { vec![] };
        Self {
            config,
            constants,
            iteration: Tensor::scalar("iteration", 0.0),
            v_row: all("v_row", &|s| axes(s).map_or(vec![1], |(largest, _)| without(&s.shape, largest))),
            v_col: all("v_col", &|s| axes(s).map_or(vec![1], |(_, second)| without(&s.shape, second))),
            v: all("v", &|s| if axes(s).is_some() { vec![1] } else { s.shape.clone() }),
            ema,
        }
    }

    /// g/√v of one tensor, after its moments have been fed.
    fn direction(&mut self, tensor: usize, shape: &[usize], g: &[f64], decay: Decay) -> Vec<f64> {
        let eps = self.constants.literal(self.config.eps);
        let squares: Vec<f64> = g.iter().map(|g| g * g + eps).collect();
        let axes = factored_axes(shape);
        let Some((largest, second)) = axes.filter(|a| shape[a.1] >= self.config.min_dim_size_to_factor)
        else {
            let v = &mut self.v[tensor].data;
            v.iter_mut().zip(&squares).for_each(|(v, &x)| decay.update(v, x));
            return g.iter().zip(v).map(|(g, v)| g / v.sqrt()).collect();
        };
        let (row_of, col_of) = (project(shape, largest), project(shape, second));
        let (row, col) = (&mut self.v_row[tensor].data, &mut self.v_col[tensor].data);
        row.iter_mut().zip(means(&squares, &row_of)).for_each(|(r, x)| decay.update(r, x));
        col.iter_mut().zip(means(&squares, &col_of)).for_each(|(c, x)| decay.update(c, x));
        let lost = if second > largest { second - 1 } else { second };
        let group_of = project(&without(shape, largest), lost);
        let row_means = means(row, &group_of);
        let scale = |i: usize| {
            let (r, c) = (row[row_of[i]], col[col_of[i]]);
            (r / row_means[group_of[row_of[i]]]).powf(-0.5) * c.powf(-0.5)
        };
        g.iter().enumerate().map(|(i, g)| g * scale(i)).collect()
    }
}

/// √mean(x²).
fn rms(x: &[f64]) -> f64 {
    mean(&x.iter().map(|x| x * x).collect::<Vec<_>>()).sqrt()
}

impl ReferenceOptimizer for Adafactor {
    fn step(&mut self, params: &mut [Tensor], grads: &[Tensor], _loss: f64, _valid_loss: Option<f64>) {
        let (config, constants) = (self.config, self.constants);
        let round = |x| constants.literal(x);
        self.iteration.data[0] += 1.0;
        // In f32 even in the published f64 run.
        let f32 = |x| Constants::Rounded.literal(x);
        let beta = f32(1.0 - f32(self.iteration.item().powf(-f32(config.decay_rate))));
        let decay = Decay { beta, complement: f32(1.0 - beta) };
        for (tensor, (p, g)) in params.iter_mut().zip(grads).enumerate() {
            let mut u = self.direction(tensor, &p.shape, &g.data, decay);
            let excess = config.clipping_threshold.map_or(0.0, |threshold| rms(&u) / round(threshold));
            let mut factor = round(config.lr) / if excess <= 1.0 { 1.0 } else { excess };
            if config.multiply_by_parameter_scale {
                factor *= if rms(&p.data) <= round(1e-3) { round(1e-3) } else { rms(&p.data) };
            }
            u.iter_mut().for_each(|u| *u *= factor);
            if let Some(beta) = config.momentum {
                let momentum = Decay::literal(beta, constants);
                for (u, m) in u.iter_mut().zip(&mut self.ema[tensor].data) {
                    // Kept and decayed in f32 even in the published f64 run.
                    *u = f32(f32(beta) * *m) + momentum.complement * *u;
                    *m = f32(*u);
                }
            }
            p.data.iter_mut().zip(u).for_each(|(p, u)| *p -= u + round(config.weight_decay) * *p);
        }
    }

    fn state(&self) -> Vec<&Tensor> {
        let all = self.v_row.iter().chain(&self.v_col).chain(&self.v).chain(&self.ema);
        all.chain([&self.iteration]).collect()
    }

    fn state_mut(&mut self) -> Vec<&mut Tensor> {
        let all = self.v_row.iter_mut().chain(&mut self.v_col).chain(&mut self.v).chain(&mut self.ema);
        all.chain([&mut self.iteration]).collect()
    }
}
