//! What the options of every optimizer can do.

use super::Optimizer;
use crate::error::Result;
use std::sync::Arc;

/// Options of an optimizer.
pub(crate) trait Config: Clone + Send + Sync + Sized + 'static {
    /// The same with its ranges checked and what depends on other options filled in.
    /// # Errors
    /// `InvalidOption` naming the option, its range and what came.
    fn checked(self) -> Result<Self>;

    /// The optimizer; the options were checked.
    /// # Errors
    /// Those of optimizers inside it.
    fn build(self) -> Result<Arc<dyn Optimizer>>;
}
