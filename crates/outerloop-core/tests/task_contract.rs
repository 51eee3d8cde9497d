//! The task contract: plan (f32) = candle graph (f64, autograd) = finite differences of the graph = the f64 twin
//! written by hand; gaps of padded arrays stay zero; every backend gives the same bits.
#![allow(clippy::unwrap_used, missing_docs)]

mod golden;
mod tasks;

use candle_core::{DType, Device, Tensor, Var};
use outerloop_core::data::Split;
use outerloop_core::reference::{mlp, quadratic};
use outerloop_core::rng::{Key, Purpose};
use outerloop_core::simd::{AlignedVec, Backend, Cpu};
use outerloop_core::task::{Batch, ParamScale, Task, TaskConfig, build_task};
use tasks::{datasets, parse};

/// Loss and gradient of the graph in f64, `[tensor][element]`.
fn graph(task: &dyn Task, params: &[Vec<f64>], batch: &Batch) -> (f64, Vec<Vec<f64>>) {
    let specs = task.spec().params.specs();
    let var = |(data, shape): (&Vec<f64>, &[usize])| {
        Var::from_tensor(&Tensor::from_slice(data, shape, &Device::Cpu).unwrap()).unwrap()
    };
    let vars: Vec<Var> = params.iter().zip(specs).map(|(p, s)| var((p, &s.shape))).collect();
    let tensors: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let loss = task.graph(&tensors, batch).unwrap();
    assert_eq!(loss.dtype(), DType::F64);
    let grads = loss.backward().unwrap();
    let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    (loss.to_scalar().unwrap(), tensors.iter().map(|t| flat(grads.get(t).unwrap())).collect())
}

fn unpadded(task: &dyn Task, padded: &[f32]) -> Vec<Vec<f64>> {
    let layout = &task.spec().params;
    (0..layout.num_tensors())
        .map(|i| padded[layout.range(i)].iter().map(|&x| f64::from(x)).collect())
        .collect()
}

fn largest(x: &[f64]) -> f64 {
    x.iter().fold(0.0, |m, x| m.max(x.abs()))
}

/// Plan on every backend: the same bits, zero gaps, `loss` as `loss_and_grad`.
fn plan(task: &dyn Task, params: &[f32], batch: &Batch) -> (f32, Vec<f32>) {
    let layout = &task.spec().params;
    let mut results = Backend::ALL.into_iter().filter(|b| b.is_available()).map(|backend| {
        let cpu = Cpu::new(backend).unwrap();
        let (mut plan, mut grads) = (task.plan(), AlignedVec::zeros(layout.padded_len()));
        let loss = plan.loss_and_grad(cpu, params, batch, &mut grads);
        assert_eq!(plan.loss(cpu, params, batch).to_bits(), loss.to_bits());
        for i in 0..layout.num_tensors() {
            assert!(grads[layout.range(i).end..layout.padded_range(i).end].iter().all(|g| g.to_bits() == 0));
        }
        (loss, grads.to_vec())
    });
    let first = results.next().unwrap();
    let bits = |(loss, grads): &(f32, Vec<f32>)| {
        (loss.to_bits(), grads.iter().map(|g| g.to_bits()).collect::<Vec<_>>())
    };
    for other in results {
        assert_eq!(bits(&first), bits(&other));
    }
    first
}

/// Largest relative errors: plan's loss, plan's gradient, finite differences, twin.
#[derive(Debug, Default)]
struct Worst([f64; 4]);

impl Worst {
    fn note(&mut self, which: usize, error: f64, tolerance: f64, what: &str) {
        assert!(error <= tolerance, "{what}: error {error:.1e}, tolerance {tolerance:.1e}");
        self.0[which] = self.0[which].max(error);
    }
}

/// Tolerances, all relative to the loss (1 if smaller) or to the largest entry of a tensor's gradient (1e-3 of the
/// loss if smaller: sums that cancel):
/// plan 2e-5 (some hundred f32 roundings of 6e-8, amplified by up to five layers);
/// finite differences along unit directions, h = 1e-6: rounding 2e-16·loss/h = 2e-10 and h²·f‴/6, 1e-8 in all;
/// twin 1e-12 (order of f64 sums).
fn check(config: &TaskConfig, worst: &mut Worst) {
    let task = &*build_task(config, &datasets()).unwrap();
    let layout = &task.spec().params;
    let key = Key::new(3, Purpose::Unroll);
    let mut params = AlignedVec::zeros(layout.padded_len());
    task.spec().init_params(key, &mut params);
    for i in 0..layout.num_tensors() {
        assert!(params[layout.range(i).end..layout.padded_range(i).end].iter().all(|&x| x == 0.0));
    }
    // Away from the zero biases of the start, where no other term hides a wrong bias.
    for (i, init) in task.spec().init.iter().enumerate() {
        if matches!(init, outerloop_core::task::TensorInit::Zero) {
            let bias = &mut params[layout.range(i)];
            key.fold(77).fold(i as u64).fill_normal(bias);
            bias.iter_mut().for_each(|b| *b *= 0.1);
        }
    }
    let mut batch = Batch::default();
    task.sample(Cpu::detect().unwrap(), Split::Train, key, 5, &mut batch);
    let (loss, grads) = plan(task, &params, &batch);
    let exact = unpadded(task, &params);
    let (graph_loss, graph_grads) = graph(task, &exact, &batch);
    let what = format!("{config:?}");
    let scale = graph_loss.abs().max(1.0);
    worst.note(0, (f64::from(loss) - graph_loss).abs() / scale, 2e-5, &what);
    for (got, expected) in unpadded(task, &grads).iter().zip(&graph_grads) {
        let size = largest(expected).max(1e-3 * scale);
        for (g, e) in got.iter().zip(expected) {
            worst.note(1, (g - e).abs() / size, 2e-5, &what);
        }
    }
    for d in 0..4 {
        let mut direction: Vec<Vec<f64>> = vec![];
        for (i, p) in exact.iter().enumerate() {
            let mut z = vec![0f32; p.len()];
            key.fold(50 + d).fold(i as u64).fill_normal(&mut z);
            direction.push(z.iter().map(|&z| f64::from(z)).collect());
        }
        let norm = direction.iter().flatten().map(|x| x * x).sum::<f64>().sqrt();
        let h = 1e-6;
        let moved = |sign: f64| {
            let step =
                |p: &Vec<f64>, z: &Vec<f64>| p.iter().zip(z).map(|(p, z)| p + sign * h / norm * z).collect();
            graph(task, &exact.iter().zip(&direction).map(|(p, z)| step(p, z)).collect::<Vec<_>>(), &batch).0
        };
        let difference = (moved(1.0) - moved(-1.0)) / (2.0 * h);
        let slope =
            direction.iter().flatten().zip(graph_grads.iter().flatten()).map(|(z, g)| z * g).sum::<f64>()
                / norm;
        let size = scale.max(largest(&graph_grads.concat()));
        worst.note(2, (difference - slope).abs() / size, 1e-8, &what);
    }
    let (twin_loss, twin_grads) = twin(config, &exact, &batch);
    worst.note(3, (twin_loss - graph_loss).abs() / scale, 1e-12, &what);
    for (got, expected) in twin_grads.iter().zip(&graph_grads) {
        let size = largest(expected).max(1e-3 * scale);
        for (g, e) in got.iter().zip(expected) {
            worst.note(3, (g - e).abs() / size, 1e-12, &what);
        }
    }
}

fn twin(config: &TaskConfig, params: &[Vec<f64>], batch: &Batch) -> (f64, Vec<Vec<f64>>) {
    let examples: Vec<f64> = batch.examples().iter().map(|&x| f64::from(x)).collect();
    match config {
        TaskConfig::Mlp(c) => {
            let name = serde_json::to_value(c.activation).unwrap();
            let activation = mlp::Activation::from_name(name.as_str().unwrap()).unwrap();
            let scales: Vec<f64> = match &c.param_scale {
                None => vec![1.0; params.len()],
                Some(ParamScale::One(s)) => vec![f64::from(*s as f32); params.len()],
                Some(ParamScale::Each(s)) => s.iter().map(|&s| f64::from(s as f32)).collect(),
            };
            let times = |x: &[f64], s: f64| x.iter().map(|x| x * s).collect::<Vec<_>>();
            let seen: Vec<Vec<f64>> = params.iter().zip(&scales).map(|(p, &s)| times(p, s)).collect();
            let layers: Vec<mlp::MlpLayer> =
                seen.chunks(2).map(|l| mlp::MlpLayer { b: l[0].clone(), w: l[1].clone() }).collect();
            let labels: Vec<usize> = batch.labels.iter().map(|&l| l as usize).collect();
            let (loss, grads) = mlp::loss_and_grad(&layers, activation, &examples, &labels);
            let grads = grads.into_iter().flat_map(|g| [g.b, g.w]).zip(&scales);
            (loss, grads.map(|(g, &s)| times(&g, s)).collect())
        }
        TaskConfig::Quadratic(c) => {
            let output = match c.output {
                outerloop_core::task::QuadraticOutput::Identity => quadratic::QuadraticOutput::Identity,
                outerloop_core::task::QuadraticOutput::Log => quadratic::QuadraticOutput::Log,
            };
            let (loss, grad) = quadratic::loss_and_grad(&examples, &params[0], output, c.loss_scale);
            (loss, vec![grad])
        }
    }
}

fn check_all(name: &str, configs: impl IntoIterator<Item = String>) {
    let mut worst = Worst::default();
    for json in configs {
        check(&parse(&json), &mut worst);
    }
    println!(
        "{name}: plan's loss, plan's gradient, finite differences, twin: {:?}",
        worst.0.map(|x| format!("{x:.1e}"))
    );
}

const ACTIVATIONS: [&str; 9] =
    ["relu", "tanh", "cos", "elu", "sigmoid", "swish", "leaky_relu4", "leaky_relu2", "leaky_relu1"];

#[test]
fn every_activation_at_every_batch_size() {
    let mut configs = vec![];
    for activation in ACTIVATIONS {
        for batch in [1, 7, 64, 65] {
            configs.push(format!(
                r#"{{"family":"mlp","dataset":"grey","hidden":[33,17,5],"activation":"{activation}","batchSize":{batch}}}"#
            ));
        }
    }
    check_all("activations and batch sizes", configs);
}

#[test]
fn every_initialiser() {
    let plain = ["he_normal", "he_uniform", "glorot_normal", "glorot_uniform", "lecun_normal"];
    let scaled = ["orthogonal", "random_uniform", "random_normal", "truncated_normal", "variance_scaling"];
    let init = plain
        .map(|name| format!(r#"{{"name":"{name}"}}"#))
        .into_iter()
        .chain(scaled.map(|name| format!(r#"{{"name":"{name}","scale":0.7}}"#)));
    check_all(
        "initialisers",
        init.map(|init| {
            format!(r#"{{"family":"mlp","dataset":"grey","hidden":[31,12],"init":{init},"pixels":"centered","batchSize":20}}"#)
        }),
    );
}

#[test]
fn every_kind_of_data() {
    let mut configs = vec![];
    for dataset in ["grey", "colour", "table", "two", "thousand"] {
        for pixels in ["unit", "centered", "standardized"] {
            for hidden in ["[]", "[1]", "[40,3]", "[16,32,16,8]"] {
                configs.push(format!(
                    r#"{{"family":"mlp","dataset":"{dataset}","hidden":{hidden},"pixels":"{pixels}","labelNoise":0.3,"numTrain":50,"batchSize":13,"activation":"elu"}}"#
                ));
            }
        }
    }
    check_all("data sets", configs);
}

const SCALES: [&str; 4] = ["1", "0.03", "20", "[0.05,30,1,0.2,7,0.6]"];

#[test]
fn every_param_scale() {
    let mut configs = vec![];
    for scale in SCALES {
        for activation in ["tanh", "relu"] {
            configs.push(format!(
                r#"{{"family":"mlp","dataset":"grey","hidden":[33,5],"activation":"{activation}","batchSize":20,"paramScale":{scale}}}"#
            ));
        }
    }
    check_all("scaled parameters", configs);
}

/// Multiplication by powers of two is exact: at the start, which is divided by s, loss and error rate are the plain task's
/// to the bit, and the gradient is s times its, to the bit.
#[test]
fn a_scaled_task_starts_as_the_plain_one() {
    let json = |scale: &str| {
        format!(r#"{{"family":"mlp","dataset":"grey","hidden":[12],"activation":"elu"{scale}}}"#)
    };
    let at_start = |scale: &str| {
        let task = build_task(&parse(&json(scale)), &datasets()).unwrap();
        let (key, cpu) = (Key::new(4, Purpose::Unroll), Cpu::detect().unwrap());
        let mut params = AlignedVec::zeros(task.spec().params.padded_len());
        task.spec().init_params(key, &mut params);
        let mut batch = Batch::default();
        task.sample(cpu, Split::Train, key, 0, &mut batch);
        let (loss, grads) = plan(&*task, &params, &batch);
        let errors = task.plan().error_rate(cpu, &params, &batch);
        (unpadded(&*task, &params), loss, unpadded(&*task, &grads), errors)
    };
    let (params, loss, grads, errors) = at_start("");
    assert!(errors > 0.0 && errors < 1.0, "{errors}");
    for (scale, by_tensor) in [("4", [4.0; 4]), ("[1,0.0625,256,2]", [1.0, 0.0625, 256.0, 2.0])] {
        let scaled = at_start(&format!(r#","paramScale":{scale}"#));
        assert_eq!(scaled.1.to_bits(), loss.to_bits());
        assert_eq!(scaled.3, errors);
        for (i, s) in by_tensor.into_iter().enumerate() {
            assert_eq!(scaled.0[i], params[i].iter().map(|x| x / s).collect::<Vec<_>>());
            assert_eq!(scaled.2[i], grads[i].iter().map(|g| g * s).collect::<Vec<_>>());
        }
    }
}

#[test]
fn quadratics() {
    let kinds = [
        r#"{"kind":"normal","mean":0.1,"std":0.8}"#,
        r#"{"kind":"uniform","min":-1,"max":0.5}"#,
        r#"{"kind":"linspace_eigen","min":0.1,"max":3}"#,
        r#"{"kind":"logspace_eigen","min":0.01,"max":10}"#,
    ];
    let mut configs = vec![];
    for dims in [1, 2, 17, 40] {
        for matrix in kinds {
            for noise in ["null", kinds[0], kinds[3]] {
                for output in ["identity", "log"] {
                    configs.push(format!(
                        r#"{{"family":"quadratic","dims":{dims},"matrix":{matrix},"start":{{"kind":"uniform","min":-1,"max":2}},"output":"{output}","lossScale":0.3,"noise":{noise},"instanceSeed":8}}"#
                    ));
                }
            }
        }
    }
    check_all("quadratics", configs);
}

/// At a kink the derivative is a convention: with zero biases and an all-zero image every pre-activation is 0.
#[test]
fn plan_and_graph_agree_at_a_kink() {
    for activation in ACTIVATIONS {
        let json = format!(
            r#"{{"family":"mlp","dataset":"two","hidden":[9,4],"activation":"{activation}","batchSize":1}}"#
        );
        let task = build_task(&parse(&json), &datasets()).unwrap();
        let mut params = AlignedVec::zeros(task.spec().params.padded_len());
        task.spec().init_params(Key::new(0, Purpose::Unroll), &mut params);
        let batch = Batch::from_examples(&[0.0; 9], 9, &[1]);
        let grads = plan(&*task, &params, &batch).1;
        let expected = graph(&*task, &unpadded(&*task, &params), &batch).1;
        for (got, expected) in unpadded(&*task, &grads).iter().zip(&expected) {
            for (g, e) in got.iter().zip(expected) {
                assert!((g - e).abs() < 1e-6, "{activation}: {g} {e}");
            }
        }
    }
}

/// The published numbers. Graph in f64: 1e-12 relative, but 2e-7 for the quadratic with noise, whose A + E is rounded
/// to f32 in the batch. Plan: 2e-6 relative.
#[test]
fn golden_losses_and_gradients() {
    for name in [
        "mlp_relu_3hidden",
        "mlp_tanh",
        "mlp_leaky_relu4",
        "mlp_swish",
        "mlp_cos",
        "quadratic_identity",
        "quadratic_log",
    ] {
        let case = golden::task(name);
        let (task, batch) = tasks::golden(&case);
        let exact: Vec<Vec<f64>> =
            case.params.iter().map(|p| p.data.iter().map(|&x| f64::from(x)).collect()).collect();
        let (loss, grads) = graph(&*task, &exact, &batch);
        let mut padded = AlignedVec::zeros(task.spec().params.padded_len());
        let flat: Vec<f32> = case.params.iter().flat_map(|p| p.data.clone()).collect();
        task.spec().params.pack(&flat, &mut padded).unwrap();
        let (plan_loss, plan_grads) = plan(&*task, &padded, &batch);
        let expected = case.grads_x64.concat();
        let error = |loss: f64, grads: Vec<Vec<f64>>| {
            let grads = grads.concat();
            assert_eq!(grads.len(), expected.len());
            let worst = grads.iter().zip(&expected).fold(0f64, |m, (g, e)| m.max((g - e).abs()));
            (worst / largest(&expected)).max((loss - case.loss_x64).abs() / case.loss_x64.abs())
        };
        let of_graph = error(loss, grads);
        let of_plan = error(f64::from(plan_loss), unpadded(&*task, &plan_grads));
        println!("{name}: graph {of_graph:.1e}, plan {of_plan:.1e}");
        // Centred inputs are 2x − 1 in f32 here.
        let is_rounded = name == "quadratic_identity" || case.config["center_data"] == true;
        assert!(of_graph <= if is_rounded { 2e-7 } else { 1e-12 }, "{name}: {of_graph:.1e}");
        assert!(of_plan <= 2e-6, "{name}: {of_plan:.1e}");
    }
}
