//! The `mlp` family: a multi-layer perceptron on labelled images or tables.
//!
//! Flatten → dense layers with an activation → dense layer to the classes; mean softmax cross entropy.
//! # References
//! Metz et al. 2020, "Using a thousand optimization tasks …" (TaskSet), arXiv:2002.11887, mlp family.

use super::gather::GatherBytes;
use super::mlp_plan::MlpPlan;
use super::{Batch, MlpConfig, Normalizer, PixelScaling, Plan, Task, TaskSpec, TensorInit};
use crate::data::{ImageSet, Pixels, Split};
use crate::error::{Error, Result};
use crate::layer::{Activation, Grid, arrange};
use crate::params::{ParamLayout, TensorSpec};
use crate::program::ops::Function;
use crate::program::{Builder, Dtype, Program};
use crate::rng::Key;
use crate::simd::{Cpu, fill_integers, prefetch};
use candle_core::Tensor;
use std::ops::Range;
use std::sync::Arc;

/// Sub-streams of an unroll's key.
const STREAM_LABELS: u64 = 1;
const STREAM_SPLITS: u64 = 2;

/// A checked MLP task.
pub struct MlpTask {
    config: MlpConfig,
    data: Arc<ImageSet>,
    train: Range<usize>,
    widths: Vec<usize>,
    /// How the plan wants a minibatch's inputs.
    inputs: Grid,
    spec: TaskSpec,
    layout: Arc<ParamLayout>,
}

impl MlpTask {
    /// The task of `config` on `data`.
    /// # Errors
    /// `InvalidOption` if `numTrain` is above the train split; `ShapeMismatch` if the parameters are too many.
    pub fn new(config: MlpConfig, data: Arc<ImageSet>) -> Result<Self> {
        let mut train = data.range(Split::Train);
        if let Some(n) = config.num_train {
            if n > train.len() {
                return Err(Error::option(format!(
                    "task config: expected `numTrain` to be at most {} (the train split of `{}`), got {n}",
                    train.len(),
                    data.name()
                )));
            }
            train.end = train.start + n;
        }
        let (widths, layout) = Self::shapes(&config, &data)?;
        let init = [TensorInit::Zero, TensorInit::Matrix(config.init)].repeat(widths.len() - 1);
        let normalizer = Normalizer::classification(data.num_classes());
        let spec = TaskSpec { params: layout.clone(), init, normalizer, scales: None };
        let inputs = arrange(&widths, config.batch_size)[0];
        Ok(Self { config, data, train, widths, inputs, spec, layout: Arc::new(layout) })
    }

    /// Widths, inputs first and classes last, and the parameters between them.
    pub(super) fn shapes(config: &MlpConfig, data: &ImageSet) -> Result<(Vec<usize>, ParamLayout)> {
        let mut widths = vec![data.example_len()];
        widths.extend(&config.hidden);
        widths.push(data.num_classes());
        let mut tensors = vec![];
        for (l, w) in widths.windows(2).enumerate() {
            tensors.push(TensorSpec::new(format!("l{l}/b"), [w[1]]));
            tensors.push(TensorSpec::new(format!("l{l}/w"), [w[0], w[1]]));
        }
        Ok((widths, ParamLayout::new(tensors)?))
    }

    /// Input = byte · scale + shift.
    fn scaling(&self) -> (f32, f32) {
        match self.config.pixels {
            PixelScaling::Unit => (1.0 / 255.0, 0.0),
            PixelScaling::Centered => (2.0 / 255.0, -1.0),
            PixelScaling::Standardized => {
                let (mean, std) = (self.data.mean(), self.data.std());
                ((1.0 / (255.0 * std)) as f32, (-mean / std) as f32)
            }
        }
    }

    /// Asks for the first cache lines of an example: a batch is scattered over the data set.
    fn prefetch(&self, example: usize) {
        if let Pixels::U8(bytes) = self.data.pixels() {
            let from = bytes.as_ptr().wrapping_add(example * self.data.example_len());
            prefetch(from);
            prefetch(from.wrapping_add(self.data.example_len().min(64) - 1));
        }
    }

    /// The label of a train example under label noise: with probability `labelNoise` a uniform class.
    fn noisy_label(&self, key: Key, example: u32, label: u32) -> u32 {
        let [coin, class, ..] = key.fold(STREAM_LABELS).block(u64::from(example));
        if f64::from(coin) < self.config.label_noise * 4_294_967_296.0 {
            ((u64::from(class) * self.data.num_classes() as u64) >> 32) as u32
        } else {
            label
        }
    }
}

impl Task for MlpTask {
    fn spec(&self) -> &TaskSpec {
        &self.spec
    }

    fn sample(&self, cpu: Cpu, split: Split, key: Key, index: u64, batch: &mut Batch) {
        let features = self.data.example_len();
        batch.resize(self.inputs);
        let range = if split == Split::Train { self.train.clone() } else { self.data.range(split) };
        let stream = match batch.stream {
            Some((of, from, stream)) if (of, from) == (key, split) => stream,
            _ => key.fold(STREAM_SPLITS).fold(split as u64),
        };
        batch.stream = Some((key, split, stream));
        fill_integers(cpu, stream.fold(index), range.len() as u32, &mut batch.indices);
        let is_noisy = split == Split::Train && self.config.label_noise > 0.0;
        for (b, i) in batch.indices.iter_mut().enumerate() {
            *i += range.start as u32;
            self.prefetch(*i as usize);
            let label = u32::from(self.data.labels()[*i as usize]);
            batch.labels[b] = if is_noisy { self.noisy_label(key, *i, label) } else { label };
        }
        let Batch { indices, inputs, .. } = &mut *batch;
        match self.data.pixels() {
            Pixels::U8(bytes) => {
                let (scale, shift) = self.scaling();
                cpu.run(GatherBytes { bytes, indices, scale, shift, grid: self.inputs, out: inputs });
            }
            Pixels::F32(values) => {
                let [example, feature] = self.inputs.strides();
                for (b, &i) in indices.iter().enumerate() {
                    let from = &values[i as usize * features..][..features];
                    let to = inputs[b * example..].iter_mut().step_by(feature);
                    to.zip(from).for_each(|(to, from)| *to = *from);
                }
            }
        }
    }

    fn graph(&self, params: &[Tensor], batch: &Batch) -> candle_core::Result<Tensor> {
        let (dtype, device) = (params[0].dtype(), params[0].device());
        let shape = (batch.grid().batch, batch.grid().features);
        let examples = Tensor::from_vec(batch.examples(), shape, device)?.to_dtype(dtype)?;
        let labels = Tensor::from_slice(&batch.labels, shape.0, device)?;
        let program = program(&self.config, &self.widths).map_err(candle_core::Error::wrap)?;
        program.graph(&[examples, labels], params)
    }

    fn plan(&self) -> Box<dyn Plan> {
        let plan =
            MlpPlan::new(self.layout.clone(), &self.widths, self.config.activation, self.config.batch_size);
        Box::new(plan)
    }

    fn has_answers(&self) -> bool {
        true
    }
}

/// The loss as a program of examples `[batch, features]` and labels.
fn program(config: &MlpConfig, widths: &[usize]) -> Result<Program> {
    let mut b = Builder::new();
    let mut x = b.input("examples", Dtype::F32, &[config.batch_size, widths[0]]);
    let labels = b.input("labels", Dtype::U32, &[config.batch_size]);
    let mut layers = vec![];
    for (l, w) in widths.windows(2).enumerate() {
        let bias = b.param(&format!("l{l}/b"), &[w[1]], None);
        layers.push((b.param(&format!("l{l}/w"), &[w[0], w[1]], Some(config.init)), bias));
    }
    for (l, &(weights, bias)) in layers.iter().enumerate() {
        let is_hidden = l + 1 < layers.len();
        x = b.dense(x, weights, bias, is_hidden.then(|| function(config.activation)));
    }
    let loss = b.classification(x, labels);
    b.finish(loss)
}

/// An activation as programs have it.
fn function(activation: Activation) -> Function {
    match activation {
        Activation::Relu => Function::Relu,
        Activation::Tanh => Function::Tanh,
        Activation::Cos => Function::Cos,
        Activation::Elu => Function::Elu,
        Activation::Sigmoid => Function::Sigmoid,
        Activation::Swish => Function::Swish,
        Activation::LeakyRelu4 => Function::LeakyRelu { slope: 0.4 },
        Activation::LeakyRelu2 => Function::LeakyRelu { slope: 0.2 },
        Activation::LeakyRelu1 => Function::LeakyRelu { slope: 0.1 },
    }
}
