//! What a task takes of memory, told from its config before anything is allocated.

use super::matrix::MatrixKind;
use super::{Datasets, Init, MlpConfig, MlpTask, QuadraticConfig, QuadraticTask, TaskConfig};
use crate::error::Result;
use crate::layer::{Grid, Order, arrange};
use crate::params::ParamLayout;

/// Minibatches that a running problem may hold: of training, of inner validation, of the meta-loss.
const BATCHES: u64 = 3;

/// Shapes and sizes of a task.
#[derive(Clone, Debug)]
pub struct TaskFootprint {
    /// Its parameters.
    pub params: ParamLayout,
    /// Bytes of the task itself, without its data set.
    pub task_bytes: u64,
    /// Bytes of scratch that a thread needs which runs it: minibatches, activations, drawing what is random.
    pub scratch_bytes: u64,
}

impl TaskFootprint {
    /// Works out the sizes; about right, and rather too large than too small.
    /// # Errors
    /// As [`build_task`](super::build_task).
    pub fn of(config: &TaskConfig, datasets: &Datasets) -> Result<Self> {
        config.validate()?;
        match config {
            TaskConfig::Mlp(mlp) => Self::of_mlp(mlp, datasets),
            TaskConfig::Quadratic(quadratic) => Self::of_quadratic(quadratic),
        }
    }

    fn of_mlp(config: &MlpConfig, datasets: &Datasets) -> Result<Self> {
        let (widths, params) = MlpTask::shapes(config, &*datasets.get(&config.dataset)?)?;
        let grids = arrange(&widths, config.batch_size);
        let floats = |grids: &[Grid]| grids.iter().map(|grid| 4 * grid.len() as u64).sum::<u64>();
        let longest = grids[1..].iter().map(|grid| grid.len()).max().unwrap_or(0) as u64;
        // Outputs, derivatives, and either of them in the other order; gradients of two layers.
        let activations = 4 * floats(&grids[1..]) + 2 * 4 * longest;
        // Layers may want weights or their gradient in the other order, scaled tasks want both once more.
        let copies = if config.param_scale.is_some() { 3 } else { 1 };
        let weights = copies * 4 * params.padded_len() as u64;
        // An orthogonal matrix is made in f64.
        let init = match config.init {
            Init::Orthogonal { .. } => {
                params.specs().iter().map(|spec| 8 * spec.len() as u64).max().unwrap_or(0)
            }
            _ => 0,
        };
        let inputs = (BATCHES + 1) * floats(&grids[..1]);
        Ok(Self { params, task_bytes: 0, scratch_bytes: inputs + activations + weights + init })
    }

    fn of_quadratic(config: &QuadraticConfig) -> Result<Self> {
        let dims = config.dims as u64;
        let room = |kind: &MatrixKind| match kind {
            MatrixKind::LinspaceEigen { .. } | MatrixKind::LogspaceEigen { .. } => 8 * dims * dims,
            _ => 0,
        };
        let noise = config.noise.as_ref().map_or(0, |kind| 4 * dims * dims + room(kind));
        let grid = Grid { features: config.dims, batch: config.dims, order: Order::ByExample };
        Ok(Self {
            params: QuadraticTask::layout(config.dims)?,
            task_bytes: 4 * dims * dims,
            scratch_bytes: room(&config.matrix) + BATCHES * (4 * grid.len() as u64 + noise),
        })
    }
}
