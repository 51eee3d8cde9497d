//! Time features (spec: learned_optimizers §1.6). Computed in f64 once per step.

/// Time scales in steps.
const TAU: [f64; 11] = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4, 1e5];

/// tanh(t/τ − 1) for eleven τ.
fn tanh_embedding(t: u64) -> [f32; 11] {
    TAU.map(|tau| libm::tanh(t as f64 / tau - 1.0) as f32)
}

/// sin(t/(τ·π)) for eleven τ.
pub(in crate::lopt) fn sine_embedding(t: u64) -> [f32; 11] {
    TAU.map(|tau| libm::sin(t as f64 / (tau * std::f64::consts::PI)) as f32)
}

/// `bias` = `b0` and what the time features of `iteration` add to a first layer, `weights: [features, hidden]`.
pub(in crate::lopt) fn fold_time(bias: &mut [f32], b0: &[f32], weights: &[f32], iteration: u64) {
    bias.copy_from_slice(b0);
    for (x, row) in tanh_embedding(iteration).into_iter().zip(weights.chunks_exact(b0.len())) {
        bias.iter_mut().zip(row).for_each(|(b, w)| *b = w.mul_add(x, *b));
    }
}

/// Where the fraction of training done is compared.
const FRACTIONS: [f64; 9] = [0.03, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0, 1.1];

/// tanh(10·(t/num_steps − a)) for nine a.
pub(in crate::lopt) fn fraction_embedding(t: u64, num_steps: u64) -> [f32; 9] {
    let fraction = t as f64 / num_steps as f64;
    FRACTIONS.map(|a| libm::tanh(10.0 * (fraction - a)) as f32)
}
