//! Functions that several learned optimizers share.

/// Time scales of the time embeddings, in inner steps.
pub const TIME_SCALES: [f64; 11] = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4, 1e5];

/// x held to [low, high]; NaN stays NaN.
pub fn clip(x: f64, low: f64, high: f64) -> f64 {
    if x < low {
        low
    } else if x > high {
        high
    } else {
        x
    }
}

/// max(x, 0); NaN stays NaN.
pub fn relu(x: f64) -> f64 {
    if x < 0.0 { 0.0 } else { x }
}

/// −1, 0 or 1; NaN stays NaN.
pub fn sign(x: f64) -> f64 {
    if x == 0.0 || x.is_nan() { x } else { x.signum() }
}

/// 1/√x.
pub fn rsqrt(x: f64) -> f64 {
    1.0 / x.sqrt()
}

/// 1/√max(x, 1e-9).
pub fn safe_rsqrt(x: f64) -> f64 {
    rsqrt(if x < 1e-9 { 1e-9 } else { x })
}

/// Clipped log magnitude: ln(1e-8 + |x|), held to [−5, 5].
pub fn clipped_log_abs(x: f64) -> f64 {
    clip((1e-8 + x.abs()).ln(), -5.0, 5.0)
}

/// Σx/n.
pub fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// Σ(x − mean)²/n.
pub fn variance(x: &[f64]) -> f64 {
    let centre = mean(x);
    x.iter().map(|v| (v - centre).powi(2)).sum::<f64>() / x.len() as f64
}

/// √Σx².
pub fn norm(x: &[f64]) -> f64 {
    x.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// tanh(t/τ − 1) for every time scale τ. In f64 throughout: the published code rounds the argument to f32 even in its
/// f64 runs, which at t = 2,000 moves a value of [`sine_embedding`] by up to 5e-5.
pub fn tanh_embedding(iteration: f64) -> Vec<f64> {
    TIME_SCALES.iter().map(|scale| (iteration / scale - 1.0).tanh()).collect()
}

/// sin(t/(τ·π)) for every time scale τ, in f64 as [`tanh_embedding`].
pub fn sine_embedding(iteration: f64) -> Vec<f64> {
    TIME_SCALES.iter().map(|scale| (iteration / (scale * std::f64::consts::PI)).sin()).collect()
}

/// Divides every column of `rows` by its root mean square: x·rsqrt(eps + mean(x²)).
/// # Shapes
/// `rows: [num_params][num_features]`.
pub fn normalise_columns(rows: &mut [Vec<f64>], eps: f64) {
    let num_rows = rows.len() as f64;
    for k in 0..rows.first().map_or(0, Vec::len) {
        let scale = rsqrt(eps + rows.iter().map(|r| r[k] * r[k]).sum::<f64>() / num_rows);
        rows.iter_mut().for_each(|r| r[k] *= scale);
    }
}

/// A dense layer: x·W + b.
#[derive(Clone, Debug)]
pub struct Dense {
    /// Weights, `[inputs, outputs]`.
    pub w: Vec<f64>,
    /// Biases, `[outputs]`.
    pub b: Vec<f64>,
}

impl Dense {
    /// x·W + b.
    pub fn apply(&self, x: &[f64]) -> Vec<f64> {
        let outputs = self.b.len();
        let mut out = self.b.clone();
        for (i, &xi) in x.iter().enumerate() {
            for (o, w) in out.iter_mut().zip(&self.w[i * outputs..(i + 1) * outputs]) {
                *o += xi * w;
            }
        }
        out
    }
}

/// Dense layers with ReLU between them.
pub fn relu_network(layers: &[Dense], x: &[f64]) -> Vec<f64> {
    let mut x = x.to_vec();
    for (i, layer) in layers.iter().enumerate() {
        if i > 0 {
            x.iter_mut().for_each(|v| *v = relu(*v));
        }
        x = layer.apply(&x);
    }
    x
}

/// The step of a per-parameter network: o₀·exp(exp_mult·o₁)·step_mult.
pub fn magnitude_step(out: &[f64], step_mult: f64, exp_mult: f64) -> f64 {
    out[0] * (exp_mult * out[1]).exp() * step_mult
}

/// Moves every parameter by what the network makes of its features and the time features.
/// # Shapes
/// `rows: [params.len()][features]`; the network has two outputs.
pub fn step_by_network(
    layers: &[Dense],
    rows: &[Vec<f64>],
    time: &[f64],
    params: &mut [f64],
    step_mult: f64,
    exp_mult: f64,
) {
    for (p, row) in params.iter_mut().zip(rows) {
        let out = relu_network(layers, &[row, time].concat());
        *p -= magnitude_step(&out, step_mult, exp_mult);
    }
}

/// One step of an LSTM cell, in place: z = [x, h]·W + b cut into i, g, f, o;
/// c ← σ(f + 1)·c + σ(i)·tanh(g); h ← σ(o)·tanh(c).
pub fn lstm_cell(gates: &Dense, x: &[f64], h: &mut [f64], c: &mut [f64]) {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let n = h.len();
    let z = gates.apply(&[x, h].concat());
    for k in 0..n {
        let (i, g, f, o) = (z[k], z[n + k], z[2 * n + k], z[3 * n + k]);
        c[k] = sigmoid(f + 1.0) * c[k] + sigmoid(i) * g.tanh();
        h[k] = sigmoid(o) * c[k].tanh();
    }
}
