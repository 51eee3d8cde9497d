//! Steps in which some tensors have no gradient, gathered gradients that are flushed, and factors of single steps: what every
//! optimizer of the registry promises.
#![allow(clippy::unwrap_used, missing_docs)]

mod zoo;

use outerloop_core::apply::{Applied, ApplyOptions, NonFinite, Report};
use outerloop_core::optim::{Scale, Theta};
use outerloop_core::params::TensorSpec;
use outerloop_core::rng::{Key, Purpose};
use outerloop_core::simd::Cpu;
use outerloop_core::zoo::{OptimizerConfig, build_optimizer};
use zoo::OPTIMIZERS;

/// Names as the patterns of the registry's optimizers have them; lengths that fill groups of lanes and that do not.
const TENSORS: [(&str, &[usize]); 6] = [
    ("0/b", &[10]),
    ("0/w", &[16, 10]),
    ("1/b", &[16]),
    ("1/w", &[5, 5]),
    ("2/s", &[]),
    ("2/w", &[3, 3, 2, 16]),
];
const PRESENT: [usize; 3] = [0, 1, 3];

struct Model {
    applied: Applied,
    /// Of [`TENSORS`].
    indices: Vec<usize>,
    params: Vec<Vec<f32>>,
}

fn normal(key: Key, len: usize) -> Vec<f32> {
    let mut out = vec![0.0; len];
    key.fill_normal(&mut out);
    out
}

fn grad(i: usize, t: u64) -> Vec<f32> {
    let len = TENSORS[i].1.iter().product();
    normal(Key::new(9, Purpose::Unroll).fold(t).fold(i as u64), len).iter().map(|x| 0.1 * x).collect()
}

impl Model {
    fn new(json: &str, indices: &[usize]) -> Self {
        let config = OptimizerConfig::from_json(json).unwrap();
        let optimizer = build_optimizer(&config).unwrap();
        let theta = optimizer.theta_spec().init(Key::new(1, Purpose::ThetaInit));
        let specs: Vec<_> = indices.iter().map(|&i| TensorSpec::new(TENSORS[i].0, TENSORS[i].1)).collect();
        let key = |i| Key::new(7, Purpose::Unroll).fold(i as u64);
        let params: Vec<_> = indices.iter().zip(&specs).map(|(&i, s)| normal(key(i), s.len())).collect();
        let cpu = Cpu::detect().unwrap();
        let options = ApplyOptions { num_steps: Some(40), non_finite: NonFinite::Throw, threads: 1, cpu };
        let slices: Vec<&[f32]> = params.iter().map(Vec::as_slice).collect();
        let applied = Applied::new(optimizer, Theta::from(&theta[..]), specs, &slices, options).unwrap();
        Self { applied, indices: indices.to_vec(), params }
    }

    fn whole(json: &str) -> Self {
        Self::new(json, &[0, 1, 2, 3, 4, 5])
    }

    /// Step t; tensors that `has` refuses have no gradient.
    fn step(&mut self, t: u64, has: impl Fn(usize) -> bool, factor: f32) -> Report {
        let grads: Vec<_> = self.indices.iter().map(|&i| has(i).then(|| grad(i, t))).collect();
        let grads: Vec<_> = grads.iter().map(Option::as_deref).collect();
        let mut params: Vec<&mut [f32]> = self.params.iter_mut().map(Vec::as_mut_slice).collect();
        let loss = 2.0 / (1.0 + 0.1 * t as f32);
        let valid = t.is_multiple_of(10).then_some(1.1 * loss);
        self.applied.step_some(&mut params, &grads, [Some(loss), valid], factor).unwrap()
    }

    fn flush(&mut self, leaves_alone: bool) -> bool {
        let mut params: Vec<&mut [f32]> = self.params.iter_mut().map(Vec::as_mut_slice).collect();
        let report = match leaves_alone {
            true => self.applied.flush_some(&mut params, 1.0),
            false => self.applied.flush(&mut params, Scale::ONE),
        };
        report.unwrap().is_applied
    }

    fn bits(&self, i: usize) -> Vec<u32> {
        let at = self.indices.iter().position(|&k| k == i).unwrap();
        self.params[at].iter().map(|x| x.to_bits()).collect()
    }

    fn all_bits(&self) -> Vec<u32> {
        self.indices.iter().flat_map(|&i| self.bits(i)).collect()
    }

    fn state_bits(&self) -> Vec<u32> {
        self.applied.state().data.iter().map(|x| x.to_bits()).collect()
    }
}

fn is_present(i: usize) -> bool {
    PRESENT.contains(&i)
}

/// Tensors that never have a gradient might as well not be there, whatever looks at all tensors at once.
#[test]
fn tensors_without_gradients_are_as_if_they_were_not_there() {
    for &(json, _) in OPTIMIZERS {
        let (mut whole, mut part) = (Model::whole(json), Model::new(json, &PRESENT));
        let before = whole.all_bits();
        for t in 0..12 {
            assert!(whole.step(t, is_present, 1.0).is_applied, "{json}");
            part.step(t, |_| true, 1.0);
            for i in PRESENT {
                assert!(whole.bits(i) == part.bits(i), "{json} step {t} {}", TENSORS[i].0);
            }
        }
        assert_eq!(whole.applied.state().iteration, part.applied.state().iteration, "{json}");
        assert_ne!(whole.all_bits(), before, "{json}");
        let fresh = Model::whole(json);
        for i in (0..TENSORS.len()).filter(|&i| !is_present(i)) {
            assert!(whole.bits(i) == fresh.bits(i), "{json} {}", TENSORS[i].0);
        }
    }
}

/// Between steps of all tensors, one of some leaves the others' parameters and state as they were. One of none is no step.
#[test]
fn what_is_left_alone_keeps_its_state() {
    for &(json, _) in OPTIMIZERS {
        // A window of accumulated gradients uses what was gathered before.
        if json.contains("accumulate") {
            continue;
        }
        let run = |idles: bool| {
            let mut model = Model::whole(json);
            for t in 0..3 {
                model.step(t, |_| true, 1.0);
            }
            model.step(3, |i| i == 4, 1.0);
            if idles {
                assert!(!model.step(4, |_| false, 1.0).is_applied, "{json}");
            }
            let (before, state) = (model.params.clone(), model.state_bits());
            model.step(4, is_present, 1.0);
            for i in (0..TENSORS.len()).filter(|&i| !is_present(i)) {
                assert!(model.params[i] == before[i], "{json} {}", TENSORS[i].0);
            }
            let layout = model.applied.state_layout();
            for (k, spec) in layout.iter().flat_map(|l| l.specs().iter().enumerate()) {
                let range = layout.as_ref().unwrap().range(k);
                let now = &model.state_bits()[range.clone()];
                let of = |i: usize| {
                    let name = format!("/{}", TENSORS[i].0);
                    spec.name.ends_with(&name) || spec.name.contains(&format!("{name}/"))
                };
                let owner = (0..TENSORS.len()).find(|&i| of(i));
                if owner.is_some_and(|i| !is_present(i)) {
                    assert!(now == &state[range], "{json} {}", spec.name);
                } else if spec.len() == model.applied.layout().padded_len() {
                    for i in (0..TENSORS.len()).filter(|&i| !is_present(i)) {
                        let own = model.applied.layout().range(i);
                        let was = &state[range.start + own.start..range.start + own.end];
                        assert!(&now[own] == was, "{json} {} {}", spec.name, TENSORS[i].0);
                    }
                }
            }
            for t in 5..8 {
                model.step(t, |_| true, 1.0);
            }
            (model.all_bits(), model.state_bits())
        };
        assert!(run(false) == run(true), "{json}");
    }
}

/// With one tensor's gradient missing in some calls of a window, it counts as zero there.
#[test]
fn a_missing_gradient_is_zero_in_a_window_that_has_another() {
    let json = r#"{"name":"accumulate","steps":2,"inner":{"name":"sgd","lr":1}}"#;
    let mut model = Model::whole(json);
    let start = model.params.clone();
    let moved = |model: &Model, i: usize| model.params[i][0] - start[i][0];
    // Tensor 3 in the first call only, 5 in the second only, 4 in none.
    model.step(0, |i| i != 4 && i != 5, 1.0);
    model.step(1, |i| i != 4 && i != 3, 1.0);
    // One rounding of the parameter each, which is below 4.
    let close = |a: f32, b: f32| assert!((a - b).abs() < 1e-6, "{a} {b}");
    close(moved(&model, 0), -(grad(0, 0)[0] + grad(0, 1)[0]) / 2.0);
    close(moved(&model, 3), -grad(3, 0)[0] / 2.0);
    close(moved(&model, 5), -grad(5, 1)[0] / 2.0);
    assert_eq!(model.params[4], start[4]);
    // Nothing of a window is left for the next one.
    let before = model.params.clone();
    model.step(2, |i| i == 0, 1.0);
    model.step(3, |i| i == 0, 1.0);
    assert!(model.params[1..] == before[1..] && model.params[0] != before[0]);
}

/// After k of n calls, a flush is the update of windows of k calls; the next window starts afresh.
#[test]
fn a_flush_ends_a_window_early() {
    let around = [
        "INNER",
        r#"{"name":"clip_gradients","by":"globalNorm","max":0.5,"inner":INNER}"#,
        r#"{"name":"schedule","factor":{"kind":"exponential","rate":0.9},"inner":{"name":"scaled","factor":0.5,"inner":INNER}}"#,
        r#"{"name":"weight_decay","weightDecay":0.1,"kind":"l2","inner":INNER}"#,
        r#"{"name":"sum","first":INNER,"second":INNER}"#,
        r#"{"name":"graft","magnitude":INNER,"direction":INNER}"#,
    ];
    let inner = [
        r#"{"name":"adam","lr":0.01}"#,
        r#"{"name":"celo2"}"#,
        r#"{"name":"hierarchical","variant":"library"}"#,
    ];
    for (around, inner) in around.into_iter().flat_map(|a| inner.map(|i| (a, i))) {
        let json = |steps: u64| {
            let accumulate = format!(r#"{{"name":"accumulate","steps":{steps},"inner":{inner}}}"#);
            around.replace("INNER", &accumulate)
        };
        for k in [1, 3] {
            let mut early = Model::whole(&json(5));
            assert!(!early.flush(false), "{around}: nothing gathered yet");
            let mut short = Model::whole(&json(k));
            for t in 0..k {
                early.step(t + 1, |_| true, 1.0);
                short.step(t + 1, |_| true, 1.0);
            }
            let unmoved = Model::whole(&json(5)).all_bits();
            assert!(early.all_bits() == unmoved, "{around}");
            assert!(early.flush(false), "{around} {inner}");
            assert!(
                early.all_bits() == short.all_bits() && early.all_bits() != unmoved,
                "{around} {inner} {k}"
            );
            assert!(!early.flush(false), "{around} {inner}");
            let flushed = early.all_bits();
            for t in 0..4 {
                early.step(10 + t, |_| true, 1.0);
                assert!(early.all_bits() == flushed, "{around} {inner}");
            }
            early.step(14, |_| true, 1.0);
            assert!(early.all_bits() != flushed, "{around} {inner}");
        }
    }
}

#[test]
fn what_gathers_nothing_has_nothing_to_flush() {
    for &(json, _) in OPTIMIZERS {
        let mut model = Model::whole(json);
        model.step(1, |_| true, 1.0);
        let (params, state) = (model.all_bits(), model.state_bits());
        let gathers = json.contains("accumulate");
        assert_eq!(model.flush(false), gathers, "{json}");
        assert!(gathers || (model.all_bits() == params && model.state_bits() == state), "{json}");
    }
}

#[test]
fn a_flush_of_some_leaves_the_others_alone() {
    let mut model = Model::whole(r#"{"name":"accumulate","steps":4,"inner":{"name":"adam","lr":0.01}}"#);
    assert!(!model.flush(true));
    model.step(1, is_present, 1.0);
    let before = model.params.clone();
    assert!(model.flush(true));
    for i in 0..TENSORS.len() {
        assert_eq!(model.params[i] != before[i], is_present(i), "{}", TENSORS[i].0);
    }
    assert_eq!(model.applied.state().iteration, 4);
    assert!(!model.flush(true));
}

/// The factor of a step multiplies what it adds to the parameters and changes nothing that is remembered.
#[test]
fn a_factor_scales_one_step_and_no_state() {
    for &(json, _) in OPTIMIZERS {
        let run = |factor: f32| {
            let mut model = Model::whole(json);
            // The second call of a window of accumulated gradients is the first that moves.
            let t = u64::from(json.contains("accumulate"));
            for t in 0..t {
                model.step(t, |_| true, 1.0);
            }
            let before = model.params.clone();
            model.step(t, |_| true, factor);
            (before, model)
        };
        let (before, one) = run(1.0);
        let (_, none) = run(0.0);
        let (_, half) = run(0.5);
        assert!(none.params == before, "{json}");
        assert!(none.state_bits() == one.state_bits() && half.state_bits() == one.state_bits(), "{json}");
        for (i, p) in before.iter().enumerate() {
            for (k, x) in p.iter().enumerate() {
                let [a, b] = [&one, &half].map(|m| f64::from(m.params[i][k]) - f64::from(*x));
                // Each parameter is rounded a few times, to 2⁻²⁴ of itself; steps have roundings of their own.
                assert!(
                    (b - 0.5 * a).abs() <= 4e-7 * f64::from(x.abs()) + 1e-5 * a.abs(),
                    "{json} {i} {k}: {a} {b}"
                );
            }
        }
    }
}
