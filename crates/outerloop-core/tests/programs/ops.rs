//! Operations that no published task has, against sums written out; and what operations refuse.

use candle_core::{Device, Tensor};
use outerloop_core::program::ops::{
    Attention, Conv2d, Conv2dTranspose, Fold, Function, Op, Padding, Pairing, Pool, PoolKind,
};
use outerloop_core::program::{Builder, Dtype, Id, Program};
use outerloop_core::rng::{Key, Purpose};

/// Standard normals, row-major, widened.
fn normal(stream: u64, shape: &[usize]) -> Vec<f64> {
    let mut out = vec![0f32; shape.iter().product()];
    Key::new(2, Purpose::TaskContent).fold(stream).fill_normal(&mut out);
    out.into_iter().map(f64::from).collect()
}

/// The value of one operation on normals of the given shapes, and those.
fn run(op: Op, shapes: &[&[usize]]) -> (Vec<usize>, Vec<f64>, Vec<Vec<f64>>) {
    let mut b = Builder::new();
    let ids: Vec<Id> =
        shapes.iter().enumerate().map(|(i, shape)| b.input(&format!("x{i}"), Dtype::F32, shape)).collect();
    b.param("w", &[1], None);
    let value = b.push(op, &ids);
    let loss = b.reduce(Fold::Sum, value, None);
    let program = b.finish(loss).unwrap();
    let data: Vec<_> = shapes.iter().enumerate().map(|(i, shape)| normal(i as u64, shape)).collect();
    let tensors = data.iter().zip(shapes).map(|(d, s)| Tensor::from_slice(d, *s, &Device::Cpu).unwrap());
    let unused = Tensor::zeros(1, candle_core::DType::F64, &Device::Cpu).unwrap();
    let values = program.values(&tensors.collect::<Vec<_>>(), &[unused]).unwrap();
    let out = values.get(value);
    assert_eq!(out.dims(), program.type_of(value).shape, "what was inferred is what came");
    (out.dims().to_vec(), out.flatten_all().unwrap().to_vec1().unwrap(), data)
}

fn assert_close(got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len());
    for (i, (g, e)) in got.iter().zip(expected).enumerate() {
        assert!((g - e).abs() <= 1e-12 * e.abs().max(1.0), "{i}: {g}, expected {e}");
    }
}

/// Place `i` of a padded axis in the image, if it is there.
fn inside(i: usize, offset: usize, stride: usize, before: usize, size: usize) -> Option<usize> {
    (i * stride + offset).checked_sub(before).filter(|&at| at < size)
}

/// Zeros before an axis, as TensorFlow documents it.
fn before(padding: Padding, size: usize, window: usize, stride: usize) -> usize {
    match padding {
        Padding::Valid => 0,
        Padding::Same => ((size.div_ceil(stride) - 1) * stride + window).saturating_sub(size) / 2,
    }
}

#[test]
fn convolutions_and_their_transposes() {
    for padding in [Padding::Same, Padding::Valid] {
        for stride in [1, 2, 3] {
            for [height, width, rows, cols] in [[7, 6, 3, 3], [5, 8, 2, 4], [4, 4, 1, 1]] {
                let (x_shape, w_shape) = ([2, height, width, 3], [rows, cols, 3, 2]);
                let conv = Op::Conv2d(Conv2d { stride, padding, activation: None });
                let (shape, got, data) = run(conv, &[&x_shape, &w_shape]);
                let mut expected = vec![0.0; got.len()];
                // The transpose of the same sums: x' gets what y' has, through the same weights.
                let transpose = Op::Conv2dTranspose(Conv2dTranspose { stride, padding, activation: None });
                let (t_shape, t_got, t_data) = run(transpose, &[&shape, &w_shape]);
                let mut t_expected = vec![0.0; t_got.len()];
                let [top, left] = [(height, rows), (width, cols)].map(|(n, k)| before(padding, n, k, stride));
                let [t_top, t_left] =
                    [(t_shape[1], rows), (t_shape[2], cols)].map(|(n, k)| before(padding, n, k, stride));
                for b in 0..2 {
                    for (i, j) in (0..shape[1]).flat_map(|i| (0..shape[2]).map(move |j| (i, j))) {
                        for (r, s) in (0..rows).flat_map(|r| (0..cols).map(move |s| (r, s))) {
                            for (c, o) in (0..3).flat_map(|c| (0..2).map(move |o| (c, o))) {
                                let w = ((r * cols + s) * 3 + c) * 2 + o;
                                let out = ((b * shape[1] + i) * shape[2] + j) * 2 + o;
                                let at = |i: Option<usize>, j: Option<usize>, h: usize, w: usize| {
                                    Some(((b * h + i?) * w + j?) * 3 + c)
                                };
                                let (y, x) =
                                    (inside(i, r, stride, top, height), inside(j, s, stride, left, width));
                                if let Some(from) = at(y, x, height, width) {
                                    expected[out] += data[0][from] * data[1][w];
                                }
                                let (y, x) = (
                                    inside(i, r, stride, t_top, t_shape[1]),
                                    inside(j, s, stride, t_left, t_shape[2]),
                                );
                                if let Some(to) = at(y, x, t_shape[1], t_shape[2]) {
                                    t_expected[to] += t_data[0][out] * t_data[1][w];
                                }
                            }
                        }
                    }
                }
                assert_close(&got, &expected);
                assert_close(&t_got, &t_expected);
            }
        }
    }
}

#[test]
fn pooling() {
    for padding in [Padding::Same, Padding::Valid] {
        for (stride, window) in [(1, [2, 2]), (2, [3, 2]), (3, [2, 3])] {
            for kind in [PoolKind::Mean, PoolKind::Max] {
                let op = Op::Pool(Pool { kind, window, stride, padding });
                let (shape, got, data) = run(op, &[&[2, 7, 5, 3]]);
                let [top, left] =
                    [(7, window[0]), (5, window[1])].map(|(n, k)| before(padding, n, k, stride));
                let mut expected = vec![];
                for (b, i) in (0..2).flat_map(|b| (0..shape[1]).map(move |i| (b, i))) {
                    for (j, c) in (0..shape[2]).flat_map(|j| (0..3).map(move |c| (j, c))) {
                        let places = (0..window[0]).flat_map(|r| (0..window[1]).map(move |s| (r, s)));
                        let values: Vec<f64> = places
                            .filter_map(|(r, s)| {
                                let (y, x) = (inside(i, r, stride, top, 7)?, inside(j, s, stride, left, 5)?);
                                Some(data[0][((b * 7 + y) * 5 + x) * 3 + c])
                            })
                            .collect();
                        expected.push(match kind {
                            PoolKind::Mean => values.iter().sum::<f64>() / values.len() as f64,
                            PoolKind::Max => values.iter().fold(f64::NEG_INFINITY, |m, &x| m.max(x)),
                        });
                    }
                }
                assert_close(&got, &expected);
            }
        }
    }
}

#[test]
fn attention() {
    for causal in [false, true] {
        let (heads, [batch, time, features]) = (2, [2, 4, 6]);
        let shape = [batch, time, features];
        let (_, got, data) = run(Op::Attention(Attention { heads, causal }), &[&shape, &shape, &shape]);
        let (d, mut expected) = (features / heads, vec![0.0; got.len()]);
        for (b, h) in (0..batch).flat_map(|b| (0..heads).map(move |h| (b, h))) {
            let at = |x: usize, t: usize, i: usize| data[x][(b * time + t) * features + h * d + i];
            for t in 0..time {
                let keys = if causal { t + 1 } else { time };
                let score =
                    |k: usize| (0..d).map(|i| at(0, t, i) * at(1, k, i)).sum::<f64>() / (d as f64).sqrt();
                let weights: Vec<f64> = (0..keys).map(|k| score(k).exp()).collect();
                for i in 0..d {
                    let sum: f64 = weights.iter().enumerate().map(|(k, w)| w * at(2, k, i)).sum();
                    expected[(b * time + t) * features + h * d + i] = sum / weights.iter().sum::<f64>();
                }
            }
        }
        assert_close(&got, &expected);
    }
}

/// A masked key has no share: as if it were not there.
#[test]
fn masked_keys_are_not_looked_at() {
    let program = |keys: usize, mask: Option<Vec<f64>>| {
        let mut b = Builder::new();
        let [q, k, v] =
            [("q", 3), ("k", keys), ("v", keys)].map(|(name, n)| b.input(name, Dtype::F32, &[1, n, 4]));
        b.param("w", &[1], None);
        let mut args = vec![q, k, v];
        args.extend(mask.map(|mask| b.constant(&[1, keys], mask)));
        let out = b.push(Op::Attention(Attention { heads: 2, causal: false }), &args);
        let loss = b.reduce(Fold::Sum, out, None);
        let tensor = |i: u64, n: usize| {
            Tensor::from_slice(&normal(i, &[1, 5, 4])[..4 * n], (1, n, 4), &Device::Cpu).unwrap()
        };
        let inputs = [tensor(0, 3), tensor(1, keys), tensor(2, keys)];
        let unused = Tensor::zeros(1, candle_core::DType::F64, &Device::Cpu).unwrap();
        let values = b.finish(loss).unwrap().values(&inputs, &[unused]).unwrap();
        values.get(out).flatten_all().unwrap().to_vec1::<f64>().unwrap()
    };
    assert_close(&program(5, Some(vec![1.0, 1.0, 1.0, 0.0, 0.0])), &program(3, None));
}

/// Every function and its derivative, by closed forms: 1e-12 of the value.
#[test]
fn functions() {
    type Closed = fn(f64) -> f64;
    let sigmoid: Closed = |x| 1.0 / (1.0 + (-x).exp());
    let cases: [(Function, Closed); 12] = [
        (Function::Neg, |x| -x),
        (Function::Exp, f64::exp),
        (Function::Tanh, f64::tanh),
        (Function::Sigmoid, sigmoid),
        (Function::Cos, f64::cos),
        (Function::Sin, f64::sin),
        (Function::Abs, f64::abs),
        (Function::Square, |x| x * x),
        (Function::Softplus, f64::ln_1p),
        (Function::Selu, |x| {
            1.050_700_987_355_480_5 * if x > 0.0 { x } else { 1.673_263_242_354_377_2 * x.exp_m1() }
        }),
        (Function::Gelu, |x| {
            0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh())
        }),
        (Function::Elu, |x| if x > 0.0 { x } else { x.exp_m1() }),
    ];
    for (function, closed) in cases {
        for x in [-3.0f64, -0.7, 0.2, 1.5, 40.0] {
            let x = if function == Function::Softplus { x.abs() } else { x };
            let tensor = candle_core::Var::new(x, &Device::Cpu).unwrap();
            let value = function.of(&tensor).unwrap();
            let slope: f64 = value.backward().unwrap().get(&tensor).unwrap().to_scalar().unwrap();
            let expected = if function == Function::Softplus { x.exp().ln_1p() } else { closed(x) };
            let got: f64 = value.to_scalar().unwrap();
            assert!(
                (got - expected).abs() <= 1e-12 * expected.abs().max(1.0),
                "{function:?}({x}): {got}, {expected}"
            );
            let of = |x: f64| if function == Function::Softplus { x.exp().ln_1p() } else { closed(x) };
            // Central difference: rounding 1e-16·f/h and h²·f‴/6.
            let h = 1e-5 * x.abs().max(1.0);
            let difference = (of(x + h) - of(x - h)) / (2.0 * h);
            assert!(
                (slope - difference).abs() <= 1e-6 * difference.abs().max(1.0),
                "{function:?}'({x}): {slope}, {difference}"
            );
        }
    }
}

/// JAX's derivatives where there is no one: 0 for ReLU and |x|, half for equal maxima, 1 through a straight-through clip.
#[test]
fn kinks() {
    let slope = |function: Function, x: f64| -> f64 {
        let x = candle_core::Var::new(x, &Device::Cpu).unwrap();
        function.of(&x).unwrap().backward().unwrap().get(&x).map_or(0.0, |g| g.to_scalar().unwrap())
    };
    assert_eq!(slope(Function::Relu, 0.0), 0.0);
    assert_eq!(slope(Function::Abs, 0.0), 0.0);
    assert_eq!(slope(Function::LeakyRelu { slope: 0.2 }, 0.0), 1.0);
    assert_eq!(slope(Function::Elu, 0.0), 1.0);
    assert_eq!(slope(Function::Clip { min: -1.0, max: 1.0, straight_through: false }, 2.0), 0.0);
    assert_eq!(slope(Function::Clip { min: -1.0, max: 1.0, straight_through: true }, 2.0), 1.0);
    let mut b = Builder::new();
    let x = b.param("x", &[3], None);
    let loss = b.reduce(Fold::Max, x, None);
    let program = b.finish(loss).unwrap();
    let x = candle_core::Var::new(&[1.0, 2.0, 2.0], &Device::Cpu).unwrap();
    let loss = program.graph(&[], &[x.as_tensor().clone()]).unwrap();
    assert_eq!(loss.backward().unwrap().get(&x).unwrap().to_vec1::<f64>().unwrap(), [0.0, 0.5, 0.5]);
}

/// `program, node i (op): …`, with both shapes.
#[test]
fn wrong_shapes_are_refused_by_node() {
    let refused = |build: &dyn Fn(&mut Builder, Id, Id) -> Id| {
        let mut b = Builder::new();
        let (x, w) = (b.input("x", Dtype::F32, &[4, 3]), b.param("w", &[5, 2], None));
        let value = build(&mut b, x, w);
        let loss = b.reduce(Fold::Sum, value, None);
        b.finish(loss).unwrap_err().to_string()
    };
    let message = refused(&|b, x, w| {
        b.push(Op::Dense(outerloop_core::program::ops::Dense { activation: None }), &[x, w])
    });
    let expected = "SHAPE_MISMATCH: program, node 0 (dense): expected as many rows of w as x has features (3), got f32[4, 3] and f32[5, 2]";
    assert_eq!(message, expected);
    let message = refused(&|b, x, w| b.zip(Pairing::Add, x, w));
    assert!(message.contains("node 0 (zip)") && message.contains("f32[4, 3] and f32[5, 2]"), "{message}");
    let message = refused(&|b, x, _| b.reshape(x, &[5, 2]));
    assert!(message.contains("node 0 (reshape)") && message.contains("12 elements"), "{message}");
    let message = refused(&|b, x, _| b.reduce(Fold::Mean, x, Some(&[2])));
    assert!(message.contains("node 0 (reduce)") && message.contains("[2]"), "{message}");
}

#[test]
fn a_program_prints_itself() {
    let mut b = Builder::new();
    let (x, w) = (b.input("x", Dtype::F32, &[4, 3]), b.param("w", &[3, 2], None));
    let y =
        b.push(Op::Dense(outerloop_core::program::ops::Dense { activation: Some(Function::Relu) }), &[x, w]);
    let loss = b.reduce(Fold::Mean, y, None);
    let program: Program = b.finish(loss).unwrap();
    let expected = "\
%0 = input x: f32[4, 3]
%1 = param w: f32[3, 2]
%2 = dense(%0, %1): f32[4, 2], 56 FLOP
%3 = reduce(%2): f32[], 8 FLOP
loss = %3";
    assert_eq!(program.to_string(), expected);
    // 24 multiply-adds forward and twice as many back, and what is done to 8 elements twice.
    assert_eq!(program.cost().flops, 3 * 48 + 2 * 8 + 2 * 8);
}
