//! msgpack, token by token, from a slice: what a token says of its length is checked against what is left.

use crate::error::{Error, Result};
use rmp::Marker;

/// One value, or the head of a container whose values follow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    Nil,
    Bool(bool),
    Uint(u64),
    /// Below zero.
    Int(i64),
    Float(f64),
    Str(&'a str),
    Bin(&'a [u8]),
    /// Number of values that follow.
    Array(u32),
    /// Number of pairs that follow.
    Map(u32),
    /// Type and payload.
    Ext(i8, &'a [u8]),
}

impl Token<'_> {
    /// What it is, for messages.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "a boolean",
            Self::Uint(_) | Self::Int(_) => "an integer",
            Self::Float(_) => "a float",
            Self::Str(_) => "text",
            Self::Bin(_) => "bytes",
            Self::Array(_) => "an array",
            Self::Map(_) => "a map",
            Self::Ext(..) => "an extension",
        }
    }
}

/// Reads tokens.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Whether all is read.
    pub(super) fn is_done(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// An error at the present place.
    pub(super) fn invalid(&self, expected: &str, got: &str) -> Error {
        Error::checkpoint(format!("msgpack, byte {}: expected {expected}, got {got}", self.at))
    }

    /// The next token.
    /// # Errors
    /// `CheckpointInvalid` at the end of the bytes, inside a value too, and for text that is not UTF-8.
    pub(super) fn token(&mut self) -> Result<Token<'a>> {
        Ok(match Marker::from_u8(self.array::<1>()?[0]) {
            Marker::Null => Token::Nil,
            Marker::True => Token::Bool(true),
            Marker::False => Token::Bool(false),
            Marker::FixPos(x) => Token::Uint(x.into()),
            Marker::U8 => Token::Uint(self.uint::<1>()?),
            Marker::U16 => Token::Uint(self.uint::<2>()?),
            Marker::U32 => Token::Uint(self.uint::<4>()?),
            Marker::U64 => Token::Uint(self.uint::<8>()?),
            Marker::FixNeg(x) => signed(x.into()),
            Marker::I8 => signed(i8::from_be_bytes(self.array()?).into()),
            Marker::I16 => signed(i16::from_be_bytes(self.array()?).into()),
            Marker::I32 => signed(i32::from_be_bytes(self.array()?).into()),
            Marker::I64 => signed(i64::from_be_bytes(self.array()?)),
            Marker::F32 => Token::Float(f32::from_be_bytes(self.array()?).into()),
            Marker::F64 => Token::Float(f64::from_be_bytes(self.array()?)),
            Marker::FixStr(len) => self.text(len.into())?,
            Marker::Str8 => self.sized_text::<1>()?,
            Marker::Str16 => self.sized_text::<2>()?,
            Marker::Str32 => self.sized_text::<4>()?,
            Marker::Bin8 => self.bin::<1>()?,
            Marker::Bin16 => self.bin::<2>()?,
            Marker::Bin32 => self.bin::<4>()?,
            Marker::FixArray(len) => Token::Array(len.into()),
            Marker::Array16 => Token::Array(self.uint::<2>()? as u32),
            Marker::Array32 => Token::Array(self.uint::<4>()? as u32),
            Marker::FixMap(len) => Token::Map(len.into()),
            Marker::Map16 => Token::Map(self.uint::<2>()? as u32),
            Marker::Map32 => Token::Map(self.uint::<4>()? as u32),
            Marker::FixExt1 => self.ext(1)?,
            Marker::FixExt2 => self.ext(2)?,
            Marker::FixExt4 => self.ext(4)?,
            Marker::FixExt8 => self.ext(8)?,
            Marker::FixExt16 => self.ext(16)?,
            Marker::Ext8 => self.sized_ext::<1>()?,
            Marker::Ext16 => self.sized_ext::<2>()?,
            Marker::Ext32 => self.sized_ext::<4>()?,
            Marker::Reserved => return Err(self.invalid("a value", "the reserved byte 0xc1")),
        })
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let Some(taken) = usize::try_from(len).ok().and_then(|len| rest.get(..len)) else {
            return Err(self.invalid(&format!("{len} bytes"), &format!("{} and the end", rest.len())));
        };
        self.at += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N as u64)?);
        Ok(out)
    }

    fn uint<const N: usize>(&mut self) -> Result<u64> {
        Ok(self.array::<N>()?.iter().fold(0, |x, &byte| x << 8 | u64::from(byte)))
    }

    fn text(&mut self, len: u64) -> Result<Token<'a>> {
        let bytes = self.take(len)?;
        std::str::from_utf8(bytes)
            .map(Token::Str)
            .map_err(|_| self.invalid("text", "bytes that are no UTF-8"))
    }

    fn sized_text<const N: usize>(&mut self) -> Result<Token<'a>> {
        let len = self.uint::<N>()?;
        self.text(len)
    }

    fn bin<const N: usize>(&mut self) -> Result<Token<'a>> {
        let len = self.uint::<N>()?;
        self.take(len).map(Token::Bin)
    }

    fn sized_ext<const N: usize>(&mut self) -> Result<Token<'a>> {
        let len = self.uint::<N>()?;
        self.ext(len)
    }

    fn ext(&mut self, len: u64) -> Result<Token<'a>> {
        let kind = i8::from_be_bytes(self.array()?);
        Ok(Token::Ext(kind, self.take(len)?))
    }
}

fn signed(x: i64) -> Token<'static> {
    u64::try_from(x).map_or(Token::Int(x), Token::Uint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<Token<'_>>> {
        let mut reader = Reader::new(bytes);
        let mut out = vec![];
        while !reader.is_done() {
            out.push(reader.token()?);
        }
        Ok(out)
    }

    /// Values written by the crate that the writer uses, of every form of header.
    #[test]
    fn tokens_are_those_that_were_written() {
        let mut bytes = vec![];
        let long = "x".repeat(70_000);
        for len in [0, 3, 40, 300, 70_000] {
            rmp::encode::write_str(&mut bytes, &long[..len]).expect("memory");
            rmp::encode::write_bin(&mut bytes, &long.as_bytes()[..len]).expect("memory");
        }
        for len in [1, 2, 4, 8, 16, 17, 300, 70_000] {
            rmp::encode::write_ext_meta(&mut bytes, len, -3).expect("memory");
            bytes.extend_from_slice(&long.as_bytes()[..len as usize]);
        }
        for x in [-1i64, -40, -200, -40_000, i64::MIN, 5, 200, 40_000, 5_000_000_000] {
            rmp::encode::write_sint(&mut bytes, x).expect("memory");
        }
        for len in [1, 20, 70_000] {
            rmp::encode::write_map_len(&mut bytes, len).expect("memory");
            rmp::encode::write_array_len(&mut bytes, len).expect("memory");
        }
        rmp::encode::write_f32(&mut bytes, 0.5).expect("memory");
        rmp::encode::write_f64(&mut bytes, -0.25).expect("memory");
        rmp::encode::write_bool(&mut bytes, true).expect("memory");
        rmp::encode::write_nil(&mut bytes).expect("memory");
        let mut expected = vec![];
        for len in [0, 3, 40, 300, 70_000] {
            expected.extend([Token::Str(&long[..len]), Token::Bin(&long.as_bytes()[..len])]);
        }
        expected.extend([1, 2, 4, 8, 16, 17, 300, 70_000].map(|len| Token::Ext(-3, &long.as_bytes()[..len])));
        expected.extend([-1, -40, -200, -40_000, i64::MIN].map(Token::Int));
        expected.extend([5, 200, 40_000, 5_000_000_000].map(Token::Uint));
        for len in [1, 20, 70_000] {
            expected.extend([Token::Map(len), Token::Array(len)]);
        }
        expected.extend([Token::Float(0.5), Token::Float(-0.25), Token::Bool(true), Token::Nil]);
        assert_eq!(all(&bytes).expect("whole"), expected);
    }

    #[test]
    fn lengths_beyond_the_end_are_refused() {
        for bytes in [
            &b"\xa3ab"[..],
            b"\xdb\xff\xff\xff\xff",
            b"\xc6\xff\xff\xff\xffx",
            b"\xc9\x80",
            b"\xcf\x00",
            b"\xc1",
            b"\xa1\xff",
        ] {
            assert!(all(bytes).is_err(), "{bytes:?}");
        }
    }
}
