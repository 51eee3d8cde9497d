//! Convolutional nets.

use crate::published::{Case, activation};
use outerloop_core::program::Id;
use outerloop_core::program::ops::{Conv2d, Fold, Function, Op, Padding};

fn conv(c: &mut Case, name: &str, x: Id, stride: usize, padding: Padding, activation: Function) -> Id {
    let mut args = vec![x, c.id(&format!("{name}|w"))];
    if c.has(&format!("{name}|b")) {
        args.push(c.id(&format!("{name}|b")));
    }
    c.push(Op::Conv2d(Conv2d { stride, padding, activation: Some(activation) }), &args)
}

fn layer(i: usize) -> String {
    if i == 0 { "conv2_d".into() } else { format!("conv2_d_{i}") }
}

#[test]
fn convolutional_nets() {
    for name in ["conv_fc_relu", "conv_pool_mean", "conv_pool_max", "conv_pool_sqmean"] {
        let mut c = Case::new(name);
        let act = activation(&c.text("activation"));
        let paddings = c.case.config["padding"].as_array().unwrap().clone();
        let mut x = c.id("image");
        if c.case.config["center_data"] == true {
            x = c.b.affine(x, 2.0, -1.0);
        }
        for (i, stride) in c.sizes("strides").into_iter().enumerate() {
            let padding = if paddings[i] == "SAME" { Padding::Same } else { Padding::Valid };
            x = conv(&mut c, &layer(i), x, stride, padding, act);
        }
        let space = Some(&[1, 2][..]);
        let mut last = 0;
        x = match &*c.text("pool") {
            "mean" => c.b.reduce(Fold::Mean, x, space),
            "max" => c.b.reduce(Fold::Max, x, space),
            "squared_mean" => {
                let squares = c.b.map(Function::Square, x);
                c.b.reduce(Fold::Mean, squares, space)
            }
            _ => {
                let (batch, features) = (c.shape("image")[0], c.shape("linear|w")[0]);
                let flat = c.b.reshape(x, &[batch, features]);
                last = 1;
                c.linear("linear", flat, Some(act))
            }
        };
        let logits = c.linear(if last == 1 { "linear_1" } else { "linear" }, x, None);
        let labels = c.id("label");
        let loss = c.b.classification(logits, labels);
        c.check(loss);
    }
}

#[test]
fn the_convolutional_task_of_learned_optimization() {
    let mut c = Case::new("lo_conv_avgpool");
    let mut x = c.id("image");
    for i in 0..c.sizes("channels").len() {
        x = conv(&mut c, &layer(i), x, if i == 0 { 2 } else { 1 }, Padding::Same, Function::Relu);
    }
    let x = c.b.reduce(Fold::Mean, x, Some(&[1, 2]));
    let logits = c.linear("linear", x, None);
    let labels = c.id("label");
    let loss = c.b.classification(logits, labels);
    c.check(loss);
}
