//! Reading untrusted files front to back, and the form of every complaint about them.

use crate::error::{Error, Result};
use crate::memory::{MemoryBudget, MemoryLimit};
use flate2::bufread::MultiGzDecoder;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

/// What takes the memory.
const SUBJECT: &str = "the data set";

/// How a file is called in errors.
#[derive(Clone, Debug)]
pub(super) struct FileName {
    path: String,
    is_gzip: bool,
}

impl FileName {
    /// `<file>: at byte <offset>: expected …, got …`. Offsets into a gzipped file count unpacked bytes.
    pub fn error(&self, offset: u64, expected: impl Display, got: impl Display) -> Error {
        let unpacked = if self.is_gzip { " of the unpacked data" } else { "" };
        Error::data(format!("{}: at byte {offset}{unpacked}: expected {expected}, got {got}", self.path))
    }

    /// What a read that failed after `offset` bytes means.
    pub fn read_error(&self, offset: u64, e: &io::Error) -> Error {
        let expected = if self.is_gzip { "intact gzip data" } else { "a readable file" };
        match e.kind() {
            io::ErrorKind::UnexpectedEof => self.error(offset, expected, "the end of the file"),
            // Only [`DataFile::read`] makes this one.
            io::ErrorKind::QuotaExceeded => self.error(offset, e, "more"),
            _ => self.error(offset, expected, e),
        }
    }

    /// Takes `bytes` of memory for what lies at byte `offset`.
    /// # Errors
    /// `DataInvalid` with the size wanted and the limit.
    pub fn take(&self, budget: &mut MemoryBudget, offset: u64, bytes: u64) -> Result<()> {
        budget.take(bytes).map_err(|wanted| {
            self.error(offset, budget.limit().expected(SUBJECT), format!("at least {wanted}"))
        })
    }

    /// Path of the file.
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// A file being read, plain or gzipped; which of the two is told by its first two bytes.
pub(super) struct DataFile {
    name: FileName,
    reader: Box<dyn Read>,
    /// Bytes read so far, after unpacking.
    offset: u64,
    /// Length of a plain file. A gzipped file does not say its length before it is read.
    plain_len: Option<u64>,
    /// Where reading is refused, and the limit that says so.
    ceiling: Option<(u64, MemoryLimit)>,
}

impl DataFile {
    /// Opens `path`.
    /// # Errors
    /// `DataInvalid` if it is not a readable regular file.
    pub fn open(path: &Path) -> Result<Self> {
        let mut name = FileName { path: path.display().to_string(), is_gzip: false };
        // Asked before opening: opening a pipe would wait for its writer.
        let metadata =
            std::fs::metadata(path).map_err(|e| name.error(0, "a readable file", &e).caused_by(e))?;
        if !metadata.is_file() {
            return Err(name.error(0, "a regular file", "a folder or device"));
        }
        let unreadable = |e: io::Error| name.error(0, "a readable file", &e).caused_by(e);
        let mut file = File::open(path).map_err(unreadable)?;
        let mut magic = Vec::new();
        (&mut file).take(2).read_to_end(&mut magic).map_err(unreadable)?;
        file.rewind().map_err(unreadable)?;
        let file = BufReader::new(file);
        name.is_gzip = magic == [0x1f, 0x8b];
        Ok(if name.is_gzip {
            Self {
                name,
                reader: Box::new(MultiGzDecoder::new(file)),
                offset: 0,
                plain_len: None,
                ceiling: None,
            }
        } else {
            let plain_len = Some(metadata.len());
            Self { name, reader: Box::new(file), offset: 0, plain_len, ceiling: None }
        })
    }

    /// How the file is called in errors.
    pub fn name(&self) -> &FileName {
        &self.name
    }

    /// Bytes read so far, after unpacking.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next `len` bytes, of which `what` says what they are.
    /// # Errors
    /// `DataInvalid` if the file ends before, or its gzip data are damaged.
    pub fn read_bytes(&mut self, len: u64, what: &str) -> Result<Vec<u8>> {
        let start = self.offset;
        let expected = format!("{len} bytes of {what} from byte {start} on");
        let end = "the end of the file";
        // A plain file answers from its length, before anything is allocated.
        if let Some(plain_len) = self.plain_len
            && plain_len.saturating_sub(start) < len
        {
            return Err(self.name.error(plain_len, expected, end));
        }
        let mut bytes = Vec::new();
        if let Err(e) = self.by_ref().take(len).read_to_end(&mut bytes) {
            return Err(self.name.read_error(self.offset, &e));
        }
        if (bytes.len() as u64) < len {
            return Err(self.name.error(self.offset, expected, end));
        }
        Ok(bytes)
    }

    /// Refuses to read more than `bytes` from here on: for readers that gather what they read before they show it.
    pub fn allow(&mut self, bytes: u64, limit: MemoryLimit) {
        self.ceiling = Some((self.offset.saturating_add(bytes), limit));
    }

    /// Fills `buffer`; returns how much of it there was before the end of the file.
    /// # Errors
    /// `DataInvalid` if the file cannot be read, or its gzip data are damaged.
    pub fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut len = 0;
        while len < buffer.len() {
            match self.read(&mut buffer[len..]) {
                Ok(0) => break,
                Ok(more) => len += more,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.name.read_error(self.offset, &e)),
            }
        }
        Ok(len)
    }

    /// Passes over a line, with its line break.
    /// # Errors
    /// `DataInvalid` if the file ends before it begins, or cannot be read.
    pub fn skip_line(&mut self) -> Result<()> {
        let (start, mut byte) = (self.offset, [0]);
        while self.fill(&mut byte)? == 1 {
            if byte == *b"\n" {
                return Ok(());
            }
        }
        if self.offset > start {
            Ok(())
        } else {
            Err(self.name.error(start, "a line to skip", "the end of the file"))
        }
    }

    /// Checks that nothing is left. Only here is a gzipped file's checksum compared.
    /// # Errors
    /// `DataInvalid` if there is more, or the gzip data are damaged.
    pub fn expect_end(&mut self) -> Result<()> {
        let end = self.offset;
        let mut byte = [0];
        match self.read(&mut byte) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.name.error(end, "the end of the file", "more bytes")),
            Err(e) => Err(self.name.read_error(self.offset, &e)),
        }
    }
}

impl Read for DataFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.reader.read(buffer)?;
        self.offset += len as u64;
        match self.ceiling {
            Some((ceiling, limit)) if self.offset > ceiling => {
                Err(io::Error::new(io::ErrorKind::QuotaExceeded, limit.expected(SUBJECT)))
            }
            _ => Ok(len),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    /// The message of the first failure of reading `len` bytes and the end, without the path.
    fn read(bytes: &[u8], len: u64) -> std::result::Result<Vec<u8>, String> {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        std::fs::write(file.path(), bytes).expect("written");
        let mut data = DataFile::open(file.path()).expect("opens");
        data.read_bytes(len, "stuff").and_then(|bytes| data.expect_end().map(|()| bytes)).map_err(|e| {
            let path = file.path().display().to_string();
            e.message.strip_prefix(&path).expect("names the file").to_owned()
        })
    }

    #[test]
    fn plain_and_gzipped_files_read_the_same() {
        let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        assert_eq!(read(&bytes, 100_000).as_deref(), Ok(&bytes[..]));
        assert_eq!(read(&gzip(&bytes), 100_000).as_deref(), Ok(&bytes[..]));
    }

    #[test]
    fn wrong_lengths_are_refused() {
        let refused = |bytes: &[u8], len| read(bytes, len).expect_err("wrong length");
        let early = "expected 9 bytes of stuff from byte 0 on, got the end of the file";
        assert_eq!(refused(&[7; 8], 9), format!(": at byte 8: {early}"));
        assert_eq!(refused(&gzip(&[7; 8]), 9), format!(": at byte 8 of the unpacked data: {early}"));
        assert_eq!(refused(&[7; 8], 7), ": at byte 7: expected the end of the file, got more bytes");
        let more = ": at byte 7 of the unpacked data: expected the end of the file, got more bytes";
        assert_eq!(refused(&gzip(&[7; 8]), 7), more);
        // A length no memory could hold is refused from the file's own length.
        assert!(refused(&[7; 8], u64::MAX).contains("got the end of the file"));
    }

    #[test]
    fn damaged_gzip_is_refused() {
        let intact = gzip(&[7; 1000]);
        let refused = |bytes: &[u8]| read(bytes, 1000).expect_err("damaged");
        for len in 2..intact.len() {
            assert!(refused(&intact[..len]).contains("expected intact gzip data"), "cut to {len} bytes");
        }
        let mut wrong_checksum = intact.clone();
        wrong_checksum[intact.len() - 8] ^= 1;
        assert!(
            refused(&wrong_checksum).contains("at byte 1000 of the unpacked data: expected intact gzip data")
        );
        let mut trailing = intact;
        trailing.extend(b"xx");
        assert!(refused(&trailing).contains("expected intact gzip data"));
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let refused = |path: &Path| DataFile::open(path).map(|_| ()).expect_err("no file").message;
        assert!(
            refused(dir.path()).ends_with(": at byte 0: expected a regular file, got a folder or device")
        );
        let missing = dir.path().join("missing");
        assert!(
            refused(&missing)
                .starts_with(&format!("{}: at byte 0: expected a readable file, got", missing.display()))
        );
    }
}
