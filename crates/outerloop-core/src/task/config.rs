//! Task configs as JSON: the serde twin of the TypeScript schema `ts/config/taskConfig.ts`.

use super::matrix::{Distribution, MatrixKind};
use super::scaled::ParamScale;
use crate::error::{Error, Result};
use crate::layer::Activation;
use crate::program::Init;
use serde::{Deserialize, Deserializer, Serialize};

/// A complete inner problem: with a key it is determined bit for bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "family", rename_all = "snake_case")]
pub enum TaskConfig {
    /// Image classification by a multi-layer perceptron.
    Mlp(MlpConfig),
    /// A random quadratic.
    Quadratic(QuadraticConfig),
}

/// How pixel bytes become inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PixelScaling {
    /// byte / 255.
    #[default]
    Unit,
    /// 2·byte / 255 − 1.
    Centered,
    /// Zero mean and unit variance over the train split.
    Standardized,
}

/// An MLP on labelled images or tables; mean cross entropy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MlpConfig {
    /// Name of the data set.
    pub dataset: String,
    /// Widths of the hidden layers; at most 16, each 1 to 65,536.
    pub hidden: Vec<usize>,
    /// Activation after every hidden layer.
    #[serde(default)]
    pub activation: Activation,
    /// Initialiser of every weight matrix; biases start at 0.
    #[serde(default)]
    pub init: Init,
    /// Examples a minibatch, 1 to 65,536.
    #[serde(default = "default_batch")]
    pub batch_size: usize,
    /// Input scaling.
    #[serde(default)]
    pub pixels: PixelScaling,
    /// Probability that a train example's label is replaced by a random one, in [0, 1); fixed during an unroll.
    #[serde(default)]
    pub label_noise: f64,
    /// Use only the first examples of the train split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_train: Option<usize>,
    /// Factors between the parameters that an optimizer sees and those of the net, in the order biases, weights, layer by
    /// layer; each 1e-12 to 1e12.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub param_scale: Option<ParamScale>,
}

/// loss(x) = out(‖(A + E)·x‖²), spec TaskSet §2.11.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuadraticConfig {
    /// Length of x, 1 to 5,000.
    pub dims: usize,
    /// Distribution of A.
    pub matrix: MatrixKind,
    /// Distribution of the start.
    pub start: Distribution,
    /// Function of the squared norm.
    pub output: QuadraticOutput,
    /// Factor of the loss, above 0.
    pub loss_scale: f64,
    /// Distribution of E, drawn anew at every loss; none if null, but never left out.
    #[serde(deserialize_with = "Option::deserialize")]
    pub noise: Option<MatrixKind>,
    /// Names A.
    pub instance_seed: u64,
}

/// Function of a quadratic's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuadraticOutput {
    /// c·v.
    Identity,
    /// c·ln(max(v, 0) + 1e-8).
    Log,
}

fn default_batch() -> usize {
    64
}

/// A field that may be left out, but not be null.
fn present<'de, T, D>(value: D) -> std::result::Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(value).map(Some)
}

impl TaskConfig {
    /// Reads and checks a JSON task config.
    /// # Errors
    /// `InvalidOption` naming what is wrong.
    pub fn from_json(json: &str) -> Result<Self> {
        let config: Self = serde_json::from_str(json)
            .map_err(|e| Error::option(format!("task config: {e}")).caused_by(e))?;
        config.validate()?;
        Ok(config)
    }

    /// Checks the ranges.
    /// # Errors
    /// `InvalidOption` naming the field, its range and what came.
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::Mlp(c) => c.validate(),
            Self::Quadratic(c) => c.validate(),
        }
    }
}

fn expect(ok: bool, field: &str, range: &str, got: impl std::fmt::Debug) -> Result<()> {
    if ok {
        Ok(())
    } else {
        Err(Error::option(format!("task config: expected `{field}` to be {range}, got {got:?}")))
    }
}

impl MlpConfig {
    fn validate(&self) -> Result<()> {
        expect(!self.dataset.is_empty(), "dataset", "a name", &self.dataset)?;
        expect(self.hidden.len() <= 16, "hidden", "at most 16 layers", self.hidden.len())?;
        for &width in &self.hidden {
            expect((1..=65_536).contains(&width), "hidden", "widths of 1 to 65536", width)?;
        }
        expect((1..=65_536).contains(&self.batch_size), "batchSize", "1 to 65536", self.batch_size)?;
        expect((0.0..1.0).contains(&self.label_noise), "labelNoise", "in [0, 1)", self.label_noise)?;
        expect(self.num_train != Some(0), "numTrain", "at least 1", self.num_train)?;
        if let Some(scale) = &self.param_scale {
            scale.factors(2 * (self.hidden.len() + 1))?;
        }
        self.init.validate()
    }
}

impl QuadraticConfig {
    fn validate(&self) -> Result<()> {
        expect((1..=5000).contains(&self.dims), "dims", "1 to 5000", self.dims)?;
        expect(
            self.loss_scale as f32 > 0.0 && (self.loss_scale as f32).is_finite(),
            "lossScale",
            "a number > 0 that f32 holds",
            self.loss_scale,
        )?;
        expect(self.instance_seed < 1 << 53, "instanceSeed", "below 2^53", self.instance_seed)?;
        self.matrix.validate("matrix")?;
        self.start.validate("start")?;
        self.noise.as_ref().map_or(Ok(()), |noise| noise.validate("noise"))
    }
}
