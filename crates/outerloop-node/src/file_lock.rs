//! Locks on files, which Node itself does not have.

use napi_derive::napi;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind, Read, Result, Seek, Write};

/// Digits that a process number has at most.
const MAX_DIGITS: u64 = 10;

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
    /// Tries to take the lock; the file is made if it is not there, and gets the number of this process. What is no regular
    /// file, or is a link to one, is a problem and stays as it is.
    #[napi(constructor)]
    pub fn new(path: String) -> Self {
        let none = Self { file: None, holder: None, problem: None };
        let mut file = match open(&path) {
            Ok(file) => file,
            Err(error) => return Self { problem: Some(error.to_string()), ..none },
        };
        match file.try_lock() {
            Ok(()) => {
                // Only for people to read: without it the lock is as good.
                let _ = write_holder(&mut file);
                Self { file: Some(file), ..none }
            }
            Err(TryLockError::WouldBlock) => Self { holder: read_holder(&mut file), ..none },
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

/// Opens or makes the file, without waiting for anybody.
fn open(path: &str) -> Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    let file = not_following(&mut options).open(path)?;
    let facts = file.metadata()?;
    if !facts.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is no regular file"));
    }
    if num_names(&facts) > 1 {
        return Err(Error::new(ErrorKind::InvalidInput, "the file has another name too"));
    }
    Ok(file)
}

/// A symbolic link is an error then, and a pipe or a device is opened at once.
#[cfg(unix)]
fn not_following(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
}

#[cfg(not(unix))]
fn not_following(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Hard links of a file.
#[cfg(unix)]
fn num_names(facts: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(facts)
}

#[cfg(not(unix))]
fn num_names(_: &std::fs::Metadata) -> u64 {
    1
}

/// Writes the number of this process, unless the file holds something else than such a number.
fn write_holder(file: &mut File) -> Result<()> {
    if file.metadata()?.len() > 0 && read_holder(file).is_none() {
        return Ok(());
    }
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{}", std::process::id())
}

/// The number of a process that the file holds.
fn read_holder(file: &mut File) -> Option<u32> {
    file.rewind().ok()?;
    let mut text = String::new();
    file.take(MAX_DIGITS + 1).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
