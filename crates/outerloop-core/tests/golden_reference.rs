//! The f64 twins against the published code's numbers (test/fixtures/golden).
#![allow(clippy::unwrap_used, missing_docs)]

mod golden;
mod twin;

use golden::configs::{HAND_DESIGNED, LEARNED, Published, RULE_MADE};
use golden::{Leaf, OptCase};
use outerloop_core::reference::mlp::{self, Activation, MlpLayer};
use outerloop_core::reference::perturbation::{Boundary, Estimate, TruncationLosses, pes, truncated_es};
use outerloop_core::reference::quadratic::{self, QuadraticOutput};
use outerloop_core::reference::{Constants, ReferenceOptimizer, Tensor, set_state};
use std::collections::BTreeMap;
use twin::{config, set_num_steps, tensors, twin_of};

fn all() -> impl Iterator<Item = &'static Published> {
    HAND_DESIGNED.iter().chain(LEARNED)
}

fn is_learned(published: &Published) -> bool {
    LEARNED.iter().any(|other| other.name == published.name)
}

/// Runs 20 steps and shows the parameters and the optimizer after each.
fn run(
    published: &Published,
    constants: Constants,
    mut see: impl FnMut(usize, &OptCase, &[Tensor], &dyn ReferenceOptimizer),
) {
    let (inputs, case) = (golden::inputs(), golden::optimizer(published.name));
    let config = config(&published.config_of(&case));
    let mut optimizer = twin_of(&config, &case.theta_flat(), &inputs.leaves, constants);
    set_num_steps(optimizer.as_mut(), inputs.num_steps);
    let mut params = tensors(&inputs.leaves, &inputs.params);
    for (t, grads) in inputs.grads.iter().enumerate() {
        let valid = case.validation_calls.get(&t).map(|&x| f64::from(x));
        optimizer.step(&mut params, &tensors(&inputs.leaves, grads), f64::from(inputs.losses[t]), valid);
        see(t + 1, &case, &params, optimizer.as_ref());
    }
}

/// Tolerance: [`OptCase::tolerance`], 1e-5 relative plus the published f32 code's own sensitivity to rounding.
#[test]
fn parameters_follow_the_f32_runs() {
    for published in all() {
        let (name, mut worst) = (published.name, 0f64);
        run(published, Constants::Rounded, |steps, case, params, _| {
            for (p, expected) in params.iter().zip(case.params_after.get(&steps).into_iter().flatten()) {
                for (&got, &expected) in p.data.iter().zip(expected) {
                    let expected = f64::from(expected);
                    let error = (got - expected).abs();
                    assert!(
                        error <= case.tolerance(steps, expected),
                        "{name} {steps} {}: {got} {expected}",
                        p.name
                    );
                    worst = worst.max(error);
                }
            }
        });
        println!("{name}: largest deviation from the f32 run {worst:.1e}");
    }
}

/// With exact constants the twin repeats the library's f64 run. The hand-designed optimizers are f64 throughout there, and
/// so are those that only learn their constants: 1e-12. The other learned ones keep f32 islands there (time embeddings,
/// rounded literals): 1e-6.
#[test]
fn parameters_follow_the_f64_runs() {
    for published in all() {
        let (name, mut worst) = (published.name, 0f64);
        let has_islands = is_learned(published) && !name.starts_with("learnable") && name != "nn_adam";
        let tolerance = if has_islands { 1e-6 } else { 1e-12 };
        run(published, Constants::Exact, |steps, case, params, _| {
            for (p, expected) in params.iter().zip(case.params_after_x64.get(&steps).into_iter().flatten()) {
                for (&got, &expected) in p.data.iter().zip(expected) {
                    let error = (got - expected).abs();
                    assert!(
                        error <= tolerance * expected.abs().max(1.0),
                        "{name} {steps} {}: {got} {expected}",
                        p.name
                    );
                    worst = worst.max(error);
                }
            }
        });
        println!("{name}: largest deviation from the f64 run {worst:.1e}");
    }
}

/// Every state tensor that a formula reads, against the f32 run: 2e-6 relative plus 5e-7 of the tensor's largest
/// element (running means of both signs cancel, and keep the rounding of what cancelled).
#[test]
fn states_follow_the_f32_runs() {
    for published in all() {
        let (name, mut worst) = (published.name, 0f64);
        run(published, Constants::Rounded, |steps, case, _, optimizer| {
            let state: BTreeMap<&str, &Tensor> =
                optimizer.state().into_iter().map(|t| (&t.name[..], t)).collect();
            let expected =
                case.state_after.get(&steps).into_iter().flatten().filter(|leaf| is_read(name, leaf));
            for leaf in expected {
                let got = state[leaf.short_name()];
                assert_eq!(got.shape, leaf.shape, "{name} {}", leaf.name);
                let largest = leaf.data.iter().fold(0f64, |m, &x| m.max(f64::from(x).abs()));
                for (&got, &expected) in got.data.iter().zip(&leaf.data) {
                    let expected = f64::from(expected);
                    let error = (got - expected).abs();
                    let tolerance = 2e-6 * expected.abs() + 5e-7 * largest;
                    assert!(
                        error <= tolerance,
                        "{name} {steps} {}: {got} {expected} of {largest}",
                        leaf.name
                    );
                    worst = worst.max(error / tolerance);
                }
            }
        });
        println!("{name}: largest deviation of the state {worst:.2} of the tolerance");
    }
}

/// Whether a published state tensor exists here: the wrapper's second iteration counter does not everywhere.
fn is_read(optimizer: &str, leaf: &Leaf) -> bool {
    let has_no_time = matches!(optimizer, "sgd" | "sgdm" | "nesterov" | "learnable_sgd" | "learnable_sgdm")
        && leaf.name == "iteration";
    golden::is_kept(optimizer, leaf) && !leaf.is_unused_by(optimizer) && !has_no_time
}

/// One step from the published f32 state: 1e-7 absolute (a rounding of a parameter near 1) and 1e-6 relative.
#[test]
fn one_step_from_a_copied_state_follows_the_f32_run() {
    for published in all() {
        let name = published.name;
        let (inputs, case) = (golden::inputs(), golden::optimizer(name));
        let config = config(&published.config_of(&case));
        let mut optimizer = twin_of(&config, &case.theta_flat(), &inputs.leaves, Constants::Rounded);
        let widen = |leaf: &Leaf| {
            let data = leaf.data.iter().map(|&x| f64::from(x)).collect();
            Tensor::new(leaf.short_name(), leaf.shape.clone(), data)
        };
        let state: Vec<Tensor> = case.state_after[&1].iter().map(widen).collect();
        set_state(optimizer.as_mut(), &state).unwrap();
        let mut params = tensors(&inputs.leaves, &case.params_after[&1]);
        optimizer.step(
            &mut params,
            &tensors(&inputs.leaves, &inputs.grads[1]),
            f64::from(inputs.losses[1]),
            None,
        );
        let expected = case.params_after[&2].iter().flatten().map(|&x| f64::from(x));
        let mut worst = 0f64;
        for (got, expected) in params.iter().flat_map(|p| &p.data).zip(expected) {
            assert!((got - expected).abs() <= 1e-7 + 1e-6 * expected.abs(), "{name}: {got} {expected}");
            worst = worst.max((got - expected).abs());
        }
        println!("{name}: largest deviation of one step {worst:.1e}");
    }
}

/// The rule-made cases: default sizes of the hierarchical optimizer, gradients that follow the parameters. Steps are
/// enlarged, so that 8 of them amplify rounding: 1e-5 relative and absolute.
#[test]
fn parameters_follow_the_rule_made_cases() {
    for published in RULE_MADE {
        let (name, case) = (published.name, golden::formula(published.name));
        let config = config(&published.config(&case.config));
        let mut optimizer = twin_of(&config, &case.theta, &case.leaves, Constants::Rounded);
        let mut params = tensors(&case.leaves, &case.params);
        let mut worst = 0f64;
        for t in 0..8 {
            let mut grads = params.clone();
            for (tensor, g) in grads.iter_mut().enumerate() {
                for (g, offset) in g.data.iter_mut().zip(case.grad_offset(tensor, t)) {
                    *g = f64::from(offset) + f64::from(golden::FormulaCase::PARAM_FACTOR) * *g;
                }
            }
            let valid = case.validation_calls.get(&t).map(|&x| f64::from(x));
            optimizer.step(&mut params, &grads, f64::from(case.loss(t)), valid);
            for (p, expected) in params.iter().zip(case.params_after.get(&(t + 1)).into_iter().flatten()) {
                for (&got, &expected) in p.data.iter().zip(expected) {
                    let error = (got - f64::from(expected)).abs();
                    assert!(
                        error <= 1e-5 * (1.0 + got.abs()),
                        "{name} {} {}: {got} {expected}",
                        t + 1,
                        p.name
                    );
                    worst = worst.max(error);
                }
            }
        }
        println!("{name} by rule: largest deviation {worst:.1e}");
    }
}

/// JAX in f64 on the same f32 inputs: 1e-13 relative to the largest entry leaves a few hundred roundings.
#[test]
fn task_losses_and_gradients_follow_the_f64_runs() {
    for name in ["mlp_relu_3hidden", "mlp_tanh", "mlp_leaky_relu4", "mlp_swish", "mlp_cos"] {
        let case = golden::task(name);
        let widen = |leaf: &Leaf| leaf.data.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let layer = |pair: &[Leaf]| MlpLayer { b: widen(&pair[0]), w: widen(&pair[1]) };
        let layers: Vec<MlpLayer> = case.params.chunks(2).map(layer).collect();
        let is_centred = case.config["center_data"].as_bool().unwrap();
        let pixels = widen(case.batch("image"))
            .iter()
            .map(|x| if is_centred { 2.0 * x - 1.0 } else { *x })
            .collect::<Vec<_>>();
        let labels: Vec<usize> = case.batch("label").data.iter().map(|&l| l as usize).collect();
        let activation = Activation::from_name(case.config["activation"].as_str().unwrap()).unwrap();
        let (loss, grads) = mlp::loss_and_grad(&layers, activation, &pixels, &labels);
        let grads: Vec<Vec<f64>> = grads.into_iter().flat_map(|g| [g.b, g.w]).collect();
        assert_close(name, loss, &grads, case.loss_x64, &case.grads_x64);
    }
    for name in ["quadratic_identity", "quadratic_log"] {
        let case = golden::task(name);
        let (a, e) = (&case.batch("A").data, &case.batch("E").data);
        let matrix: Vec<f64> = a.iter().zip(e).map(|(&a, &e)| f64::from(a) + f64::from(e)).collect();
        let x: Vec<f64> = case.params[0].data.iter().map(|&x| f64::from(x)).collect();
        let output = if name == "quadratic_log" { QuadraticOutput::Log } else { QuadraticOutput::Identity };
        let scale = case.config["loss_scale"].as_f64().unwrap();
        let (loss, grad) = quadratic::loss_and_grad(&matrix, &x, output, scale);
        assert_close(name, loss, &[grad], case.loss_x64, &case.grads_x64);
    }
}

fn assert_close(name: &str, loss: f64, grads: &[Vec<f64>], expected_loss: f64, expected: &[Vec<f64>]) {
    let largest = expected.iter().flatten().fold(0f64, |m, x| m.max(x.abs()));
    let error =
        grads.iter().flatten().zip(expected.iter().flatten()).fold(0f64, |m, (a, b)| m.max((a - b).abs()));
    assert_eq!(
        grads.iter().map(Vec::len).collect::<Vec<_>>(),
        expected.iter().map(Vec::len).collect::<Vec<_>>()
    );
    let loss_error = (loss - expected_loss).abs();
    println!("{name}: loss off by {loss_error:.1e}, gradient by {error:.1e} of {largest:.1}");
    assert!(loss_error <= 1e-13 * expected_loss.abs(), "{name}: {loss} {expected_loss}");
    assert!(error <= 1e-13 * largest, "{name}: {error}");
}

/// The published sums in f32: the mean of losses near 1.5 carries two roundings of 1.2e-7, which a weight of
/// |perturbation|/(2·std²) enlarges; to that 1e-6 of the largest entry for the rest of the sum.
#[test]
fn estimator_sums_follow_the_published_ones() {
    let mut worst = 0f64;
    for case in golden::estimators() {
        let widen = |rows: Vec<Vec<f32>>| -> Vec<Vec<f64>> {
            rows.into_iter().map(|r| r.into_iter().map(f64::from).collect()).collect()
        };
        let inputs = case.inputs;
        let losses = TruncationLosses {
            pos: widen(inputs.loss_pos.rows()),
            neg: widen(inputs.loss_neg.rows()),
            mask: inputs.mask.rows(),
            is_done: inputs.is_done.rows(),
        };
        let eps = widen(inputs.eps.rows());
        for (name, expected) in case.outputs {
            let mut accumulator = widen(inputs.acc_in.rows());
            let sign_mult = name.split_once("sign_").and_then(|(_, k)| k.parse().ok());
            let Estimate { mean_loss, grad, num_non_finite } = if name.starts_with("tes") {
                truncated_es(&losses, &eps, inputs.sigma, sign_mult)
            } else {
                let is_published = name != "pes_exclusive_fix";
                let boundary = if is_published { Boundary::CompatInclusive } else { Boundary::Exclusive };
                pes(&losses, &eps, &mut accumulator, inputs.sigma, sign_mult, boundary)
            };
            assert_eq!(num_non_finite, 0);
            let largest = expected.grad.iter().fold(0f64, |m, x| m.max(x.abs()));
            let largest_weight = eps.iter().chain(&accumulator).flatten().fold(0f64, |m, x| m.max(x.abs()));
            let tolerance = 2.4e-7 * largest_weight / (2.0 * inputs.sigma * inputs.sigma) + 1e-6 * largest;
            for (got, expected) in grad.iter().zip(&expected.grad) {
                assert!((got - expected).abs() <= tolerance, "{name}: {got} {expected}");
                worst = worst.max((got - expected).abs() / largest);
            }
            if let Some(expected) = expected.mean_loss {
                assert!(
                    (mean_loss - f64::from(expected)).abs() <= 1e-6 * mean_loss,
                    "{name}: {mean_loss} {expected}"
                );
            }
            // One addition in f32.
            for (got, expected) in
                accumulator.iter().zip(expected.acc_out.iter().flat_map(|a| widen(a.rows())))
            {
                for (got, expected) in got.iter().zip(expected) {
                    assert!((got - expected).abs() <= 1e-8, "{name}: {got} {expected}");
                }
            }
        }
    }
    println!("estimators: largest deviation {worst:.1e} of the largest entry");
}
