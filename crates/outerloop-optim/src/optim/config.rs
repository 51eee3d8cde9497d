//! What the options of every optimizer can do.

use super::Optimizer;
use super::options::Ranges;
use crate::error::Result;
use std::sync::Arc;

/// Options of an optimizer.
pub(crate) trait Config: Ranges + Clone + Send + Sync + Sized + 'static {
    /// The same with its ranges checked, and what depends on several options, or is inside, checked or filled in.
    /// # Errors
    /// `InvalidOption` naming the option, its range and what came.
    fn checked(self) -> Result<Self> {
        self.check_ranges()?;
        Ok(self)
    }

    /// The optimizer; the options were checked.
    /// # Errors
    /// Those of optimizers inside it.
    fn build(self) -> Result<Arc<dyn Optimizer>>;
}
