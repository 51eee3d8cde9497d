//! Noise on theta as numbers, for tests and for experiments of users.

use crate::error::{Result, guard};
use napi::bindgen_prelude::Float32Array;
use napi_derive::napi;
use outerloop_core::unroll::perturb;

/// theta + ε with the perturbation that (seed, particle, perturbation) names.
#[napi]
pub fn perturbed_theta(
    theta: &[f32],
    seed: f64,
    particle: u32,
    perturbation: f64,
    std: f64,
) -> Result<Float32Array> {
    guard(|| {
        let [pos, _] = perturb(theta, seed as u64, particle, perturbation as u64, std as f32);
        Ok(Float32Array::new(pos))
    })
}
