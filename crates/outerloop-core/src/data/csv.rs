//! Tables in CSV: one column of classes, every other column a number.
//!
//! Numeric columns are standardised by mean and standard deviation of the train split, so that tasks need no knowledge
//! of their units; a column that is constant there becomes 0. Classes are numbered in sorted order: as integers if
//! every label is one, as text otherwise.

use super::image_set::{Examples, ImageSet, Pixels};
use super::split::{Split, Splits};
use super::table::{CsvOptions, Table, read_table};
use crate::error::Result;
use crate::memory::{MemoryBudget, MemoryLimit};
use std::path::Path;

/// Loads the table at `path`.
/// # Errors
/// `InvalidOption` if a column is named but there is no header, or labels are left out; `DataInvalid` if the file is missing
/// or damaged, a row is ragged, a cell is not a finite number, a column does not exist, there are too many classes, the set
/// takes more memory than `limit`, rows are sorted by class, or what [`ImageSet::new`] refuses.
pub fn load_csv(name: &str, path: &Path, options: &CsvOptions, limit: MemoryLimit) -> Result<ImageSet> {
    let table = read_table(path, options, &mut MemoryBudget::new(limit))?;
    let num_rows = table.num_rows();
    let places = options.order.permutation(name, num_rows, None)?;
    let row_at = |place: usize| places.as_ref().map_or(place, |places| places[place] as usize);
    let splits = Splits::by_file_order(name, num_rows, None)?;
    let columns = standardisation(&table, || splits.range(Split::Train).map(row_at));
    let mut values = Vec::with_capacity(num_rows * table.width);
    for row in (0..num_rows).map(row_at) {
        let standard = table.row(row).iter().zip(&columns);
        values
            .extend(standard.map(|(x, column)| column.map_or(0.0, |[mean, std]| ((x - mean) / std) as f32)));
    }
    let (classes, num_classes) = table.classes();
    let labels = (0..num_rows).map(|place| classes[row_at(place)]).collect();
    let examples =
        Examples { pixels: Pixels::F32(values), labels, height: 1, width: table.width, channels: 1 };
    drop(table);
    options.order.assemble(name, examples, num_classes, None)
}

/// Mean and standard deviation of every column over the rows of `train`; `None` of one that is constant there.
fn standardisation<I: Iterator<Item = usize>>(table: &Table, train: impl Fn() -> I) -> Vec<Option<[f64; 2]>> {
    let n = train().count() as f64;
    let mut means = vec![0.0; table.width];
    for row in train() {
        means.iter_mut().zip(table.row(row)).for_each(|(sum, x)| *sum += x);
    }
    means.iter_mut().for_each(|sum| *sum /= n);
    // A rounded mean gives a constant column a tiny deviation: ask the values themselves.
    let first: Vec<f64> = train().next().map_or(vec![], |row| table.row(row).to_vec());
    let mut is_constant = vec![true; table.width];
    let mut squares = vec![0.0; table.width];
    for row in train() {
        for (c, x) in table.row(row).iter().enumerate() {
            squares[c] += (x - means[c]) * (x - means[c]);
            is_constant[c] &= *x == first[c];
        }
    }
    let column = |c: usize| {
        let std = f64::sqrt(squares[c] / n);
        (!is_constant[c] && std != 0.0).then_some([means[c], std])
    };
    (0..table.width).map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::super::order::ExampleOrder;
    use super::super::table::CsvColumn;
    use super::*;
    use crate::error::{Error, ErrorCode};
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn options(label: CsvColumn, has_header: bool) -> CsvOptions {
        CsvOptions {
            label,
            omit_columns: vec![],
            skip_lines: 0,
            has_header: Some(has_header),
            delimiter: b',',
            order: ExampleOrder::default(),
        }
    }

    fn named(label: &str) -> CsvOptions {
        options(CsvColumn::Name(label.into()), true)
    }

    fn load(text: &[u8], options: &CsvOptions) -> std::result::Result<ImageSet, Error> {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("table.csv");
        std::fs::write(&path, text).expect("written");
        let prefix = format!("{}{}", dir.path().display(), std::path::MAIN_SEPARATOR);
        load_csv("table", &path, options, MemoryLimit::DEFAULT)
            .map_err(|e| Error::new(e.code, e.message.replace(&prefix, "")))
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
        let bare = CsvOptions { delimiter: b';', ..options(CsvColumn::Index(1), false) };
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
        let options = options(CsvColumn::Index(1), false);
        assert_eq!(load(text.as_bytes(), &options).expect("valid").labels()[..3], [2, 1, 0]);
    }

    #[test]
    fn a_shuffle_mixes_a_sorted_file_and_keeps_rows_whole() {
        let text: String = (0..100).map(|i| format!("{i},{}\n", i / 50)).collect();
        let options = options(CsvColumn::Index(1), false);
        assert!(refused(&text, &options).contains("`shuffleSeed` mixes a file that is sorted by class"));
        let taken = ExampleOrder { allow_unseen_classes: true, ..ExampleOrder::default() };
        let sorted =
            load(text.as_bytes(), &CsvOptions { order: taken, ..options.clone() }).expect("asked for");
        assert!(sorted.labels()[sorted.range(Split::InnerValid)].iter().all(|&label| label == 0));
        let mixed = ExampleOrder { shuffle_seed: Some(1), ..ExampleOrder::default() };
        let shuffled = CsvOptions { order: mixed, ..options };
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
        let index = |label| options(CsvColumn::Index(label), true);
        assert_eq!(
            refused(&text, &index(3)),
            "table.csv: at byte 0: expected a label beside at least one feature in line 1, column 3, got 3 columns"
        );
        let headerless = CsvOptions { has_header: Some(false), ..named("kind") };
        let error = load(text.as_bytes(), &headerless).expect_err("no header");
        assert_eq!(error.code, ErrorCode::InvalidOption);
        assert_eq!(
            refused(&text.replace("ant", "cat"), &named("kind")),
            "table: expected 2 to 1000 classes, got 1"
        );
        assert!(
            refused("", &named("kind"))
                .contains("expected names of columns in line 1, got the end of the file")
        );
        assert!(refused("x,kind\n", &named("kind")).contains("expected at least 10 examples"));
    }

    #[test]
    fn lines_are_passed_over_and_columns_left_out() {
        let plain = load(format!("x,kind,c\n{}", rows()).as_bytes(), &named("kind")).expect("valid");
        let wide: String = rows().lines().enumerate().map(|(i, row)| format!("row {i},{row},\n")).collect();
        let text = format!("# made by hand\n\nid,x,kind,c,remark\n{wide}");
        let omit_columns = vec![CsvColumn::Name("id".into()), CsvColumn::Index(4)];
        let options = CsvOptions { skip_lines: 2, omit_columns, ..named("kind") };
        assert_eq!(load(text.as_bytes(), &options).expect("valid"), plain);
        // 16 bytes before the header; bytes and lines are those of the file.
        let broken = text.replace("row 3,3", "row 3,three");
        assert_eq!(
            refused(&broken, &options),
            format!(
                "table.csv: at byte {}: expected a finite number in line 7, column 1, got \"three\"",
                broken.find("row 3").expect("there")
            )
        );
        let omitting =
            |column: &str| CsvOptions { omit_columns: vec![CsvColumn::Name(column.into())], ..named("kind") };
        let text = format!("x,kind,c\n{}", rows());
        assert!(refused(&text, &omitting("kind")).contains("that column in `omitColumns`"));
        assert!(refused(&text, &omitting("d")).contains("expected a column named \"d\""));
        let pair: String = (0..10).map(|i| format!("{i},{}\n", i % 2)).collect();
        let nothing_left = CsvOptions { omit_columns: vec![CsvColumn::Index(0)], ..options_of_pair() };
        assert!(refused(&pair, &nothing_left).contains("a label beside at least one feature"));
        let beyond = CsvOptions { skip_lines: 11, ..options_of_pair() };
        assert!(refused(&pair, &beyond).contains("expected a line to skip, got the end of the file"));
    }

    fn options_of_pair() -> CsvOptions {
        options(CsvColumn::Index(1), false)
    }

    #[test]
    fn a_first_row_of_numbers_is_not_taken_for_names() {
        let unsaid = |label| CsvOptions { has_header: None, ..options(CsvColumn::Index(label), true) };
        let message = "table.csv: at byte 0: expected names of columns in line 1, got numbers alone: \
                       `header` tells whether they are names (true) or values (false)";
        // Only the label of the first row is text.
        assert_eq!(refused(&rows(), &unsaid(1)), message);
        assert_eq!(
            load(rows().as_bytes(), &options(CsvColumn::Index(1), false)).expect("told").num_examples(),
            10
        );
        let years = format!("1990,kind,1991\n{}", rows());
        assert_eq!(refused(&years, &unsaid(1)), message);
        assert_eq!(load(years.as_bytes(), &named("kind")).expect("told").num_examples(), 10);
        let header = format!("x,kind,1991\n{}", rows());
        assert_eq!(load(header.as_bytes(), &unsaid(1)).expect("one name").num_examples(), 10);
    }

    #[test]
    fn classes_stop_at_a_thousand() {
        let text: String = (0..3000).map(|i| format!("{i},c{i}\n")).collect();
        let message = refused(&text, &options_of_pair());
        assert!(
            message
                .ends_with("expected at most 1000 classes in line 1001, column 1, got one more, \"c1000\"")
        );
        // Integers are one class however they are written.
        let text: String = (0..4000).map(|i| format!("{i},{:0w$}\n", i % 2, w = 1 + i / 2 % 1500)).collect();
        assert_eq!(load(text.as_bytes(), &options_of_pair()).expect("two classes").num_classes(), 2);
    }

    /// What unpacks to a thousand times its size is refused when the limit is reached, not when all has been read.
    #[test]
    fn packed_tables_stop_at_the_limit() {
        let limit = MemoryLimit::new(4 << 20);
        let load_packed = |line: &[u8], lines: usize, options: &CsvOptions| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            (0..lines).for_each(|_| encoder.write_all(line).expect("memory"));
            let file = tempfile::NamedTempFile::new().expect("temporary file");
            std::fs::write(file.path(), encoder.finish().expect("memory")).expect("written");
            load_csv("t", file.path(), options, limit).expect_err("too large").message
        };
        let byte = |message: &str| {
            let (_, rest) = message.split_once(": at byte ").expect("a byte");
            rest.split(' ').next().and_then(|byte| byte.parse::<u64>().ok()).expect("a number")
        };
        let expected =
            "expected the data set to take at most 4194304 bytes of memory (`maxMemoryBytes`), got";
        let many_rows = load_packed(b"1,1\n", 20_000_000, &options_of_pair());
        assert!(many_rows.contains(expected), "{many_rows}");
        // 20 bytes a row of 4: refused after 4/20 of the limit.
        assert!(byte(&many_rows) < 840_000, "{many_rows}");
        for (what, line, lines) in [("cells", &b"1,"[..], 20_000_000), ("one cell", &b"11"[..], 20_000_000)] {
            let message = load_packed(line, lines, &options_of_pair());
            assert!(message.contains(expected), "{what}: {message}");
        }
    }
}
