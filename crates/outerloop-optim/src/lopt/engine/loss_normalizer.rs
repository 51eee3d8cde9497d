//! Running mean and variance of a loss (spec: learned_optimizers §1.8).

use crate::optim::mean_decay::MeanDecay;

/// State: mean, variance, updates; all start at 0.
pub(in crate::lopt) const LEN: usize = 3;

/// Feeds one loss.
pub(in crate::lopt) fn update(state: &mut [f32], loss: f32, decay: f64) {
    let decay = MeanDecay::new(decay);
    let (d, complement) = (decay.beta(), decay.complement());
    state[0] = d * state[0] + complement * loss;
    // The uncorrected new mean, as published.
    let deviation = state[0] - loss;
    // Held to what f32 has, or one huge loss would be remembered for good.
    state[1] = (d * state[1] + complement * (deviation * deviation)).min(f32::MAX);
    state[2] += 1.0;
}

fn correction(state: &[f32], decay: f64) -> f32 {
    1.0 / (MeanDecay::new(decay).powers(f64::from(state[2]))[1] as f32 + 1e-8)
}

/// `loss` in units of the running deviation, clipped to ±5.
pub(in crate::lopt) fn standardize(state: &[f32], loss: f32, decay: f64) -> f32 {
    let k = correction(state, decay);
    ((loss - k * state[0]) / (k * state[1] + 1e-8).sqrt()).clamp(-5.0, 5.0)
}

/// The corrected mean; 0 before the first loss.
pub(in crate::lopt) fn mean(state: &[f32], decay: f64) -> f32 {
    if state[2] > 0.0 { correction(state, decay) * state[0] } else { 0.0 }
}
