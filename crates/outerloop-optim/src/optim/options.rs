//! Options of optimizers, each written once: name, type, default, range and meaning stand in one line of `options!`. From
//! it come the struct, what serde reads and refuses, the check of ranges, and the table of which `npm run build` makes the zod
//! schemas, the types and the documentation of TypeScript.

use super::checks::expect;
use crate::error::Result;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// What an option may be, besides its type.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Range {
    /// A number above 0 that f32 holds.
    Positive,
    /// A number from 0 that f32 holds.
    NonNegative,
    /// A number from 0 and below 1, as f32 too.
    Fraction,
    /// A number from 0 to 1.
    Probability,
    /// A number, both ends included.
    Between {
        /// The least.
        min: f64,
        /// The largest.
        max: f64,
    },
    /// A number that f32 holds.
    AtLeast {
        /// The least.
        min: f64,
    },
    /// A whole number, both ends included.
    Integer {
        /// The least.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// True or false.
    Flag,
    /// A regular expression without look-around.
    Pattern,
    /// One of these names.
    Choice {
        /// As in JSON.
        names: &'static [&'static str],
    },
    /// Any optimizer.
    Optimizer,
    /// What has options of its own; its schema has this name in `ts/config/optimizers/nested.ts`.
    Nested {
        /// The name.
        schema: &'static str,
    },
}

impl Range {
    /// A whole number from `min` to `max`.
    pub const fn integer(min: u64, max: u64) -> Self {
        Self::Integer { min, max }
    }

    /// A number from `min` to `max`.
    pub const fn between(min: f64, max: f64) -> Self {
        Self::Between { min, max }
    }

    /// One of `names`.
    pub const fn choice(names: &'static [&'static str]) -> Self {
        Self::Choice { names }
    }
}

/// Where an option exists at all: where another one has this value. Elsewhere it must be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Only {
    /// The other option.
    pub option: &'static str,
    /// Its value.
    pub value: &'static str,
}

/// One option.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OptionSpec {
    /// As in JSON.
    pub name: String,
    /// What it means.
    pub doc: String,
    /// What it may be.
    pub range: Range,
    /// Whether `null` is a value of its own.
    pub is_nullable: bool,
    /// What it is where it is not given; without one it must be given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// Where it exists; without it everywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<Only>,
}

/// A struct of options.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Description {
    /// What they belong to.
    pub doc: String,
    /// In order.
    pub options: Vec<OptionSpec>,
}

/// Options that can be told.
pub trait Options {
    /// All of them.
    fn describe() -> Description;
}

/// Options that know their ranges.
pub trait Ranges {
    /// Checks every option for itself.
    /// # Errors
    /// `InvalidOption` naming the option, its range and what came.
    fn check_ranges(&self) -> Result<()>;
}

/// A type of option.
pub(crate) trait OptionValue {
    /// Whether it may be `null`.
    const IS_NULLABLE: bool = false;

    /// Checks its range.
    fn check(&self, field: &str, range: Range) -> Result<()>;
}

impl OptionValue for f64 {
    fn check(&self, field: &str, range: Range) -> Result<()> {
        let x = *self;
        let largest = Self::from(f32::MAX);
        match range {
            Range::Positive => {
                let ok = (Self::from(f32::MIN_POSITIVE)..=largest).contains(&x);
                expect(ok, field, "a number > 0 that f32 holds (1.2e-38 to 3.4e38)", x)
            }
            Range::NonNegative => {
                expect((0.0..=largest).contains(&x), field, "a number >= 0 that f32 holds (up to 3.4e38)", x)
            }
            Range::Fraction => {
                let ok = x >= 0.0 && (x as f32) < 1.0;
                expect(ok, field, "in [0, 1), and in f32 still below 1 (up to 1 - 3e-8)", x)
            }
            Range::Probability => expect((0.0..=1.0).contains(&x), field, "from 0 to 1", x),
            Range::Between { min, max } => {
                expect((min..=max).contains(&x), field, &format!("{min} to {max}"), x)
            }
            Range::AtLeast { min } => {
                expect((min..=largest).contains(&x), field, &format!("finite and >= {min:?}"), x)
            }
            _ => Ok(()),
        }
    }
}

impl OptionValue for u64 {
    fn check(&self, field: &str, range: Range) -> Result<()> {
        let Range::Integer { min, max } = range else { return Ok(()) };
        expect((min..=max).contains(self), field, &format!("{min} to {max}"), self)
    }
}

impl OptionValue for usize {
    fn check(&self, field: &str, range: Range) -> Result<()> {
        (*self as u64).check(field, range)
    }
}

impl OptionValue for u8 {
    fn check(&self, field: &str, range: Range) -> Result<()> {
        u64::from(*self).check(field, range)
    }
}

impl OptionValue for String {
    fn check(&self, field: &str, range: Range) -> Result<()> {
        if range != Range::Pattern {
            return Ok(());
        }
        expect(regex::Regex::new(self).is_ok(), field, "a regular expression without look-around", self)
    }
}

impl<T: OptionValue> OptionValue for Option<T> {
    const IS_NULLABLE: bool = true;

    fn check(&self, field: &str, range: Range) -> Result<()> {
        self.as_ref().map_or(Ok(()), |value| value.check(field, range))
    }
}

/// Types whose values serde has checked, or that have checks of their own.
macro_rules! checked_elsewhere {
    ($($type:ty),*) => {
        $(impl $crate::optim::options::OptionValue for $type {
            fn check(&self, _: &str, _: $crate::optim::options::Range) -> $crate::error::Result<()> {
                Ok(())
            }
        })*
    };
}
pub(crate) use checked_elsewhere;

checked_elsewhere!(bool);

/// An optimizer inside another: its own `checked` looks at it.
impl<T> OptionValue for Box<T> {
    fn check(&self, _: &str, _: Range) -> Result<()> {
        Ok(())
    }
}

impl<T: OptionValue> OptionValue for Vec<T> {
    fn check(&self, field: &str, range: Range) -> Result<()> {
        self.iter().try_for_each(|item| item.check(field, range))
    }
}

/// An option as it was given: absent, or a value, `null` among them.
pub(crate) struct Given<T>(pub(crate) Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        T::deserialize(from).map(|value| Self(Some(value)))
    }
}

/// `min_lr_mult` as `minLrMult`.
pub(crate) fn camel_case(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |mut name, part| {
        let mut letters = part.chars();
        name.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        name.push_str(letters.as_str());
        name
    })
}

/// Lines of a doc comment as one text.
pub(crate) fn joined(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

/// A struct of options: `name: type = default => range;`, without a default where the option must be given. `, only other =
/// value, default` behind the range: the option exists where another one has that value, and is an `Option` here.
macro_rules! options {
    (@default $from:ty, $field:ident, $default:expr) => { $default };
    (@default $from:ty, $field:ident) => {{
        let name = $crate::optim::options::camel_case(stringify!($field));
        return Err(<$from as ::serde::de::Error>::custom(format_args!("missing field `{name}`")));
    }};
    (@described $type:ty $(, $default:expr)?; $there:expr) => { Some(::serde_json::json!($there)) };
    (@described $type:ty, $default:expr) => { ::serde_json::to_value::<$type>($default).ok() };
    (@described $type:ty) => { None };
    (@only $option:ident, $value:literal) => { Some(Only { option: stringify!($option), value: $value }) };
    (@only) => { None };
    (
        $(#[doc = $doc:expr])*
        pub struct $config:ident $(<$inner:ident>)? {
            $(
                $(#[doc = $field_doc:expr])*
                $field:ident: $type:ty $(= $default:expr)? => $range:expr
                    $(, only $other:ident = $value:literal, $there:expr)?;
            )*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq, ::serde::Serialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $config $(<$inner>)? {
            $(
                $(#[doc = $field_doc])*
                #[doc = concat!("\n\n", stringify!($range) $(, ", by default `", stringify!($default), "`")?, ".")]
                $(#[doc = concat!("Only where `", stringify!($other), "` is `", $value, "`.")]
                #[serde(skip_serializing_if = "Option::is_none")])?
                pub $field: $type,
            )*
        }

        const _: () = {
            use $crate::optim::options::{self, Description, Options, Ranges};
            #[allow(unused_imports, reason = "there may be no such options")]
            use $crate::optim::options::{Given, Only, OptionSpec, OptionValue, Range};

            #[derive(::serde::Deserialize)]
            #[serde(default, rename_all = "camelCase", deny_unknown_fields)]
            struct AsGiven $(<$inner>)? {
                $($field: Given<$type>,)*
            }

            impl $(<$inner>)? Default for AsGiven $(<$inner>)? {
                fn default() -> Self {
                    Self { $($field: Given(None),)* }
                }
            }

            impl<'de $(, $inner: ::serde::Deserialize<'de>)?> ::serde::Deserialize<'de> for $config $(<$inner>)? {
                fn deserialize<D: ::serde::Deserializer<'de>>(from: D) -> ::std::result::Result<Self, D::Error> {
                    #[allow(unused_variables, reason = "there may be no options")]
                    let given = AsGiven::deserialize(from)?;
                    Ok(Self {
                        $($field: match given.$field.0 {
                            Some(value) => value,
                            None => $crate::optim::options::options!(@default D::Error, $field $(, $default)?),
                        },)*
                    })
                }
            }

            impl $(<$inner>)? Options for $config $(<$inner>)? {
                fn describe() -> Description {
                    let options = vec![$(OptionSpec {
                        name: options::camel_case(stringify!($field)),
                        doc: options::joined(&[$($field_doc),*]),
                        range: $range,
                        is_nullable: <$type as OptionValue>::IS_NULLABLE $(&& stringify!($other).is_empty())?,
                        default: options::options!(@described $type $(, $default)? $(; $there)?),
                        only: options::options!(@only $($other, $value)?),
                    }),*];
                    Description { doc: options::joined(&[$($doc),*]), options }
                }
            }

            impl $(<$inner>)? Ranges for $config $(<$inner>)? {
                fn check_ranges(&self) -> $crate::error::Result<()> {
                    $(self.$field.check(&options::camel_case(stringify!($field)), $range)?;)*
                    Ok(())
                }
            }
        };
    };
}
pub(crate) use options;
