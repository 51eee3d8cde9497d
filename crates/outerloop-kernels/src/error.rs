//! The error type of all crates and its closed set of codes.

use std::fmt;
use std::sync::Arc;

/// What kind of failure an [`Error`] is. The names are those JavaScript sees as `error.code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// A value is outside its documented range.
    InvalidOption,
    /// Two shapes or lengths that must agree do not.
    ShapeMismatch,
    /// A value has the wrong element type.
    DtypeMismatch,
    /// A data file or data array is corrupt, truncated or mislabelled.
    DataInvalid,
    /// The requested device cannot be used.
    DeviceUnavailable,
    /// A weight file or checkpoint is damaged or does not fit.
    CheckpointInvalid,
    /// The handle was closed.
    Closed,
    /// The caller asked the work to stop.
    Aborted,
    /// A bug of ours.
    Internal,
}

impl ErrorCode {
    /// The code in the spelling used across the language border.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidOption => "INVALID_OPTION",
            Self::ShapeMismatch => "SHAPE_MISMATCH",
            Self::DtypeMismatch => "DTYPE_MISMATCH",
            Self::DataInvalid => "DATA_INVALID",
            Self::DeviceUnavailable => "DEVICE_UNAVAILABLE",
            Self::CheckpointInvalid => "CHECKPOINT_INVALID",
            Self::Closed => "CLOSED",
            Self::Aborted => "ABORTED",
            Self::Internal => "INTERNAL",
        }
    }
}

/// A failure: a code for programs, a message for people, and the error of another library that it comes from, if any. Two are
/// equal if code and message are.
#[derive(Clone, Debug)]
pub struct Error {
    /// Machine-readable kind.
    pub code: ErrorCode,
    /// `operation: what was expected, what came`.
    pub message: String,
    cause: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        (self.code, &self.message) == (other.code, &other.message)
    }
}

impl Eq for Error {}

impl Error {
    /// An error with the given code and message.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), cause: None }
    }

    /// The same, with the error it comes from, which [`std::error::Error::source`] gives.
    #[must_use]
    pub fn caused_by(self, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { cause: Some(Arc::new(cause)), ..self }
    }

    /// An [`ErrorCode::InvalidOption`].
    pub fn option(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidOption, message)
    }

    /// An [`ErrorCode::ShapeMismatch`].
    pub fn shape(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ShapeMismatch, message)
    }

    /// An [`ErrorCode::DataInvalid`].
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::DataInvalid, message)
    }

    /// An [`ErrorCode::CheckpointInvalid`].
    pub fn checkpoint(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::CheckpointInvalid, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// Result with our [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn the_cause_is_kept_and_does_not_count_for_equality() {
        let cause = "x".parse::<f32>().expect_err("no number");
        let error = Error::option("lr").caused_by(cause.clone());
        assert_eq!(error.source().map(ToString::to_string), Some(cause.to_string()));
        assert_eq!(error, Error::option("lr"));
        assert!(Error::option("lr").source().is_none());
    }
}
