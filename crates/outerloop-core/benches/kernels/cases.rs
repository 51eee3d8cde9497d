//! The measured kernels: an MLP 64-32-10 with minibatches of 64, and the optimizers that step it.

use outerloop_core::data::{Examples, ImageSet, Pixels, Split};
use outerloop_core::optim::{Losses, Optimizer, Scale, Step, Tensors, empty_state};
use outerloop_core::params::TensorSpec;
use outerloop_core::reference::mlp::{Activation, MlpLayer, loss_and_grad};
use outerloop_core::reference::{
    Constants, ReferenceOptimizer, Tensor, adafac_mlp, celo2, hierarchical, mlp_lopt,
};
use outerloop_core::rng::{Key, Purpose};
use outerloop_core::simd::{AlignedVec, Cpu, GemmInit, MatMut, MatRef, Workers, gemm};
use outerloop_core::task::{Batch, Datasets, Task, TaskConfig, build_task};
use outerloop_core::zoo::{OptimizerConfig, build_optimizer};
use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;
use std::sync::Arc;

const WIDTHS: [usize; 3] = [64, 32, 10];
const BATCH: usize = 64;

/// One kernel in both forms.
pub struct Case {
    pub name: &'static str,
    /// Multiply-adds of one call.
    pub multiply_adds: u64,
    pub ours: Box<dyn FnMut()>,
    pub reference: Box<dyn FnMut()>,
    /// What the last calls computed.
    results: Rc<RefCell<[Vec<f64>; 2]>>,
    /// Largest deviation allowed, of the largest element.
    tolerance: f64,
}

impl Case {
    /// Calls both forms once on the same input and compares.
    pub fn assert_agrees(&mut self) {
        (self.ours)();
        (self.reference)();
        let results = self.results.borrow();
        let [ours, reference] = &*results;
        assert_eq!(ours.len(), reference.len());
        let largest = reference.iter().fold(0f64, |m, x| m.max(x.abs()));
        let worst = ours.iter().zip(reference).fold(0f64, |m, (a, b)| m.max((a - b).abs()));
        assert!(worst <= self.tolerance * largest, "{}: off by {worst} of {largest}", self.name);
    }
}

/// All cases.
pub fn all(cpu: Cpu) -> Vec<Case> {
    let adafac = OptimizerConfig::from_json(r#"{"name":"adafac_mlp"}"#).expect("valid");
    let library =
        OptimizerConfig::from_json(r#"{"name":"hierarchical","variant":"library"}"#).expect("valid");
    // Multiply-adds of the per-parameter network without what is folded into biases (lopt/adafac_features.rs,
    // lopt/hierarchical_features.rs), and of an LSTM step for each of the four tensors.
    let params: u64 = WIDTHS.windows(2).map(|w| (w[0] * w[1] + w[1]) as u64).sum();
    let (adafac_network, library_network) = (16 * 4 + 4 * 4 + 4 * 2, 23 * 32 + 32 * 32 + 32 * 2);
    let lstms = 4 * (18 + 16 + 18 + 64) * 4 * 64;
    let momenta = OptimizerConfig::from_json(r#"{"name":"mlp_lopt"}"#).expect("valid");
    let base = r#"{"name":"celo2","orthogonalize":false,"adamPattern":null}"#;
    let base = OptimizerConfig::from_json(base).expect("valid");
    let (momenta_network, base_network) = (8 * 32 + 32 * 32 + 32 * 2, 18 * 8 + 8 * 8 + 8);
    vec![
        product(cpu),
        mlp(cpu),
        step(cpu, "mlp_lopt step", &momenta, params * momenta_network),
        step(cpu, "celo2 (base) step", &base, params * base_network),
        step(cpu, "adafac_mlp step", &adafac, params * adafac_network),
        step(cpu, "hierarchical step", &library, params * library_network + lstms),
    ]
}

fn normals(seed: u64, len: usize) -> Vec<f32> {
    let mut out = vec![0.0; len];
    Key::new(seed, Purpose::TaskContent).fill_normal(&mut out);
    out
}

fn widen(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// The product of the first layer, `[32, 64] x [64, 64]`. Tolerance: 64 roundings of 6e-8 each.
fn product(cpu: Cpu) -> Case {
    let [k, m, _] = WIDTHS;
    let (a, b) = (normals(1, k * m), normals(2, k * BATCH));
    let (wide_a, wide_b) = (widen(&a), widen(&b));
    let results = Rc::new(RefCell::new([vec![], vec![0.0; m * BATCH]]));
    let (ours, reference) = (results.clone(), results.clone());
    let mut c = AlignedVec::zeros(m * BATCH);
    Case {
        name: "gemm 32x64x64",
        multiply_adds: (m * BATCH * k) as u64,
        ours: Box::new(move || {
            cpu.run(gemm(
                [m, BATCH, k],
                MatRef { data: black_box(&a), row: 1, col: m },
                MatRef { data: &b, row: BATCH, col: 1 },
                MatMut { data: &mut c, row: BATCH },
                GemmInit::Zero,
            ));
            record(&mut ours.borrow_mut()[0], || widen(&c));
        }),
        reference: Box::new(move || {
            let out = &mut reference.borrow_mut()[1];
            for i in 0..m {
                for j in 0..BATCH {
                    out[i * BATCH + j] = (0..k).map(|q| wide_a[q * m + i] * wide_b[q * BATCH + j]).sum();
                }
            }
            black_box(out);
        }),
        results,
        tolerance: 64.0 * 6e-8,
    }
}

/// Keeps the first result only: later calls must not pay for the copy.
fn record(slot: &mut Vec<f64>, value: impl FnOnce() -> Vec<f64>) {
    if slot.is_empty() {
        *slot = value();
    }
}

fn task() -> Arc<dyn Task> {
    let count = 1000;
    let mut words = vec![0; count * WIDTHS[0]];
    Key::new(3, Purpose::TaskContent).fill_integers(256, &mut words);
    let examples = Examples {
        pixels: Pixels::U8(words.iter().map(|&w| w as u8).collect()),
        labels: (0..count).map(|i| (i % WIDTHS[2]) as u16).collect(),
        height: 8,
        width: 8,
        channels: 1,
    };
    let set = ImageSet::new("random", examples, WIDTHS[2], None).expect("valid data");
    let config = r#"{"family":"mlp","dataset":"random","hidden":[32],"batchSize":64}"#;
    build_task(
        &TaskConfig::from_json(config).expect("valid"),
        &Datasets::new([Arc::new(set)]).expect("one set"),
    )
    .expect("valid")
}

/// Loss and gradient. Multiply-adds: forward and weight gradient of both layers, input gradient of the second.
/// Tolerance: sums of up to 64 terms, each rounded to 6e-8, twice over.
fn mlp(cpu: Cpu) -> Case {
    let task = task();
    let layout = task.spec().params.clone();
    let key = Key::new(4, Purpose::Unroll);
    let mut params = AlignedVec::zeros(layout.padded_len());
    task.spec().init_params(key, &mut params);
    let mut batch = Batch::default();
    task.sample(cpu, Split::Train, key, 0, &mut batch);

    let wide = |i: usize| widen(&params[layout.range(i)]);
    let layers: Vec<MlpLayer> = (0..2).map(|l| MlpLayer { b: wide(2 * l), w: wide(2 * l + 1) }).collect();
    let inputs = widen(&batch.examples());
    let labels: Vec<usize> = batch.labels.iter().map(|&l| l as usize).collect();

    let results = Rc::new(RefCell::new([vec![], vec![]]));
    let (ours, reference) = (results.clone(), results.clone());
    let (mut plan, mut grads) = (task.plan(), AlignedVec::zeros(layout.padded_len()));
    let [a, b, c] = WIDTHS;
    Case {
        name: "mlp loss and gradient",
        multiply_adds: (BATCH * (2 * (a * b + b * c) + b * c)) as u64,
        ours: Box::new(move || {
            let loss = plan.loss_and_grad(cpu, black_box(&params), &batch, &mut grads);
            record(&mut ours.borrow_mut()[0], || {
                let tensors = (0..layout.num_tensors()).flat_map(|i| &grads[layout.range(i)]);
                std::iter::once(&loss).chain(tensors).map(|&x| f64::from(x)).collect()
            });
        }),
        reference: Box::new(move || {
            let (loss, grads) = loss_and_grad(black_box(&layers), Activation::Relu, &inputs, &labels);
            record(&mut reference.borrow_mut()[1], || {
                let tensors = grads.iter().flat_map(|g| g.b.iter().chain(&g.w));
                std::iter::once(&loss).chain(tensors).copied().collect()
            });
        }),
        results,
        tolerance: 2.0 * 64.0 * 6e-8,
    }
}

/// One step of a learned optimizer. Tolerance: the first step moves parameters near 1 by 1e-3 at most; what counts is
/// their own rounding, 6e-8, and that of the step.
fn step(cpu: Cpu, name: &'static str, config: &OptimizerConfig, multiply_adds: u64) -> Case {
    let task = task();
    let layout = task.spec().params.clone();
    let optimizer = build_optimizer(config).expect("valid");
    let theta = optimizer.theta_spec().init(Key::new(5, Purpose::ThetaInit));
    let mut params = AlignedVec::zeros(layout.padded_len());
    task.spec().init_params(Key::new(6, Purpose::Unroll), &mut params);
    let mut gradient = AlignedVec::zeros(layout.padded_len());
    layout.pack(&normals(7, layout.flat_len()), &mut gradient).expect("lengths fit");

    let tensors = |padded: &[f32]| -> Vec<Tensor> {
        let tensor = |(i, s): (usize, &TensorSpec)| {
            Tensor::new(&s.name, s.shape.clone(), widen(&padded[layout.range(i)]))
        };
        layout.specs().iter().enumerate().map(tensor).collect()
    };
    let mut twin = reference_of(&*optimizer, config, &theta, layout.specs());
    let (mut twin_params, twin_grads) = (tensors(&params), tensors(&gradient));

    let results = Rc::new(RefCell::new([vec![], vec![]]));
    let (ours, reference) = (results.clone(), results.clone());
    let mut update = optimizer.bind(theta[..].into(), &layout).expect("theta fits");
    let mut state = empty_state(&*optimizer, &layout, 1000);
    update.init(&params, state.view());
    let mut grads = gradient.clone();
    Case {
        name,
        multiply_adds,
        ours: Box::new(move || {
            grads.copy_from_slice(&gradient);
            update.step(Step {
                workers: Workers::one(cpu),
                state: state.view(),
                params: Tensors::joint(&mut params),
                grads: Tensors::joint(&mut grads),
                losses: Losses { train: 2.0, valid: None },
                scale: Scale::ONE,
            });
            record(&mut ours.borrow_mut()[0], || {
                (0..layout.num_tensors()).flat_map(|i| widen(&params[layout.range(i)])).collect()
            });
        }),
        reference: Box::new(move || {
            twin.step(&mut twin_params, &twin_grads, 2.0, None);
            record(&mut reference.borrow_mut()[1], || {
                twin_params.iter().flat_map(|p| p.data.clone()).collect()
            });
        }),
        results,
        tolerance: 1e-6,
    }
}

fn reference_of(
    optimizer: &dyn Optimizer,
    config: &OptimizerConfig,
    theta: &[f32],
    specs: &[TensorSpec],
) -> Box<dyn ReferenceOptimizer> {
    assert_eq!(optimizer.theta_spec().len(), theta.len());
    match config {
        OptimizerConfig::MlpLopt(_) => {
            let config = mlp_lopt::MlpLoptConfig::default();
            Box::new(mlp_lopt::MlpLopt::new(config, theta, specs, Constants::Rounded).expect("theta fits"))
        }
        OptimizerConfig::Celo2(_) => {
            let config = celo2::Celo2Config::base(specs.len());
            Box::new(celo2::Celo2::new(config, theta, specs, Constants::Rounded).expect("theta fits"))
        }
        OptimizerConfig::AdafacMlp(_) => {
            let config = adafac_mlp::AdafacMlpConfig::default();
            Box::new(
                adafac_mlp::AdafacMlp::new(config, theta, specs, Constants::Rounded).expect("theta fits"),
            )
        }
        _ => {
            let config = hierarchical::HierarchicalConfig::new(hierarchical::Variant::Library);
            Box::new(
                hierarchical::Hierarchical::new(config, theta, specs, Constants::Rounded)
                    .expect("theta fits"),
            )
        }
    }
}
