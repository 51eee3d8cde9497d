//! The fast optimizers against the published code's numbers (test/fixtures/golden).
#![allow(clippy::unwrap_used, missing_docs)]

mod golden;
mod twin;

use golden::OptCase;
use golden::configs::{HAND_DESIGNED, LEARNED, Published, RULE_MADE};
use outerloop_core::simd::Cpu;
use outerloop_core::zoo::{OptimizerConfig, build_optimizer};
use std::collections::BTreeMap;
use twin::{Fast, config};

fn all() -> impl Iterator<Item = &'static Published> {
    HAND_DESIGNED.iter().chain(LEARNED)
}

fn run(published: &Published, mut see: impl FnMut(usize, &OptCase, &OptimizerConfig, &Fast)) {
    let (inputs, case) = (golden::inputs(), golden::optimizer(published.name));
    let config = config(&published.config_of(&case));
    let (theta, cpu) = (case.theta_flat(), Cpu::detect().unwrap());
    let mut fast = Fast::of_steps(&config, &theta, &inputs.leaves, &inputs.params, cpu, inputs.num_steps);
    for (t, grads) in inputs.grads.iter().enumerate() {
        fast.step(grads, inputs.losses[t], case.validation_calls.get(&t).copied());
        see(t + 1, &case, &config, &fast);
    }
}

/// Theta files are interchangeable: same leaves, same order, same shapes.
#[test]
fn theta_leaves_are_the_published_ones() {
    for published in LEARNED {
        let case = golden::optimizer(published.name);
        let optimizer = build_optimizer(&config(&published.config_of(&case))).unwrap();
        let ours: Vec<_> = optimizer
            .theta_spec()
            .leaves
            .iter()
            .map(|(leaf, _)| (leaf.name.clone(), leaf.shape.clone()))
            .collect();
        let published: Vec<_> =
            case.theta.iter().map(|leaf| (leaf.name.replace('|', "/"), leaf.shape.clone())).collect();
        assert_eq!(ours, published);
    }
}

/// Free-running over 20 steps. Tolerance: [`OptCase::tolerance`], 1e-5 relative plus the published f32 code's own
/// sensitivity to rounding.
#[test]
fn parameters_follow_the_f32_runs() {
    for published in all() {
        let (name, mut worst) = (published.name, (0f64, 0f64));
        run(published, |steps, case, _, fast| {
            assert!(fast.gaps_are_zero(), "{name} {steps}");
            for (p, expected) in
                fast.tensors().iter().zip(case.params_after.get(&steps).into_iter().flatten())
            {
                for (&got, &expected) in p.data.iter().zip(expected) {
                    let expected = f64::from(expected);
                    let (error, tolerance) = ((got - expected).abs(), case.tolerance(steps, expected));
                    assert!(error <= tolerance, "{name} {steps} {}: {got} {expected}", p.name);
                    worst = (worst.0.max(error), worst.1.max(error / tolerance));
                }
            }
        });
        println!("{name}: largest deviation {:.1e}, {:.2} of the tolerance", worst.0, worst.1);
    }
}

/// Every state tensor that a formula reads, after 1 and 20 steps: 5e-6 relative plus 1e-6 of the tensor's largest
/// element (two f32 programs, each rounding every step; running means of both signs cancel, and keep the rounding of
/// what cancelled).
#[test]
fn states_follow_the_f32_runs() {
    for published in all() {
        let (name, mut worst) = (published.name, 0f64);
        run(published, |steps, case, config, fast| {
            let Some(leaves) = case.state_after.get(&steps) else { return };
            let state: BTreeMap<String, Vec<f64>> =
                fast.twin_state(config).into_iter().map(|t| (t.name, t.data)).collect();
            for leaf in leaves {
                if !golden::is_kept(name, leaf) || leaf.is_unused_by(name) {
                    continue;
                }
                let got = &state[leaf.short_name()];
                assert_eq!(got.len(), leaf.data.len(), "{name} {}", leaf.name);
                let largest = leaf.data.iter().fold(0f64, |m, &x| m.max(f64::from(x).abs()));
                for (&got, &expected) in got.iter().zip(&leaf.data) {
                    let expected = f64::from(expected);
                    let tolerance = 5e-6 * expected.abs() + 1e-6 * largest;
                    let error = (got - expected).abs();
                    assert!(
                        error <= tolerance,
                        "{name} {steps} {}: {got} {expected} of {largest}",
                        leaf.name
                    );
                    worst = worst.max(error / tolerance.max(f64::MIN_POSITIVE));
                }
            }
        });
        println!("{name}: largest deviation of the state {worst:.2} of the tolerance");
    }
}

/// The rule-made cases: default sizes, gradients that follow the parameters, enlarged steps. 8 steps amplify rounding:
/// 1e-5 relative and absolute.
#[test]
fn parameters_follow_the_rule_made_cases() {
    for published in RULE_MADE {
        let (name, case) = (published.name, golden::formula(published.name));
        let config = config(&published.config(&case.config));
        let mut fast = Fast::new(&config, &case.theta, &case.leaves, &case.params, Cpu::detect().unwrap());
        let mut worst = 0f64;
        for t in 0..8 {
            let grads: Vec<Vec<f32>> = (0..case.leaves.len())
                .map(|tensor| {
                    let p = &fast.params[fast.layout.range(tensor)];
                    let offset = case.grad_offset(tensor, t);
                    p.iter().zip(offset).map(|(p, o)| o + golden::FormulaCase::PARAM_FACTOR * p).collect()
                })
                .collect();
            fast.step(&grads, case.loss(t), case.validation_calls.get(&t).copied());
            for (p, expected) in
                fast.tensors().iter().zip(case.params_after.get(&(t + 1)).into_iter().flatten())
            {
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
