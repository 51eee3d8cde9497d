//! Learnable SGD, SGD with momentum and Adam (google/learned_optimization, 32186aa, `learned_optimizers/base.py`): the
//! twins of the hand-designed rules with constants from theta. lr = e^θ, ε = e^θ, decays are 1 − e^θ.

use super::adam::{Adam, AdamConfig};
use super::constants::Constants;
use super::sgd::{Sgd, SgdConfig};
use super::theta::ThetaReader;
use crate::error::Result;
use crate::params::TensorSpec;

/// Gradient descent; theta is ln lr.
/// # Errors
/// `ShapeMismatch` if `theta` has not one number.
pub fn sgd(theta: &[f32], specs: &[TensorSpec], constants: Constants) -> Result<Sgd> {
    let mut leaves = ThetaReader::new(theta, 1)?;
    let lr = leaves.take(1)[0].exp();
    Ok(Sgd::new(SgdConfig { lr, momentum: None, nesterov: false }, specs, constants))
}

/// Gradient descent with momentum; theta is ln lr, ln(1 − μ).
/// # Errors
/// `ShapeMismatch` if `theta` has not two numbers.
pub fn sgdm(theta: &[f32], specs: &[TensorSpec], constants: Constants) -> Result<Sgd> {
    let mut leaves = ThetaReader::new(theta, 2)?;
    let lr = leaves.take(1)[0].exp();
    let momentum = Some(decay(leaves.take(1)[0], constants));
    Ok(Sgd::new(SgdConfig { lr, momentum, nesterov: false }, specs, constants))
}

/// Adam with 1e-8 under the root; theta is ln ε, ln lr, ln(1 − β₁), ln(1 − β₂).
/// # Errors
/// `ShapeMismatch` if `theta` has not four numbers.
pub fn adam(theta: &[f32], specs: &[TensorSpec], constants: Constants) -> Result<Adam> {
    let mut leaves = ThetaReader::new(theta, 4)?;
    let [eps, lr] = [0, 1].map(|_| leaves.take(1)[0].exp());
    let [beta1, beta2] = [0, 1].map(|_| decay(leaves.take(1)[0], constants));
    Ok(Adam::new(AdamConfig { lr, beta1, beta2, eps, eps_root: 1e-8 }, specs, constants))
}

/// 1 − e^θ; where constants are rounded both the power and the difference are. What is then 1 minus that is the f32
/// difference, because the decay has so few digits.
fn decay(theta: f64, constants: Constants) -> f64 {
    constants.complement(constants.literal(theta.exp()))
}
