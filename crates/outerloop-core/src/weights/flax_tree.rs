//! A flax file as a tree: maps, arrays, and whatever else stands beside theta.

use super::msgpack::{Reader, Token};
use crate::error::{Error, Result};
use std::collections::{HashMap, HashSet};

/// Maps inside maps. Published files have three.
const MAX_DEPTH: usize = 16;
/// Axes of an array; NumPy's own limit.
const MAX_RANK: usize = 32;
/// Extension types of an array and of a NumPy scalar.
const ARRAY: i8 = 1;
const SCALAR: i8 = 3;

/// A value. Text and bytes are those of the input.
#[derive(Clone, Debug)]
pub(super) enum Node<'a> {
    /// Pairs as read; keys are unique.
    Map(Vec<(&'a str, Node<'a>)>),
    /// An array or a NumPy scalar.
    Array(Array<'a>),
    /// `None`: a subtree without leaves.
    Nil,
    /// Text.
    Text(&'a str),
    /// A count: part of a shape, or a step.
    Uint(u64),
    /// Something else, by its kind.
    Other(&'static str),
}

/// An array as stored.
#[derive(Clone, Debug)]
pub(super) struct Array<'a> {
    pub(super) shape: Vec<usize>,
    pub(super) dtype: &'a str,
    /// Row-major, little-endian.
    pub(super) bytes: &'a [u8],
}

impl<'a> Node<'a> {
    /// Reads a whole file.
    /// # Errors
    /// `CheckpointInvalid` for what is not msgpack, or not as flax writes it, or has bytes left.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        let node = Self::value(&mut reader, 0)?;
        if !reader.is_done() {
            return Err(reader.invalid("the end", "more bytes"));
        }
        Ok(node)
    }

    fn value(reader: &mut Reader<'a>, depth: usize) -> Result<Self> {
        Ok(match reader.token()? {
            Token::Map(len) => Self::map(reader, len, depth)?,
            Token::Ext(ARRAY | SCALAR, payload) => Self::Array(Array::read(payload)?),
            Token::Nil => Self::Nil,
            Token::Str(text) => Self::Text(text),
            Token::Uint(x) => Self::Uint(x),
            token @ Token::Array(_) => {
                return Err(reader.invalid("a map or an array of numbers", token.kind()));
            }
            token => Self::Other(token.kind()),
        })
    }

    /// The pairs grow as they are read: a length that the input does not have allocates nothing.
    fn map(reader: &mut Reader<'a>, len: u32, depth: usize) -> Result<Self> {
        if depth == MAX_DEPTH {
            return Err(reader.invalid(&format!("at most {MAX_DEPTH} maps inside each other"), "more"));
        }
        let mut seen = HashSet::new();
        let mut pairs = vec![];
        for _ in 0..len {
            let key = match reader.token()? {
                Token::Str(key) if !key.is_empty() && !key.contains(char::is_control) => key,
                Token::Str(_) => return Err(reader.invalid("a printable key", "another")),
                token => return Err(reader.invalid("text as a key", token.kind())),
            };
            if !seen.insert(key) {
                return Err(reader.invalid("every key once", &format!("`{key}` twice")));
            }
            pairs.push((key, Self::value(reader, depth + 1)?));
        }
        Ok(Self::Map(pairs))
    }

    /// The value of `key`, if this is a map that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.pairs()?.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// The pairs, if this is a map.
    pub(super) fn pairs(&self) -> Option<&[(&'a str, Self)]> {
        match self {
            Self::Map(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// The values of a map with the keys "0", "1", …, which is how lists and tuples are stored.
    pub(super) fn items(&self) -> Option<Vec<&Self>> {
        let pairs = self.pairs()?;
        let by_key: HashMap<&str, &Self> = pairs.iter().map(|(key, value)| (*key, value)).collect();
        (0..pairs.len()).map(|i| by_key.get(&i.to_string()[..]).copied()).collect()
    }

    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Map(_) => "a map",
            Self::Array(_) => "an array of numbers",
            Self::Nil => "nil",
            Self::Text(_) => "text",
            Self::Uint(_) => "an integer",
            Self::Other(kind) => kind,
        }
    }
}

impl<'a> Array<'a> {
    /// Reads an extension's payload: [shape, name of the type, bytes].
    fn read(payload: &'a [u8]) -> Result<Self> {
        let mut reader = Reader::new(payload);
        let invalid = |e: Error| Error::new(e.code, format!("array of numbers: {}", e.message));
        Self::parts(&mut reader).map_err(invalid)
    }

    fn parts(reader: &mut Reader<'a>) -> Result<Self> {
        let Token::Array(3) = reader.token()? else {
            return Err(reader.invalid("an array of 3", "something else"));
        };
        let rank = match reader.token()? {
            Token::Array(rank) if rank as usize <= MAX_RANK => rank,
            _ => return Err(reader.invalid(&format!("a shape of at most {MAX_RANK} axes"), "something else")),
        };
        let mut shape = vec![];
        for _ in 0..rank {
            match reader.token()? {
                Token::Uint(length) if u32::try_from(length).is_ok() => shape.push(length as usize),
                _ => return Err(reader.invalid("an axis below 2³²", "something else")),
            }
        }
        let Token::Str(dtype) = reader.token()? else {
            return Err(reader.invalid("a dtype's name", "something else"));
        };
        let Token::Bin(bytes) = reader.token()? else {
            return Err(reader.invalid("bytes", "something else"));
        };
        if !reader.is_done() {
            return Err(reader.invalid("the end", "more bytes"));
        }
        Ok(Self { shape, dtype, bytes })
    }

    /// The values of leaf `name`.
    /// # Errors
    /// `CheckpointInvalid` if they are not f32, or not as many as the shape says, or none.
    pub(super) fn values(&self, name: &str) -> Result<Vec<f32>> {
        if self.dtype != "float32" {
            return Err(Error::checkpoint(format!(
                "weights: expected dtype float32 for leaf `{name}`, got {:?}",
                self.dtype
            )));
        }
        if num_bytes(&self.shape) != Some(self.bytes.len()) || self.bytes.is_empty() {
            return Err(Error::checkpoint(format!(
                "weights: expected numbers for leaf `{name}` as its shape {:?} says, got {} bytes",
                self.shape,
                self.bytes.len()
            )));
        }
        let (words, _) = self.bytes.as_chunks::<4>();
        Ok(words.iter().map(|&word| f32::from_le_bytes(word)).collect())
    }
}

/// Bytes of an f32 array; `None` if there is no such number.
pub(super) fn num_bytes(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(4usize, |bytes, &length| bytes.checked_mul(length))
}
