//! Recurrent language models and classifiers of text.

use crate::published::Case;
use outerloop_core::program::Id;
use outerloop_core::program::ops::{
    Cell, Embed, Fold, Function, Op, Pairing, Rnn, Slice, SoftmaxXent, Transpose,
};

/// States after every token of `tokens` `[batch, time]`: `[batch, time, units]`.
fn states(c: &mut Case, tokens: Id, core: &str) -> Id {
    let table = c.id("embed|embeddings");
    let embedded = c.push(Op::Embed(Embed {}), &[tokens, table]);
    let by_time = c.push(Op::Transpose(Transpose { axes: vec![1, 0, 2] }), &[embedded]);
    let (cell, weights, states): (_, &[&str], _) = match core {
        "gru" => (Cell::Gru, &["gru|w_i", "gru|w_h", "gru|b"], 1),
        "lstm" => (Cell::Lstm, &["lstm/linear|w", "lstm/linear|b"], 2),
        "vanilla" => (
            Cell::Vanilla { activation: Function::Relu },
            &[
                "vanilla_rnn/linear|w",
                "vanilla_rnn/linear|b",
                "vanilla_rnn/linear_1|w",
                "vanilla_rnn/linear_1|b",
            ],
            1,
        ),
        _ => (
            Cell::Vanilla { activation: Function::Tanh },
            &["v/in_to_hidden|w", "v/in_to_hidden|b", "v/hidden_to_hidden|w", "v/hidden_to_hidden|b"],
            1,
        ),
    };
    let mut args = vec![by_time];
    args.extend(weights.iter().map(|name| c.id(name)));
    if c.has("~|initial_state_0") {
        args.extend((0..states).map(|i| c.id(&format!("~|initial_state_{i}"))));
    }
    let out = c.push(Op::Rnn(Rnn { cell }), &args);
    c.push(Op::Transpose(Transpose { axes: vec![1, 0, 2] }), &[out])
}

#[test]
fn language_models_of_learned_optimization() {
    for core in ["vanilla", "gru", "lstm"] {
        let mut c = Case::new(&format!("lo_rnn_lm_{core}"));
        let (tokens, target) = (c.id("obs"), c.id("target"));
        let h = states(&mut c, tokens, core);
        let logits = c.linear("linear", h, None);
        let losses = c.push(Op::SoftmaxXent(SoftmaxXent {}), &[logits, target]);
        // Positions whose token is 0 do not count.
        let obs = c.case.batch("obs").clone();
        let mask: Vec<f64> = obs.data.iter().map(|&x| if x == 0.0 { 0.0 } else { 1.0 }).collect();
        let count: f64 = mask.iter().sum();
        let mask = c.b.constant(&obs.shape, mask);
        let counted = c.b.zip(Pairing::Mul, losses, mask);
        let sum = c.b.reduce(Fold::Sum, counted, None);
        let loss = c.b.affine(sum, 1.0 / count, 0.0);
        c.check(loss);
    }
}

#[test]
fn language_models_of_taskset() {
    for core in ["vrnn_tanh", "gru", "lstm"] {
        let mut c = Case::new(&format!("ts_lm_{core}"));
        let tokens = c.id("text");
        let [_, time] = *c.shape("text") else { panic!("text") };
        let h = states(&mut c, tokens, core);
        let h = c.push(Op::Slice(Slice { axis: 1, start: 0, len: time - 1 }), &[h]);
        let logits = c.linear("linear", h, None);
        let target = c.push(Op::Slice(Slice { axis: 1, start: 1, len: time - 1 }), &[tokens]);
        let losses = c.push(Op::SoftmaxXent(SoftmaxXent {}), &[logits, target]);
        let loss = c.b.reduce(Fold::Mean, losses, None);
        c.check(loss);
    }
}

#[test]
fn classifiers_of_text() {
    for (name, core) in [("ts_cls_gru_last", "gru"), ("ts_cls_lstm_max", "lstm")] {
        let mut c = Case::new(name);
        let tokens = c.id("text");
        let [batch, time] = *c.shape("text") else { panic!("text") };
        let h = states(&mut c, tokens, core);
        let pooled = if name.ends_with("max") {
            c.b.reduce(Fold::Max, h, Some(&[1]))
        } else {
            let last = c.push(Op::Slice(Slice { axis: 1, start: time - 1, len: 1 }), &[h]);
            c.b.reshape(last, &[batch, 5])
        };
        let logits = c.linear("linear", pooled, None);
        let labels = c.id("label");
        let loss = c.b.classification(logits, labels);
        c.check(loss);
    }
}
