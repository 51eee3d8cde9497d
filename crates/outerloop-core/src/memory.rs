//! How much memory a call may take: asked before anything large is allocated.

use crate::error::{Error, ErrorCode, Result};
use std::fmt::Display;

/// Most bytes that loading a data set, or running inner problems, may take. It is compared with an estimate from shapes and
/// counts, never with what the machine has, so that the same call is accepted on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct MemoryLimit(u64);

impl Default for MemoryLimit {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl MemoryLimit {
    /// 8 GiB.
    pub const DEFAULT: Self = Self(8 << 30);

    /// A limit of `bytes`.
    pub fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The limit.
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// What an error says was expected of `subject`.
    pub fn expected(self, subject: impl Display) -> String {
        format!("{subject} to take at most {} bytes of memory (`maxMemoryBytes`)", self.0)
    }

    /// Checks that `subject` fits, which would take `wanted` bytes.
    /// # Errors
    /// `code`, with the size wanted and the limit.
    pub fn check(self, code: ErrorCode, subject: impl Display, wanted: u64) -> Result<()> {
        if wanted <= self.0 {
            return Ok(());
        }
        Err(Error::new(code, format!("expected {}, got about {wanted}", self.expected(subject))))
    }
}

/// A count that grows while something is read, and stops at a limit.
#[derive(Clone, Debug)]
pub struct MemoryBudget {
    limit: MemoryLimit,
    taken: u64,
}

impl MemoryBudget {
    /// Nothing taken yet.
    pub fn new(limit: MemoryLimit) -> Self {
        Self { limit, taken: 0 }
    }

    /// The limit.
    pub fn limit(&self) -> MemoryLimit {
        self.limit
    }

    /// Bytes that may still be taken.
    pub fn left(&self) -> u64 {
        self.limit.0.saturating_sub(self.taken)
    }

    /// Takes `bytes` more, or says how many bytes there would be in all.
    pub fn take(&mut self, bytes: u64) -> std::result::Result<(), u64> {
        let taken = self.taken.saturating_add(bytes);
        if taken > self.limit.0 {
            return Err(taken);
        }
        self.taken = taken;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_names_what_was_wanted_and_the_limit() {
        let limit = MemoryLimit::new(1000);
        assert_eq!(limit.check(ErrorCode::InvalidOption, "theta", 1000), Ok(()));
        let error = limit.check(ErrorCode::InvalidOption, "theta", 1001).expect_err("too much");
        assert_eq!(
            error.message,
            "expected theta to take at most 1000 bytes of memory (`maxMemoryBytes`), got about 1001"
        );
    }

    #[test]
    fn a_budget_stops_before_its_limit_is_passed() {
        let mut budget = MemoryBudget::new(MemoryLimit::new(10));
        assert_eq!((budget.take(7), budget.left()), (Ok(()), 3));
        assert_eq!((budget.take(4), budget.left()), (Err(11), 3));
        assert_eq!(budget.take(u64::MAX), Err(u64::MAX));
        assert_eq!((budget.take(3), budget.left()), (Ok(()), 0));
    }
}
