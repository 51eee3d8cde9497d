//! Options that cross the border as JSON text.

use crate::error::{Result, error};
use outerloop_core::error::ErrorCode;

/// Reads JSON options.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(what: &str, json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|e| error(ErrorCode::InvalidOption, format!("{what}: {e}")))
}
