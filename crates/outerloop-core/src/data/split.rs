//! The four splits of a data set and the rule that cuts them.

use crate::error::{Error, Result};
use std::ops::Range;

/// One of the four disjoint parts of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum Split {
    /// What inner steps train on.
    Train,
    /// What a learned optimizer may look at while it trains the inner problem.
    InnerValid,
    /// What the meta-loss may be measured on.
    OuterValid,
    /// What nothing but the final evaluation sees.
    Test,
}

impl Split {
    /// Every split, in the order of declaration.
    pub const ALL: [Self; 4] = [Self::Train, Self::InnerValid, Self::OuterValid, Self::Test];

    /// The split's name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::InnerValid => "innerValid",
            Self::OuterValid => "outerValid",
            Self::Test => "test",
        }
    }
}

/// The examples of each split: four ranges that together cover a data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splits([Range<usize>; 4]);

impl Splits {
    /// Cuts `num_examples` by their order in the file.
    ///
    /// Without an official test part: the first tenth (rounded down) is `innerValid`, the next `outerValid`, the
    /// next `test`, the rest `train`. With one, the last `num_official_test` examples are `test`, and the tenths
    /// are taken of those before them.
    /// # Errors
    /// `DataInvalid` if a split would be empty; the message starts with `name`.
    pub fn by_file_order(name: &str, num_examples: usize, num_official_test: Option<usize>) -> Result<Self> {
        if num_official_test == Some(0) {
            return Err(Error::data(format!("{name}: expected at least 1 test example, got 0")));
        }
        let num_rest = num_examples.saturating_sub(num_official_test.unwrap_or(0));
        if num_rest < 10 {
            return Err(Error::data(format!(
                "{name}: expected at least 10 examples outside an official test part, so that no split is empty, got {num_rest}"
            )));
        }
        let tenth = num_rest / 10;
        Ok(Self(match num_official_test {
            None => [3 * tenth..num_rest, 0..tenth, tenth..2 * tenth, 2 * tenth..3 * tenth],
            Some(_) => [2 * tenth..num_rest, 0..tenth, tenth..2 * tenth, num_rest..num_examples],
        }))
    }

    /// The examples of `split`.
    pub fn range(&self, split: Split) -> Range<usize> {
        self.0[split as usize].clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(n: usize, test: Option<usize>) -> Vec<Range<usize>> {
        let splits = Splits::by_file_order("s", n, test).expect("large enough");
        Split::ALL.map(|s| splits.range(s)).to_vec()
    }

    #[test]
    fn tenths_are_rounded_down_and_taken_from_the_front() {
        assert_eq!(ranges(29, None), [6..29, 0..2, 2..4, 4..6]);
        assert_eq!(ranges(10, None), [3..10, 0..1, 1..2, 2..3]);
        assert_eq!(ranges(29, Some(4)), [4..25, 0..2, 2..4, 25..29]);
    }

    #[test]
    fn empty_splits_are_refused() {
        for (n, test) in [(9, None), (0, None), (12, Some(3)), (12, Some(0)), (2, Some(5))] {
            let error = Splits::by_file_order("tiny", n, test).expect_err("too small");
            assert!(error.message.starts_with("tiny: expected at least 1"), "{error}");
        }
    }

    #[test]
    fn json_names_are_those_of_as_str() {
        for split in Split::ALL {
            assert_eq!(serde_json::json!(split), split.as_str());
        }
    }
}
