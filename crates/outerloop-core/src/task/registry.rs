//! From a config to a task.

use super::{MlpTask, QuadraticTask, ScaledTask, Task, TaskConfig};
use crate::data::ImageSet;
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::sync::Arc;

/// Data sets by name.
#[derive(Clone, Default)]
pub struct Datasets(HashMap<String, Arc<ImageSet>>);

impl Datasets {
    /// Those given.
    /// # Errors
    /// `InvalidOption` if two have one name.
    pub fn new(sets: impl IntoIterator<Item = Arc<ImageSet>>) -> Result<Self> {
        let mut named = HashMap::new();
        for set in sets {
            if let Some(other) = named.insert(set.name().to_owned(), set) {
                let name = other.name();
                return Err(Error::option(format!(
                    "expected data sets of different names, got two called {name:?}"
                )));
            }
        }
        Ok(Self(named))
    }

    /// Memory that they take.
    pub fn memory_bytes(&self) -> u64 {
        self.0.values().map(|set| set.memory_bytes()).sum()
    }

    pub(super) fn get(&self, name: &str) -> Result<Arc<ImageSet>> {
        self.0.get(name).cloned().ok_or_else(|| {
            let mut known: Vec<_> = self.0.keys().map(String::as_str).collect();
            known.sort_unstable();
            Error::option(format!(
                "task config: expected `dataset` to be a loaded data set ({}), got `{name}`",
                known.join(", ")
            ))
        })
    }
}

/// Builds the task of a config.
/// # Errors
/// `InvalidOption` if a value is out of range or the data set is not loaded.
pub fn build_task(config: &TaskConfig, datasets: &Datasets) -> Result<Arc<dyn Task>> {
    config.validate()?;
    Ok(match config {
        TaskConfig::Mlp(mlp) => {
            let task = Arc::new(MlpTask::new(mlp.clone(), datasets.get(&mlp.dataset)?)?);
            match &mlp.param_scale {
                None => task,
                Some(scale) => Arc::new(ScaledTask::new(task, scale)?),
            }
        }
        TaskConfig::Quadratic(quadratic) => Arc::new(QuadraticTask::new(quadratic.clone())?),
    })
}
