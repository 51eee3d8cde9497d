//! Normalising flows: RealNVP and masked autoregressive ones.

use crate::published::{Case, activation};
use outerloop_core::program::Id;
use outerloop_core::program::ops::{Concat, Fold, Function, Gather, Op, Pairing, Slice};

/// Layer `j`'s perceptron, with masks where the case has them.
fn net(c: &mut Case, j: usize, mut x: Id, layers: usize, act: Function) -> Id {
    for i in 0..layers {
        let mut w = c.id(&format!("layer{j}|w{i}"));
        if let Some(mask) = c.case.constants.iter().find(|leaf| leaf.name == format!("mask_{i}")).cloned() {
            let mask = c.b.constant(&mask.shape, mask.data.iter().map(|&x| f64::from(x)).collect());
            w = c.b.zip(Pairing::Mul, w, mask);
        }
        let b = c.id(&format!("layer{j}|b{i}"));
        x = c.b.dense(x, w, b, (i + 1 < layers).then_some(act));
    }
    x
}

/// u = (x − shift)·e^−log_scale, and log_scale.
fn inverse(c: &mut Case, x: Id, shift: Id, log_scale: Id) -> Id {
    let difference = c.b.zip(Pairing::Sub, x, shift);
    let negative = c.b.map(Function::Neg, log_scale);
    let factor = c.b.map(Function::Exp, negative);
    c.b.zip(Pairing::Mul, difference, factor)
}

fn flow(name: &str) {
    let mut c = Case::new(name);
    let (layers, act) = (c.sizes("hidden").len() + 1, activation(&c.text("activation")));
    let [d, k] = ["D", "layers"].map(|key| c.case.config[key].as_u64().unwrap() as usize);
    let half = d / 2;
    let part = |c: &mut Case, x, start, len| c.push(Op::Slice(Slice { axis: 1, start, len }), &[x]);
    let mut x = c.id("x");
    let batch = c.shape("x")[0];
    let mut log_scales = vec![];
    // Density: x goes through the last layer first.
    for j in (0..k).rev() {
        if name.starts_with("nvp") {
            let (kept, rest) = (part(&mut c, x, 0, half), part(&mut c, x, half, d - half));
            let out = net(&mut c, j, kept, layers, act);
            let (shift, log_scale) = (part(&mut c, out, 0, d - half), part(&mut c, out, d - half, d - half));
            let moved = inverse(&mut c, rest, shift, log_scale);
            x = c.push(Op::Concat(Concat { axis: 1 }), &[kept, moved]);
            log_scales.push(c.b.reduce(Fold::Sum, log_scale, Some(&[1])));
        } else {
            let out = net(&mut c, j, x, layers, act);
            let out = c.b.reshape(out, &[batch, d, 2]);
            let column = |c: &mut Case, i| {
                let column = c.push(Op::Slice(Slice { axis: 2, start: i, len: 1 }), &[out]);
                c.b.reshape(column, &[batch, d])
            };
            let (shift, log_scale) = (column(&mut c, 0), column(&mut c, 1));
            let log_scale =
                c.b.map(Function::Clip { min: -5.0, max: 3.0, straight_through: true }, log_scale);
            x = inverse(&mut c, x, shift, log_scale);
            log_scales.push(c.b.reduce(Fold::Sum, log_scale, Some(&[1])));
        }
        if j > 0 {
            // The inverse of y = x[permutation].
            let name = format!("permutation_{}", j - 1);
            let permutation = &c.case.constants.iter().find(|leaf| leaf.name == name).unwrap().data;
            let mut indices = vec![0u32; d];
            permutation.iter().enumerate().for_each(|(i, &p)| indices[p as usize] = i as u32);
            x = c.push(Op::Gather(Gather { axis: 1, indices }), &[x]);
        }
    }
    let squares = c.b.map(Function::Square, x);
    let squares = c.b.reduce(Fold::Sum, squares, Some(&[1]));
    let mut nats = c.b.affine(squares, 0.5, 0.5 * d as f64 * (2.0 * std::f64::consts::PI).ln());
    for log_scale in log_scales {
        nats = c.b.zip(Pairing::Add, nats, log_scale);
    }
    let loss = c.b.reduce(Fold::Mean, nats, None);
    c.check(loss);
}

#[test]
fn real_nvp() {
    flow("nvp_k3");
}

#[test]
fn masked_autoregressive_flows() {
    flow("maf_k2");
    flow("maf_k1_degenerate");
}
