//! A published case beside a program of it.
//!
//! Tolerance: 1e-12 of the loss and of the largest entry of the gradient, both sides being in f64 from the same f32 numbers.

use crate::golden::{self, TaskCase};
use candle_core::{Device, Tensor, Var};
use outerloop_core::program::ops::{Function, Op};
use outerloop_core::program::{Builder, Dtype, Id, Program};
use std::collections::HashMap;

/// A program under way with the inputs and parameters of a case, by name.
pub struct Case {
    pub case: TaskCase,
    pub b: Builder,
    ids: HashMap<String, Id>,
    shapes: HashMap<String, Vec<usize>>,
}

impl Case {
    pub fn new(name: &str) -> Self {
        let case = golden::task(name);
        let (mut b, mut ids, mut shapes) = (Builder::new(), HashMap::new(), HashMap::new());
        for leaf in &case.batch {
            ids.insert(leaf.name.clone(), b.input(&leaf.name, dtype(&leaf.name), &leaf.shape));
            shapes.insert(leaf.name.clone(), leaf.shape.clone());
        }
        for leaf in &case.params {
            ids.insert(leaf.name.clone(), b.param(&leaf.name, &leaf.shape, None));
            shapes.insert(leaf.name.clone(), leaf.shape.clone());
        }
        Self { case, b, ids, shapes }
    }

    pub fn id(&self, name: &str) -> Id {
        *self.ids.get(name).unwrap_or_else(|| panic!("no `{name}` among {:?}", self.ids.keys()))
    }

    pub fn has(&self, name: &str) -> bool {
        self.ids.contains_key(name)
    }

    pub fn shape(&self, name: &str) -> &[usize] {
        &self.shapes[name]
    }

    pub fn text(&self, key: &str) -> String {
        self.case.config[key].as_str().unwrap_or_default().to_string()
    }

    pub fn sizes(&self, key: &str) -> Vec<usize> {
        self.case.config[key].as_array().unwrap().iter().map(|x| x.as_u64().unwrap() as usize).collect()
    }

    pub fn push(&mut self, op: Op, args: &[Id]) -> Id {
        self.b.push(op, args)
    }

    /// The images as rows.
    pub fn flat(&mut self) -> Id {
        let shape = self.shape("image").to_vec();
        let image = self.id("image");
        self.b.reshape(image, &[shape[0], shape[1..].iter().product()])
    }

    /// x·w + b with the parameters `prefix|w` and `prefix|b`.
    pub fn linear(&mut self, prefix: &str, x: Id, activation: Option<Function>) -> Id {
        let (w, b) = (self.id(&format!("{prefix}|w")), self.id(&format!("{prefix}|b")));
        self.b.dense(x, w, b, activation)
    }

    /// Haiku's MLP `prefix/~/linear_i`, the last layer without activation.
    pub fn mlp(&mut self, prefix: &str, mut x: Id, layers: usize, activation: Function) -> Id {
        for i in 0..layers {
            x = self.linear(&format!("{prefix}/~/linear_{i}"), x, (i + 1 < layers).then_some(activation));
        }
        x
    }

    /// Compares loss and gradient.
    pub fn check(self, loss: Id) {
        let program = self.b.finish(loss).unwrap();
        assert_eq!(Program::from_json(&serde_json::to_string(program.spec()).unwrap()).unwrap(), program);
        assert!(program.to_string().ends_with(&format!("loss = %{loss}")));
        let tensor = |leaf: &golden::Leaf| match dtype(&leaf.name) {
            Dtype::U32 => {
                let data: Vec<u32> = leaf.data.iter().map(|&x| x as u32).collect();
                Tensor::from_vec(data, &*leaf.shape, &Device::Cpu).unwrap()
            }
            Dtype::F32 => {
                let data: Vec<f64> = leaf.data.iter().map(|&x| f64::from(x)).collect();
                Tensor::from_vec(data, &*leaf.shape, &Device::Cpu).unwrap()
            }
        };
        let inputs: Vec<_> = self.case.batch.iter().map(tensor).collect();
        let vars: Vec<_> = self.case.params.iter().map(|p| Var::from_tensor(&tensor(p)).unwrap()).collect();
        let params: Vec<_> = vars.iter().map(|v| v.as_tensor().clone()).collect();
        let got = program.graph(&inputs, &params).unwrap();
        let grads = got.backward().unwrap();
        let got: f64 = got.to_scalar().unwrap();
        let expected = self.case.loss_x64;
        assert!(
            (got - expected).abs() <= 1e-12 * expected.abs().max(1.0),
            "loss {got}, published {expected}"
        );
        let largest = self.case.grads_x64.iter().flatten().fold(0f64, |m, x| m.max(x.abs()));
        for ((param, leaf), expected) in params.iter().zip(&self.case.params).zip(&self.case.grads_x64) {
            let got = match grads.get(param) {
                Some(grad) => grad.flatten_all().unwrap().to_vec1::<f64>().unwrap(),
                None => vec![0.0; expected.len()],
            };
            for (i, (g, e)) in got.iter().zip(expected).enumerate() {
                assert!((g - e).abs() <= 1e-12 * largest, "{}[{i}]: {g}, published {e}", leaf.name);
            }
        }
        let cost = program.cost();
        assert!(
            cost.flops > 0
                && cost.num_params == self.case.params.iter().map(|p| p.data.len() as u64).sum::<u64>()
        );
    }
}

fn dtype(name: &str) -> Dtype {
    if ["label", "text", "obs", "target"].contains(&name) { Dtype::U32 } else { Dtype::F32 }
}

/// The activations of TaskSet by name.
pub fn activation(name: &str) -> Function {
    match name {
        "relu" => Function::Relu,
        "tanh" => Function::Tanh,
        "cos" => Function::Cos,
        "elu" => Function::Elu,
        "sigmoid" => Function::Sigmoid,
        "swish" => Function::Swish,
        "leaky_relu4" => Function::LeakyRelu { slope: 0.4 },
        "leaky_relu2" => Function::LeakyRelu { slope: 0.2 },
        "leaky_relu1" => Function::LeakyRelu { slope: 0.1 },
        other => panic!("no activation `{other}`"),
    }
}
