//! Tables in CSV: one column of classes, every other column a number.
//!
//! Numeric columns are standardised by mean and standard deviation of the train split, so that tasks need no knowledge
//! of their units; a column that is constant there becomes 0. Classes are numbered in sorted order: as integers if
//! every label is one, as text otherwise.

use super::file::{DataFile, FileName};
use super::image_set::{Examples, ImageSet, Pixels};
use super::split::{Split, Splits};
use crate::error::{Error, Result};
use crate::rng::{Key, Purpose};
use std::collections::BTreeSet;
use std::path::Path;

/// Which column holds the classes.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum CsvLabel {
    /// The column of this name in the header.
    Name(String),
    /// The column of this number, from 0.
    Index(usize),
}

/// How to read a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvOptions {
    /// Which column holds the classes.
    pub label: CsvLabel,
    /// Whether the first row names the columns.
    pub has_header: bool,
    /// What separates cells.
    pub delimiter: u8,
    /// If given, rows are put into the random order of this seed before they are split, for files sorted by class.
    pub shuffle_seed: Option<u64>,
}

/// Loads the table at `path`.
/// # Errors
/// `InvalidOption` if the label column is named but there is no header; `DataInvalid` if the file is missing or
/// damaged, a row is ragged, a cell is not a finite number, the label column does not exist, or what [`ImageSet::new`]
/// refuses.
pub fn load_csv(name: &str, path: &Path, options: &CsvOptions) -> Result<ImageSet> {
    let mut table = read_table(path, options)?;
    if let Some(seed) = options.shuffle_seed {
        table.reorder(&Key::new(seed, Purpose::TaskContent).permutation(table.labels.len()));
    }
    let splits = Splits::by_file_order(name, table.labels.len(), None)?;
    let train = splits.range(Split::Train);
    let width = table.num_features;
    let mut values = vec![0f32; table.values.len()];
    for column in 0..width {
        let at = |row: usize| table.values[row * width + column];
        let n = train.len() as f64;
        let mean = train.clone().map(at).sum::<f64>() / n;
        let square = |row| (at(row) - mean) * (at(row) - mean);
        let std = (train.clone().map(square).sum::<f64>() / n).sqrt();
        // A rounded mean gives a constant column a tiny deviation: ask the values themselves.
        let is_constant = train.clone().all(|row| at(row) == at(train.start));
        if is_constant || std == 0.0 {
            continue;
        }
        for row in 0..table.labels.len() {
            values[row * width + column] = ((at(row) - mean) / std) as f32;
        }
    }
    let (labels, num_classes) = number_classes(&table.labels);
    let examples = Examples { pixels: Pixels::F32(values), labels, height: 1, width, channels: 1 };
    ImageSet::new(name, examples, num_classes, None)
}

/// A table as it stands in the file.
struct Table {
    /// `[num_rows, num_features]` row-major.
    values: Vec<f64>,
    labels: Vec<String>,
    num_features: usize,
}

impl Table {
    fn reorder(&mut self, order: &[u32]) {
        let width = self.num_features;
        let row = |&i: &u32| &self.values[i as usize * width..][..width];
        self.values = order.iter().flat_map(row).copied().collect();
        self.labels = order.iter().map(|&i| self.labels[i as usize].clone()).collect();
    }
}

fn read_table(path: &Path, options: &CsvOptions) -> Result<Table> {
    let mut file = DataFile::open(path)?;
    let name = file.name().clone();
    let mut reader = ::csv::ReaderBuilder::new()
        .has_headers(options.has_header)
        .delimiter(options.delimiter)
        .trim(::csv::Trim::All)
        .from_reader(&mut file);
    let named_column = match (&options.label, options.has_header) {
        (CsvLabel::Index(index), _) => Ok(*index),
        (CsvLabel::Name(label), true) => {
            let header = reader.headers().map_err(|e| csv_error(&name, 0, e))?;
            header.iter().position(|column| column == label).ok_or_else(|| {
                let columns: Vec<String> = header.iter().take(20).map(shown).collect();
                name.error(0, format!("a column named {}", shown(label)), columns.join(", "))
            })
        }
        (CsvLabel::Name(label), false) => Err(Error::option(format!(
            "{}: expected the number of the label column since there is no header, got {}",
            name.path(),
            shown(label)
        ))),
    };
    let label_column = named_column?;
    let mut table = Table { values: Vec::new(), labels: Vec::new(), num_features: 0 };
    let mut record = ::csv::StringRecord::new();
    loop {
        let start = reader.position().byte();
        if !reader.read_record(&mut record).map_err(|e| csv_error(&name, start, e))? {
            return Ok(table);
        }
        let (byte, line) = record.position().map_or((0, 0), |p| (p.byte(), p.line()));
        let refuse = |column: usize, expected: &str, got: String| {
            Err(name.error(byte, format!("{expected} in line {line}, column {column}"), got))
        };
        if record.len() < 2 || label_column >= record.len() {
            return refuse(
                label_column,
                "a label beside at least one feature",
                format!("{} columns", record.len()),
            );
        }
        table.num_features = record.len() - 1;
        for (column, cell) in record.iter().enumerate() {
            if column == label_column {
                if cell.is_empty() {
                    return refuse(column, "a label", "an empty cell".into());
                }
                table.labels.push(cell.to_owned());
            } else {
                match cell.parse::<f64>() {
                    // The f32 range, so that sums of squares stay finite in f64.
                    Ok(value) if value.abs() <= f64::from(f32::MAX) => table.values.push(value),
                    _ => return refuse(column, "a finite number", shown(cell)),
                }
            }
        }
    }
}

/// A cell as errors show it: quoted, and cut if long.
fn shown(cell: &str) -> String {
    let start: String = cell.chars().take(40).collect();
    if start.len() < cell.len() { format!("{start:?}…") } else { format!("{start:?}") }
}

/// What a failure to read the record from byte `start` on means.
fn csv_error(name: &FileName, start: u64, e: ::csv::Error) -> Error {
    let byte = e.position().map_or(start, ::csv::Position::byte);
    let line = e.position().map_or(0, ::csv::Position::line);
    match e.kind() {
        ::csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            name.error(byte, format!("{expected_len} columns in line {line}"), len)
        }
        ::csv::ErrorKind::Utf8 { .. } => {
            name.error(byte, format!("UTF-8 text in line {line}"), "other bytes")
        }
        ::csv::ErrorKind::Io(e) => name.read_error(byte, e),
        _ => name.error(byte, "an intact CSV file", e),
    }
}

/// Class of each label, and the number of classes. More than fit `u16` stop at its end: far above what a set may have.
fn number_classes(labels: &[String]) -> (Vec<u16>, usize) {
    fn number<T: Ord>(labels: &[T]) -> (Vec<u16>, usize) {
        let classes: Vec<&T> = labels.iter().collect::<BTreeSet<_>>().into_iter().collect();
        let class =
            |label| classes.binary_search(&label).map_or(u16::MAX, |i| i.min(usize::from(u16::MAX)) as u16);
        (labels.iter().map(class).collect(), classes.len())
    }
    match labels.iter().map(|label| label.parse::<i64>().ok()).collect::<Option<Vec<i64>>>() {
        Some(integers) => number(&integers),
        None => number(labels),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn named(label: &str) -> CsvOptions {
        let label = CsvLabel::Name(label.into());
        CsvOptions { label, has_header: true, delimiter: b',', shuffle_seed: None }
    }

    fn load(text: &[u8], options: &CsvOptions) -> std::result::Result<ImageSet, Error> {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("table.csv");
        std::fs::write(&path, text).expect("written");
        let prefix = format!("{}{}", dir.path().display(), std::path::MAIN_SEPARATOR);
        load_csv("table", &path, options).map_err(|e| Error { message: e.message.replace(&prefix, ""), ..e })
    }

    fn refused(text: &str, options: &CsvOptions) -> String {
        load(text.as_bytes(), options).expect_err("damaged").message
    }

    /// Columns: a ramp, the class, a constant.
    fn rows() -> String {
        (0..10).map(|i| format!("{i},{},0.1\n", ["cat", "ant"][i % 2])).collect()
    }

    fn values(set: &ImageSet) -> &[f32] {
        let Pixels::F32(values) = set.pixels() else { panic!("made of floats") };
        values
    }

    #[test]
    fn columns_are_standardised_by_the_train_split() {
        let set = load(format!("x,kind,c\n{}", rows()).as_bytes(), &named("kind")).expect("valid");
        assert_eq!((set.height(), set.width(), set.channels(), set.num_classes()), (1, 2, 1, 2));
        // "ant" sorts before "cat".
        assert_eq!(set.labels(), [1, 0, 1, 0, 1, 0, 1, 0, 1, 0]);
        // Train rows hold 3..=9: mean 6, variance 4, both exact. The other column is constant.
        let expected: Vec<f32> = (0..10).flat_map(|i| [(i as f32 - 6.0) / 2.0, 0.0]).collect();
        assert_eq!(values(&set), expected);
    }

    #[test]
    fn header_delimiter_and_gzip_are_options() {
        let with_header = load(format!("x,kind,c\n{}", rows()).as_bytes(), &named("kind")).expect("valid");
        let bare =
            CsvOptions { label: CsvLabel::Index(1), has_header: false, delimiter: b';', shuffle_seed: None };
        let text = rows().replace(',', " ; ");
        assert_eq!(load(text.as_bytes(), &bare).expect("valid"), with_header);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).expect("memory");
        let packed = encoder.finish().expect("memory");
        assert_eq!(load(&packed, &bare).expect("valid"), with_header);
        let cut = load(&packed[..packed.len() - 9], &bare).expect_err("truncated");
        assert!(cut.message.contains("of the unpacked data: expected intact gzip data"), "{cut}");
    }

    #[test]
    fn integer_labels_sort_as_integers() {
        let text: String = (0..12).map(|i| format!("{i},{}\n", [10, 9, -1][i % 3])).collect();
        let options = CsvOptions { label: CsvLabel::Index(1), has_header: false, ..named("") };
        assert_eq!(load(text.as_bytes(), &options).expect("valid").labels()[..3], [2, 1, 0]);
    }

    #[test]
    fn a_shuffle_mixes_a_sorted_file_and_keeps_rows_whole() {
        let text: String = (0..100).map(|i| format!("{i},{}\n", i / 50)).collect();
        let options = CsvOptions { label: CsvLabel::Index(1), has_header: false, ..named("") };
        let sorted = load(text.as_bytes(), &options).expect("valid");
        assert!(sorted.labels()[sorted.range(Split::InnerValid)].iter().all(|&label| label == 0));
        let shuffled = CsvOptions { shuffle_seed: Some(1), ..options };
        let mixed = load(text.as_bytes(), &shuffled).expect("valid");
        assert_eq!(load(text.as_bytes(), &shuffled).expect("valid"), mixed);
        assert!(mixed.labels()[mixed.range(Split::InnerValid)].contains(&1));
        // The ramp still tells the class: rows of class 0 lie below rows of class 1.
        let of_class = |class| {
            let rows = values(&mixed).iter().zip(mixed.labels());
            rows.filter(move |&(_, &label)| label == class).map(|(&value, _)| value)
        };
        assert!(of_class(0).fold(f32::MIN, f32::max) < of_class(1).fold(f32::MAX, f32::min));
    }

    #[test]
    fn damaged_tables_are_refused() {
        let table = |row: &str| format!("x,kind,c\n{}{row}\n", rows());
        // Header and ten rows: 9 + 10 * 10 bytes before line 12.
        for (row, message) in [
            ("1,cat", "table.csv: at byte 109: expected 3 columns in line 12, got 2"),
            ("1,cat,2,3", "table.csv: at byte 109: expected 3 columns in line 12, got 4"),
            ("1,cat,x", "table.csv: at byte 109: expected a finite number in line 12, column 2, got \"x\""),
            ("1,cat,", "table.csv: at byte 109: expected a finite number in line 12, column 2, got \"\""),
            (
                "NaN,cat,1",
                "table.csv: at byte 109: expected a finite number in line 12, column 0, got \"NaN\"",
            ),
            (
                "inf,cat,1",
                "table.csv: at byte 109: expected a finite number in line 12, column 0, got \"inf\"",
            ),
            (
                "1e39,cat,1",
                "table.csv: at byte 109: expected a finite number in line 12, column 0, got \"1e39\"",
            ),
            ("1,,1", "table.csv: at byte 109: expected a label in line 12, column 1, got an empty cell"),
        ] {
            assert_eq!(refused(&table(row), &named("kind")), message);
        }
        let latin1 = [table("").as_bytes(), b"1,c\xe4t,1\n"].concat();
        let message = load(&latin1, &named("kind")).expect_err("not UTF-8").message;
        assert!(message.contains("expected UTF-8 text in line"), "{message}");
    }

    #[test]
    fn missing_columns_and_odd_class_counts_are_refused() {
        let text = format!("x,kind,c\n{}", rows());
        assert_eq!(
            refused(&text, &named("class")),
            r#"table.csv: at byte 0: expected a column named "class", got "x", "kind", "c""#
        );
        let index = |label| CsvOptions { label: CsvLabel::Index(label), ..named("") };
        assert_eq!(
            refused(&text, &index(3)),
            "table.csv: at byte 9: expected a label beside at least one feature in line 2, column 3, got 3 columns"
        );
        let headerless = CsvOptions { has_header: false, ..named("kind") };
        let error = load(text.as_bytes(), &headerless).expect_err("no header");
        assert_eq!(error.code, ErrorCode::InvalidOption);
        assert_eq!(
            refused(&text.replace("ant", "cat"), &named("kind")),
            "table: expected 2 to 1000 classes, got 1"
        );
        assert!(refused("", &named("kind")).contains("expected a column named \"kind\""));
        assert!(refused("x,kind\n", &named("kind")).contains("expected at least 10 examples"));
    }
}
