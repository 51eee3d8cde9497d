//! Perceptrons: plain, normalised, auto-encoders, variational ones.

use crate::published::{Case, activation};
use outerloop_core::program::ops::{BatchNorm, Fold, Function, LayerNorm, Op, Pairing, Slice};

#[test]
fn perceptrons() {
    for name in ["mlp_relu_3hidden", "mlp_tanh", "mlp_leaky_relu4", "mlp_swish", "mlp_cos"] {
        let mut c = Case::new(name);
        let (layers, act) = (c.sizes("hidden").len() + 1, activation(&c.text("activation")));
        let mut x = c.flat();
        if c.case.config["center_data"] == true {
            x = c.b.affine(x, 2.0, -1.0);
        }
        let logits = c.mlp("mlp", x, layers, act);
        let labels = c.id("label");
        let loss = c.b.classification(logits, labels);
        c.check(loss);
    }
}

#[test]
fn normalised_perceptrons() {
    for name in ["mlp_layernorm", "mlp_batchnorm"] {
        let mut c = Case::new(name);
        let mut x = c.flat();
        for (i, hidden) in c.sizes("hidden").into_iter().enumerate() {
            let suffix = if i == 0 { String::new() } else { format!("_{i}") };
            x = c.linear(&format!("linear{suffix}"), x, None);
            x = if name == "mlp_layernorm" {
                let args = [
                    x,
                    c.id(&format!("layer_norm{suffix}|scale")),
                    c.id(&format!("layer_norm{suffix}|offset")),
                ];
                c.push(Op::LayerNorm(LayerNorm { eps: 1e-5 }), &args)
            } else {
                let args = [x, c.id(&format!("~|beta_{hidden}"))];
                c.push(Op::BatchNorm(BatchNorm { eps: 1e-3 }), &args)
            };
            x = c.b.map(Function::Relu, x);
        }
        let logits = c.linear("linear_2", x, None);
        let labels = c.id("label");
        let loss = c.b.classification(logits, labels);
        c.check(loss);
    }
}

#[test]
fn auto_encoders() {
    for name in ["ae_sigmoid_l2_mean", "ae_tanh_l1_sum"] {
        let mut c = Case::new(name);
        let (layers, act) = (c.sizes("hidden").len() + 1, activation(&c.text("activation")));
        let mut x = c.flat();
        if c.text("output") == "tanh" {
            x = c.b.affine(x, 2.0, -1.0);
        }
        let y = c.mlp("mlp", x, layers, act);
        let y = c.b.map(activation(&c.text("output")), y);
        let error = c.b.zip(Pairing::Sub, y, x);
        let error = c.b.map(if c.text("loss") == "l2" { Function::Square } else { Function::Abs }, error);
        let fold = if c.text("reduction") == "mean" { Fold::Mean } else { Fold::Sum };
        let by_example = c.b.reduce(fold, error, Some(&[1]));
        let loss = c.b.reduce(Fold::Mean, by_example, None);
        c.check(loss);
    }
}

#[test]
fn variational_auto_encoders() {
    for name in ["vae_relu", "vae_tanh"] {
        let mut c = Case::new(name);
        let (enc, dec, act) = (c.sizes("enc"), c.sizes("dec"), activation(&c.text("activation")));
        let half =
            |c: &mut Case, x, i: usize, len| c.push(Op::Slice(Slice { axis: 1, start: i * len, len }), &[x]);
        let x = c.flat();
        let latent = *enc.last().unwrap();
        let features = c.shape("noise")[1];
        let h = c.mlp("enc|enc", x, enc.len(), act);
        let (mu, log_sigma) = (half(&mut c, h, 0, latent), half(&mut c, h, 1, latent));
        let sigma = c.b.map(Function::Exp, log_sigma);
        let eps = c.id("eps");
        let moved = c.b.zip(Pairing::Mul, sigma, eps);
        let z = c.b.zip(Pairing::Add, mu, moved);
        // KL = ½(σ² + μ² − 1) − ln σ.
        let squares = [mu, sigma].map(|x| c.b.map(Function::Square, x));
        let squares = c.b.zip(Pairing::Add, squares[0], squares[1]);
        let kl = c.b.affine(squares, 0.5, -0.5);
        let kl = c.b.zip(Pairing::Sub, kl, log_sigma);
        let kl = c.b.reduce(Fold::Sum, kl, Some(&[1]));
        let o = c.mlp("dec|dec", z, dec.len() + 1, act);
        let o = c.b.map(Function::Clip { min: -10.0, max: 10.0, straight_through: false }, o);
        let (mean, log_scale) = (half(&mut c, o, 0, features), half(&mut c, o, 1, features));
        let noise = c.id("noise");
        let noisy = c.b.zip(Pairing::Add, x, noise);
        let difference = c.b.zip(Pairing::Sub, noisy, mean);
        let inverse = c.b.affine(log_scale, -1.0, 0.0);
        let inverse = c.b.map(Function::Exp, inverse);
        let scaled = c.b.zip(Pairing::Mul, difference, inverse);
        let square = c.b.map(Function::Square, scaled);
        // −ln N(x; μ, σ) − ln(1/255), for every pixel.
        let constant = 0.5 * (2.0 * std::f64::consts::PI).ln() + 255f64.ln();
        let half_square = c.b.affine(square, 0.5, constant);
        let nats = c.b.zip(Pairing::Add, half_square, log_scale);
        let nats = c.b.reduce(Fold::Sum, nats, Some(&[1]));
        let by_example = c.b.zip(Pairing::Add, nats, kl);
        let loss = c.b.reduce(Fold::Mean, by_example, None);
        c.check(loss);
    }
}
