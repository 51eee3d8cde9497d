//! A labelled data set in memory.

use super::bytes::AlignedBytes;
use super::split::{Split, Splits};
use crate::error::{Error, Result};
use std::fmt;
use std::ops::Range;

/// Fewest and most classes a data set may have.
pub const NUM_CLASSES: std::ops::RangeInclusive<usize> = 2..=1000;

/// Values of every example, one example after another.
#[derive(Clone, Debug, PartialEq)]
pub enum Pixels {
    /// Image bytes: kept as bytes, so that a data set takes a quarter of the memory and stays in cache longer.
    U8(AlignedBytes),
    /// Columns of a table, already standardised.
    F32(Vec<f32>),
}

impl Pixels {
    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(values) => values.len(),
            Self::F32(values) => values.len(),
        }
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What an [`ImageSet`] is made of, before it is checked.
///
/// # Shapes
/// `pixels: [num_examples, channels, height, width]` row-major, so that colours are planar; `labels: [num_examples]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Examples {
    /// Values of every example.
    pub pixels: Pixels,
    /// Class of every example.
    pub labels: Vec<u16>,
    /// Rows of an image; 1 for a table.
    pub height: usize,
    /// Columns of an image; the number of features for a table.
    pub width: usize,
    /// 1 for grey images and tables, 3 for RGB.
    pub channels: usize,
}

/// A checked, immutable, labelled data set with its four splits.
#[derive(Clone, PartialEq)]
pub struct ImageSet {
    name: String,
    examples: Examples,
    num_classes: usize,
    splits: Splits,
    mean: f64,
    std: f64,
    notes: Vec<String>,
}

impl ImageSet {
    /// Checks `examples` and cuts them by [`Splits::by_file_order`]; `num_official_test` says how many of the last
    /// examples are an official test part.
    /// # Errors
    /// `DataInvalid` if `num_classes` is outside [`NUM_CLASSES`], an axis is 0, lengths disagree, a label is not below
    /// `num_classes`, a value is not finite, a split would be empty, or there are 2³² examples or more.
    pub fn new(
        name: impl Into<String>,
        examples: Examples,
        num_classes: usize,
        num_official_test: Option<usize>,
    ) -> Result<Self> {
        let name = name.into();
        let refuse = |what: String| Err(Error::data(format!("{name}: {what}")));
        if !NUM_CLASSES.contains(&num_classes) {
            return refuse(format!(
                "expected {} to {} classes, got {num_classes}",
                NUM_CLASSES.start(),
                NUM_CLASSES.end()
            ));
        }
        let Examples { pixels, labels, height, width, channels } = &examples;
        let expected = [*channels, *height, *width].iter().try_fold(labels.len(), |n, &d| n.checked_mul(d));
        if [*channels, *height, *width].contains(&0) || expected != Some(pixels.len()) {
            return refuse(format!(
                "expected {} labels x {channels} channels x {height} rows x {width} columns of pixels, every axis at least 1, got {} values",
                labels.len(),
                pixels.len()
            ));
        }
        if let Some(i) = labels.iter().position(|&label| usize::from(label) >= num_classes) {
            return refuse(format!("expected labels below {num_classes}, got {} at example {i}", labels[i]));
        }
        if let Pixels::F32(values) = pixels
            && let Some(i) = values.iter().position(|v| !v.is_finite())
        {
            return refuse(format!("expected finite values, got {} at value {i}", values[i]));
        }
        if u32::try_from(labels.len()).is_err() {
            return refuse(format!("expected fewer than 2^32 examples, got {}", labels.len()));
        }
        let splits = Splits::by_file_order(&name, labels.len(), num_official_test)?;
        let train = splits.range(Split::Train);
        let example_len = channels * height * width;
        let (mean, std) = moments(pixels, train.start * example_len..train.end * example_len);
        Ok(Self { name, examples, num_classes, splits, mean, std, notes: vec![] })
    }

    /// The set with what a person should know of it.
    pub(super) fn with_notes(self, notes: Vec<String>) -> Self {
        Self { notes, ..self }
    }

    /// What a person should know of it, a sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// A number that tells names, shapes, values and labels from any other set's with near certainty (FNV-1a).
    pub fn fingerprint(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        let shape = [self.height(), self.width(), self.channels(), self.num_classes, self.num_examples()];
        let test = self.range(Split::Test);
        let numbers = shape.into_iter().chain([test.start, test.end]);
        self.name.bytes().for_each(&mut add);
        numbers.flat_map(|n| (n as u64).to_le_bytes()).for_each(&mut add);
        self.labels().iter().flat_map(|label| label.to_le_bytes()).for_each(&mut add);
        match self.pixels() {
            Pixels::U8(values) => values.iter().copied().for_each(&mut add),
            Pixels::F32(values) => values.iter().flat_map(|v| v.to_le_bytes()).for_each(&mut add),
        }
        hash
    }

    /// Memory that its examples take.
    pub fn memory_bytes(&self) -> u64 {
        let value_bytes = match self.pixels() {
            Pixels::U8(_) => 1,
            Pixels::F32(_) => 4,
        };
        value_bytes * self.pixels().len() as u64 + 2 * self.labels().len() as u64
    }

    /// Name under which tasks refer to the data set.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Values of every example; see [`Examples`] for their order.
    pub fn pixels(&self) -> &Pixels {
        &self.examples.pixels
    }

    /// Class of every example.
    pub fn labels(&self) -> &[u16] {
        &self.examples.labels
    }

    /// Rows of an image; 1 for a table.
    pub fn height(&self) -> usize {
        self.examples.height
    }

    /// Columns of an image; the number of features for a table.
    pub fn width(&self) -> usize {
        self.examples.width
    }

    /// 1 for grey images and tables, 3 for RGB.
    pub fn channels(&self) -> usize {
        self.examples.channels
    }

    /// Values per example.
    pub fn example_len(&self) -> usize {
        self.channels() * self.height() * self.width()
    }

    /// Number of examples over all splits.
    pub fn num_examples(&self) -> usize {
        self.labels().len()
    }

    /// Number of classes; every label is below it.
    pub fn num_classes(&self) -> usize {
        self.num_classes
    }

    /// The examples of `split`; never empty.
    pub fn range(&self, split: Split) -> Range<usize> {
        self.splits.range(split)
    }

    /// Number of examples in `split`; never 0.
    pub fn split_len(&self, split: Split) -> usize {
        self.range(split).len()
    }

    /// Mean value over the train split, in the unit of the `unit` pixel scale: bytes divided by 255, table values
    /// as they are.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Standard deviation over the train split in the unit of [`ImageSet::mean`] (divisor n). It is 1 if all values are
    /// equal, so that dividing by it is safe.
    pub fn std(&self) -> f64 {
        self.std
    }
}

impl fmt::Debug for ImageSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageSet")
            .field("name", &self.name)
            .field("num_examples", &self.num_examples())
            .field("shape", &[self.channels(), self.height(), self.width()])
            .field("num_classes", &self.num_classes)
            .finish_non_exhaustive()
    }
}

/// Mean and standard deviation of a non-empty range. Sums of bytes are exact integers, sums of floats run in order in
/// f64: the same bits everywhere.
fn moments(pixels: &Pixels, range: Range<usize>) -> (f64, f64) {
    let (mean, variance) = match pixels {
        Pixels::U8(values) => {
            let values = &values[range];
            let n = values.len() as u128;
            let sum = values.iter().map(|&v| u64::from(v)).sum::<u64>();
            let sum_of_squares = values.iter().map(|&v| u64::from(v) * u64::from(v)).sum::<u64>();
            let (sum, sum_of_squares) = (u128::from(sum), u128::from(sum_of_squares));
            let n_squared = (n * n) as f64;
            let variance = (n * sum_of_squares - sum * sum) as f64 / n_squared / (255.0 * 255.0);
            (sum as f64 / n as f64 / 255.0, variance)
        }
        Pixels::F32(values) => {
            let values = &values[range];
            let n = values.len() as f64;
            let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
            (mean, values.iter().map(|&v| (f64::from(v) - mean) * (f64::from(v) - mean)).sum::<f64>() / n)
        }
    };
    (mean, if variance > 0.0 { variance.sqrt() } else { 1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    fn examples() -> Examples {
        let pixels = Pixels::U8((0..40).map(|i| if i < 12 { 255 } else { i % 4 }).collect());
        Examples { pixels, labels: (0..10).map(|i| i % 2).collect(), height: 2, width: 2, channels: 1 }
    }

    #[test]
    fn moments_are_of_the_train_split_only() {
        let set = ImageSet::new("s", examples(), 2, None).expect("valid");
        assert_eq!(set.range(Split::Train), 3..10);
        // Train pixels are 0, 1, 2, 3 seven times: mean 3/2, variance 5/4. A few ulps for the divisions by 255.
        assert!((set.mean() - 1.5 / 255.0).abs() < 1e-17);
        assert!((set.std() - 1.25f64.sqrt() / 255.0).abs() < 1e-17);
        assert_eq!((set.num_examples(), set.example_len(), set.split_len(Split::Test)), (10, 4, 1));
    }

    #[test]
    fn float_and_byte_moments_agree() {
        let bytes = examples();
        let Pixels::U8(values) = &bytes.pixels else { panic!("made of bytes") };
        let floats = Pixels::F32(values.iter().map(|&v| f32::from(v)).collect());
        let a = ImageSet::new("bytes", bytes.clone(), 2, None).expect("valid");
        let b = ImageSet::new("floats", Examples { pixels: floats, ..bytes }, 2, None).expect("valid");
        // Same data in units of 1 and of 1/255; a few ulps of f64 for the scaling.
        assert!((a.mean() * 255.0 - b.mean()).abs() < 1e-14);
        assert!((a.std() * 255.0 - b.std()).abs() < 1e-14);
    }

    #[test]
    fn constant_pixels_have_unit_std() {
        let pixels = Pixels::U8(vec![7; 40].into());
        let set = ImageSet::new("s", Examples { pixels, ..examples() }, 2, None).expect("valid");
        assert_eq!(set.std(), 1.0);
    }

    #[test]
    fn inconsistent_examples_are_refused() {
        let refused = |examples, num_classes| {
            let error = ImageSet::new("odd", examples, num_classes, None).expect_err("inconsistent");
            assert_eq!(error.code, ErrorCode::DataInvalid);
            error.message
        };
        let nan = Pixels::F32(vec![f32::NAN; 40]);
        for (examples, num_classes, message) in [
            (examples(), 1, "odd: expected 2 to 1000 classes, got 1"),
            (examples(), 1001, "odd: expected 2 to 1000 classes, got 1001"),
            (
                Examples { labels: vec![2; 10], ..examples() },
                2,
                "odd: expected labels below 2, got 2 at example 0",
            ),
            (Examples { pixels: nan, ..examples() }, 2, "odd: expected finite values, got NaN at value 0"),
        ] {
            assert_eq!(refused(examples, num_classes), message);
        }
        for broken in [
            Examples { width: 3, ..examples() },
            Examples { height: usize::MAX, ..examples() },
            Examples { height: 0, ..examples() },
            Examples { labels: vec![0; 9], ..examples() },
        ] {
            assert!(refused(broken, 2).contains("got 40 values"));
        }
    }
}
