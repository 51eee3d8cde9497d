//! candle models trained by our optimizers.
#![allow(clippy::unwrap_used, missing_docs)]

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{Linear, Module, Optimizer, SGD, VarBuilder, VarMap, linear, loss};
use outerloop_core::candle::{CandleConfig, CandleOptimizer};
use outerloop_core::rng::{Key, Purpose};
use outerloop_core::zoo::{OptimizerConfig, build_optimizer};

fn config(json: &str) -> CandleConfig {
    let optimizer = OptimizerConfig::from_json(json).unwrap();
    let theta = build_optimizer(&optimizer).unwrap().theta_spec().init(Key::new(1, Purpose::ThetaInit));
    CandleConfig { theta: theta.into(), num_steps: Some(100), ..CandleConfig::new(optimizer) }
}

/// A perceptron with known weights on known data.
struct Model {
    vars: VarMap,
    layers: [Linear; 2],
    x: Tensor,
    y: Tensor,
}

impl Model {
    fn new() -> Self {
        let vars = VarMap::new();
        let vb = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
        let layers = [linear(3, 8, vb.pp("a")).unwrap(), linear(8, 1, vb.pp("b")).unwrap()];
        for (i, (_, var)) in Self::sorted(&vars).into_iter().enumerate() {
            let n = var.elem_count();
            let wave: Vec<f32> = (0..n).map(|j| 0.5 * (12.9898 * (i * 31 + j + 1) as f32).sin()).collect();
            var.set(&Tensor::from_vec(wave, var.shape(), &Device::Cpu).unwrap()).unwrap();
        }
        let wave = |n: usize| (0..n).map(|i| (78.233 * (i + 1) as f32).sin()).collect::<Vec<_>>();
        let x = Tensor::from_vec(wave(60), (20, 3), &Device::Cpu).unwrap();
        let y = x.sum_keepdim(1).unwrap().sin().unwrap();
        Self { vars, layers, x, y }
    }

    fn sorted(vars: &VarMap) -> Vec<(String, candle_core::Var)> {
        let mut all: Vec<_> =
            vars.data().lock().unwrap().iter().map(|(n, v)| (n.clone(), v.clone())).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    fn loss(&self) -> Result<Tensor> {
        let hidden = self.layers[0].forward(&self.x)?.tanh()?;
        loss::mse(&self.layers[1].forward(&hidden)?, &self.y)
    }

    fn params(&self) -> Vec<f32> {
        let flat = |(_, v): (String, candle_core::Var)| v.flatten_all().unwrap().to_vec1().unwrap();
        Self::sorted(&self.vars).into_iter().flat_map(flat).collect::<Vec<f32>>()
    }
}

/// candle's own gradient descent: the same numbers up to one rounding of each parameter a step (ours fuses the multiply
/// and the subtraction).
#[test]
fn gradient_descent_is_candles() -> Result<()> {
    let (ours, theirs) = (Model::new(), Model::new());
    let mut a = CandleOptimizer::with_names(Model::sorted(&ours.vars), config(r#"{"name":"sgd","lr":0.2}"#))?;
    let mut b = SGD::new(Model::sorted(&theirs.vars).into_iter().map(|(_, v)| v).collect(), 0.2)?;
    for _ in 0..20 {
        a.backward_step(&ours.loss()?)?;
        b.backward_step(&theirs.loss()?)?;
    }
    for (x, y) in ours.params().iter().zip(theirs.params()) {
        assert!((x - y).abs() < 2e-6, "{x} {y}");
    }
    Ok(())
}

/// Adam brings the loss far down; a rule that reads the loss gets it from `backward_step`.
#[test]
fn models_train() -> Result<()> {
    let model = Model::new();
    let first = model.loss()?.to_scalar::<f32>()?;
    let mut adam =
        CandleOptimizer::with_names(Model::sorted(&model.vars), config(r#"{"name":"adam","lr":0.02}"#))?;
    for _ in 0..100 {
        adam.backward_step(&model.loss()?)?;
    }
    assert!(model.loss()?.to_scalar::<f32>()? < 0.1 * first);

    let before = model.params();
    let learned = config(r#"{"name":"hierarchical","variant":"library"}"#);
    let mut optimizer = CandleOptimizer::with_names(Model::sorted(&model.vars), learned)?;
    optimizer.set_valid_loss(0.5);
    optimizer.backward_step(&model.loss()?)?;
    assert_ne!(model.params(), before);
    let grads = model.loss()?.backward()?;
    assert!(optimizer.step(&grads).unwrap_err().to_string().contains("expected `loss`"));
    Ok(())
}

/// The learning rate is a factor of the steps.
#[test]
fn the_learning_rate_scales_steps() -> Result<()> {
    let moved = |factor: f64| -> Result<f32> {
        let model = Model::new();
        let before = model.params();
        let mut sgd =
            CandleOptimizer::with_names(Model::sorted(&model.vars), config(r#"{"name":"sgd","lr":0.1}"#))?;
        assert_eq!(sgd.learning_rate(), 1.0);
        sgd.set_learning_rate(factor);
        sgd.backward_step(&model.loss()?)?;
        Ok(model.params().iter().zip(before).map(|(a, b)| (a - b).abs()).sum())
    };
    let (one, half) = (moved(1.0)?, moved(0.5)?);
    assert!((half / one - 0.5).abs() < 1e-4, "{half} {one}");
    assert!(CandleOptimizer::new(vec![], config(r#"{"name":"sgd","lr":0.1}"#)).is_err());
    Ok(())
}
