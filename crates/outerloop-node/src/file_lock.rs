//! Locks on files, which Node itself does not have.

use napi_derive::napi;
use std::fs::{File, TryLockError};
use std::io::Write;

/// A lock on a file, held by this object alone: another one in this process does not get it either. The system takes it back
/// when the process ends, however it ends.
#[napi]
pub struct NativeFileLock {
    file: Option<File>,
    holder: Option<u32>,
    problem: Option<String>,
}

#[napi]
impl NativeFileLock {
    /// Tries to take the lock; the file is made if it is not there, and gets the number of this process.
    #[napi(constructor)]
    pub fn new(path: String) -> Self {
        let none = Self { file: None, holder: None, problem: None };
        let opened = File::options().write(true).create(true).truncate(false).open(&path);
        let mut file = match opened {
            Ok(file) => file,
            Err(error) => return Self { problem: Some(error.to_string()), ..none },
        };
        match file.try_lock() {
            Ok(()) => {
                // Only for people to read: without it the lock is as good.
                let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
                Self { file: Some(file), ..none }
            }
            Err(TryLockError::WouldBlock) => {
                let holder = std::fs::read_to_string(&path).ok().and_then(|text| text.parse().ok());
                Self { holder, ..none }
            }
            Err(TryLockError::Error(error)) => Self { problem: Some(error.to_string()), ..none },
        }
    }

    /// Whether this object has the lock.
    #[napi]
    pub fn is_held(&self) -> bool {
        self.file.is_some()
    }

    /// The process that has it, where that can be told.
    #[napi]
    pub fn holder(&self) -> Option<u32> {
        self.holder
    }

    /// What the system said if no file can be locked there.
    #[napi]
    pub fn problem(&self) -> Option<String> {
        self.problem.clone()
    }

    /// Gives the lock back. May be called twice.
    #[napi]
    pub fn close(&mut self) {
        self.file = None;
    }
}
