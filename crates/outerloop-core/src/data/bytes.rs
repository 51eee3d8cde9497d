//! Bytes that start on a cache line.

use std::fmt;
use std::ops::Deref;

/// Bytes of a cache line.
const LINE: usize = 64;

/// Bytes that start on a cache line: of examples as long as a line or a part of it none is in two. A minibatch is scattered
/// over the data set, so every line of it is fetched from afar.
pub struct AlignedBytes {
    buffer: Vec<u8>,
    /// Where they start.
    start: usize,
}

impl From<Vec<u8>> for AlignedBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from(&bytes[..])
    }
}

impl From<&[u8]> for AlignedBytes {
    fn from(bytes: &[u8]) -> Self {
        let mut aligned = Self::with_capacity(bytes.len());
        aligned.buffer.extend_from_slice(bytes);
        aligned
    }
}

impl AlignedBytes {
    fn with_capacity(len: usize) -> Self {
        let mut buffer = Vec::<u8>::with_capacity(len + LINE - 1);
        // What is above is no offset: the standard library may decline to tell.
        let start = Some(buffer.as_ptr().align_offset(LINE)).filter(|&start| start < LINE).unwrap_or(0);
        buffer.resize(start, 0);
        Self { buffer, start }
    }

    /// The examples of `example_len` bytes each, in the given order; without one, as they are.
    /// # Panics
    /// If an example of `order` is not there: a bug of the caller.
    pub(super) fn gather(bytes: &[u8], example_len: usize, order: Option<&[u32]>) -> Self {
        let Some(order) = order else { return bytes.into() };
        let mut aligned = Self::with_capacity(order.len() * example_len);
        for &i in order {
            aligned.buffer.extend_from_slice(&bytes[i as usize * example_len..][..example_len]);
        }
        aligned
    }
}

impl FromIterator<u8> for AlignedBytes {
    fn from_iter<I: IntoIterator<Item = u8>>(bytes: I) -> Self {
        Self::from(bytes.into_iter().collect::<Vec<_>>())
    }
}

impl Deref for AlignedBytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.buffer[self.start..]
    }
}

impl Clone for AlignedBytes {
    fn clone(&self) -> Self {
        Self::from(&**self)
    }
}

impl PartialEq for AlignedBytes {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Debug for AlignedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deref().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_start_on_a_line_and_so_do_their_copies() {
        for len in [0, 1, 63, 64, 1000] {
            let plain: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let bytes = AlignedBytes::from(plain.clone());
            for bytes in [&bytes, &bytes.clone()] {
                assert_eq!(bytes[..], plain[..]);
                assert_eq!(bytes.as_ptr().align_offset(LINE), 0);
            }
            assert!(bytes == bytes.clone());
        }
        assert!(AlignedBytes::from(vec![1, 2]) != AlignedBytes::from(vec![1, 3]));
    }
}
