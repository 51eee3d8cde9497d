//! Loss and gradient of a multi-layer perceptron with softmax cross-entropy, by hand.

use crate::error::{Error, Result};

/// Nonlinearity between the layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// tanh x.
    Tanh,
    /// cos x.
    Cos,
    /// x, below 0 eˣ − 1.
    Elu,
    /// 1/(1 + e⁻ˣ).
    Sigmoid,
    /// x/(1 + e⁻ˣ).
    Swish,
    /// x, below 0 0.4·x.
    LeakyRelu4,
    /// x, below 0 0.2·x.
    LeakyRelu2,
    /// x, below 0 0.1·x.
    LeakyRelu1,
}

impl Activation {
    /// Every activation with its name in a task config.
    pub const ALL: [(&'static str, Self); 9] = [
        ("relu", Self::Relu),
        ("tanh", Self::Tanh),
        ("cos", Self::Cos),
        ("elu", Self::Elu),
        ("sigmoid", Self::Sigmoid),
        ("swish", Self::Swish),
        ("leaky_relu4", Self::LeakyRelu4),
        ("leaky_relu2", Self::LeakyRelu2),
        ("leaky_relu1", Self::LeakyRelu1),
    ];

    /// The activation of that name.
    /// # Errors
    /// `InvalidOption` if there is none.
    pub fn from_name(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|(n, _)| *n == name);
        found
            .map(|(_, a)| *a)
            .ok_or_else(|| Error::option(format!("activation: expected a known name, got `{name}`")))
    }

    /// f(x).
    pub fn value(self, x: f64) -> f64 {
        match self {
            Self::Relu => x.max(0.0),
            Self::Tanh => x.tanh(),
            Self::Cos => x.cos(),
            Self::Elu => {
                if x > 0.0 {
                    x
                } else {
                    x.exp_m1()
                }
            }
            Self::Sigmoid => sigmoid(x),
            Self::Swish => x * sigmoid(x),
            Self::LeakyRelu4 => leaky(x, 0.4),
            Self::LeakyRelu2 => leaky(x, 0.2),
            Self::LeakyRelu1 => leaky(x, 0.1),
        }
    }

    /// f′(x); at a kink JAX's choice: 0 for ReLU, 1 for the leaky ones.
    pub fn slope(self, x: f64) -> f64 {
        match self {
            Self::Relu => {
                if x > 0.0 {
                    1.0
                } else {
                    0.0
                }
            }
            Self::Tanh => 1.0 - x.tanh().powi(2),
            Self::Cos => -x.sin(),
            Self::Elu => {
                if x > 0.0 {
                    1.0
                } else {
                    x.exp()
                }
            }
            Self::Sigmoid => sigmoid(x) * (1.0 - sigmoid(x)),
            Self::Swish => sigmoid(x) + x * sigmoid(x) * (1.0 - sigmoid(x)),
            Self::LeakyRelu4 => leaky_slope(x, 0.4),
            Self::LeakyRelu2 => leaky_slope(x, 0.2),
            Self::LeakyRelu1 => leaky_slope(x, 0.1),
        }
    }

    /// d·f′(x); behind a ReLU that gave 0 it is 0 even where d is not finite, as JAX's.
    pub fn pull_back(self, d: f64, x: f64) -> f64 {
        let slope = self.slope(x);
        if self == Self::Relu && slope == 0.0 { 0.0 } else { d * slope }
    }
}

/// Weights of one layer, or their gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct MlpLayer {
    /// `[inputs, outputs]`.
    pub w: Vec<f64>,
    /// `[outputs]`.
    pub b: Vec<f64>,
}

/// Mean softmax cross-entropy of a batch, and its gradient.
///
/// Forward: z_l = x_l·W_l + b_l, x_{l+1} = f(z_l), the last z being the logits; loss = mean over the batch of
/// ln Σ exp(z) − z\[label\]. Backward: δ = (softmax(z) − onehot)/batch at the end, ∂W_l = x_lᵀδ_l, ∂b_l = Σ δ_l,
/// δ_{l−1} = (δ_l·W_lᵀ)·f′(z_{l−1}) ([`Activation::pull_back`]).
/// # Shapes
/// `inputs: [batch, features]`, `labels: [batch]`; the gradient has the layers' shapes.
pub fn loss_and_grad(
    layers: &[MlpLayer],
    activation: Activation,
    inputs: &[f64],
    labels: &[usize],
) -> (f64, Vec<MlpLayer>) {
    let batch = labels.len() as f64;
    let mut grads: Vec<MlpLayer> =
        layers.iter().map(|l| MlpLayer { w: vec![0.0; l.w.len()], b: vec![0.0; l.b.len()] }).collect();
    let mut loss = 0.0;
    for (example, &label) in inputs.chunks_exact(inputs.len() / labels.len()).zip(labels) {
        // Inputs and pre-activations of every layer.
        let (mut xs, mut zs) = (vec![example.to_vec()], vec![]);
        for layer in layers {
            let z = affine(layer, &xs[xs.len() - 1]);
            xs.push(z.iter().map(|&z| activation.value(z)).collect());
            zs.push(z);
        }
        let logits = &zs[layers.len() - 1];
        let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log_sum = max + logits.iter().map(|z| (z - max).exp()).sum::<f64>().ln();
        loss += (log_sum - logits[label]) / batch;

        let mut delta: Vec<f64> = logits.iter().map(|z| (z - log_sum).exp() / batch).collect();
        delta[label] -= 1.0 / batch;
        for l in (0..layers.len()).rev() {
            let outputs = delta.len();
            let mut below = vec![0.0; xs[l].len()];
            for (i, x) in xs[l].iter().enumerate() {
                for (o, d) in delta.iter().enumerate() {
                    grads[l].w[i * outputs + o] += x * d;
                    below[i] += layers[l].w[i * outputs + o] * d;
                }
            }
            grads[l].b.iter_mut().zip(&delta).for_each(|(b, d)| *b += d);
            if l > 0 {
                delta = below.iter().zip(&zs[l - 1]).map(|(&d, &z)| activation.pull_back(d, z)).collect();
            }
        }
    }
    (loss, grads)
}

fn affine(layer: &MlpLayer, x: &[f64]) -> Vec<f64> {
    let outputs = layer.b.len();
    let dot = |o: usize| x.iter().enumerate().map(|(i, x)| x * layer.w[i * outputs + o]).sum::<f64>();
    (0..outputs).map(|o| layer.b[o] + dot(o)).collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn leaky(x: f64, slope: f64) -> f64 {
    x * leaky_slope(x, slope)
}

fn leaky_slope(x: f64, slope: f64) -> f64 {
    if x >= 0.0 { 1.0 } else { slope }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers without a pattern that the network could exploit, in [−amplitude, amplitude].
    fn wave(len: usize, phase: f64, amplitude: f64) -> Vec<f64> {
        (0..len).map(|i| amplitude * (12.9898 * i as f64 + phase).sin()).collect()
    }

    /// Central differences with h = 1e-5 err by h²·f‴/6 ≈ 1e-10 and by rounding 1e-16·loss/h ≈ 2e-11; 2e-9 leaves a
    /// margin for the third derivative. No pre-activation lies within h of a kink (the test would fail by 0.1 if one did).
    #[test]
    fn gradients_are_those_of_finite_differences() {
        const H: f64 = 1e-5;
        for (hidden, seed) in [(vec![], 0.3), (vec![4], 0.7), (vec![5, 3], 1.1)] {
            for (name, activation) in Activation::ALL {
                let sizes = [&[6][..], &hidden, &[3]].concat();
                let layer = |(l, s): (usize, &[usize])| MlpLayer {
                    w: wave(s[0] * s[1], seed + l as f64, 0.8),
                    b: wave(s[1], seed - l as f64, 0.3),
                };
                let layers: Vec<MlpLayer> = sizes.windows(2).enumerate().map(layer).collect();
                let (inputs, labels) = (wave(24, seed, 1.0), [0, 2, 1, 2]);
                let loss = |layers: &[MlpLayer]| loss_and_grad(layers, activation, &inputs, &labels).0;
                let (_, grads) = loss_and_grad(&layers, activation, &inputs, &labels);
                for l in 0..layers.len() {
                    for i in 0..layers[l].w.len() + layers[l].b.len() {
                        let moved = |by: f64| {
                            let mut layers = layers.clone();
                            let n = layers[l].w.len();
                            if i < n {
                                layers[l].w[i] += by
                            } else {
                                layers[l].b[i - n] += by
                            }
                            loss(&layers)
                        };
                        let difference = (moved(H) - moved(-H)) / (2.0 * H);
                        let grad = grads[l].w.iter().chain(&grads[l].b).nth(i).copied().expect("in range");
                        assert!((grad - difference).abs() < 2e-9, "{name} {l} {i}: {grad} {difference}");
                    }
                }
            }
        }
    }

    #[test]
    fn names_are_known_or_refused() {
        for (name, activation) in Activation::ALL {
            assert_eq!(Activation::from_name(name), Ok(activation));
        }
        assert!(Activation::from_name("gelu").is_err());
    }
}
