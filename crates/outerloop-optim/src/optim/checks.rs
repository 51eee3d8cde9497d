//! The error of an option.

use crate::error::{Error, Result};

/// The error of an option out of range, unless `ok`.
pub(crate) fn expect(ok: bool, field: &str, range: &str, got: impl std::fmt::Debug) -> Result<()> {
    if ok {
        Ok(())
    } else {
        Err(Error::option(format!("optimizer config: expected `{field}` to be {range}, got {got:?}")))
    }
}
