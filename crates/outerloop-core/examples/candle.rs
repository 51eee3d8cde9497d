//! A candle model trained by any optimizer: `cargo run --features candle-nn --example candle -- '{"name":"adam","lr":0.02}'`.
#![allow(missing_docs, reason = "an example is a program")]

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{Module, Optimizer, VarBuilder, VarMap, linear, loss};
use outerloop_core::candle::{CandleConfig, CandleOptimizer};
use outerloop_core::zoo::OptimizerConfig;

fn main() -> Result<()> {
    let json = std::env::args().nth(1).unwrap_or_else(|| r#"{"name":"adam","lr":0.02}"#.into());
    let config = OptimizerConfig::from_json(&json).map_err(candle_core::Error::wrap)?;

    let vars = VarMap::new();
    let vb = VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu);
    let (first, second) = (linear(2, 32, vb.pp("first"))?, linear(32, 1, vb.pp("second"))?);
    let x = Tensor::randn(0f32, 1.0, (256, 2), &Device::Cpu)?;
    let y = x.sum_keepdim(1)?.sin()?;

    // With candle's own optimizer these lines would be `AdamW::new(vars.all_vars(), params)`.
    let mut optimizer = CandleOptimizer::new(vars.all_vars(), CandleConfig::new(config))?;
    for step in 0..=200 {
        let error = loss::mse(&second.forward(&first.forward(&x)?.tanh()?)?, &y)?;
        if step % 50 == 0 {
            println!("step {step:>3}  loss {:.5}", error.to_scalar::<f32>()?);
        }
        optimizer.backward_step(&error)?;
    }
    Ok(())
}
