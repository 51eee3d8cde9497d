//! A table as it stands in a CSV file, read row by row within a limit of memory.

use super::file::{DataFile, FileName};
use super::image_set::NUM_CLASSES;
use super::order::ExampleOrder;
use crate::error::{Error, Result};
use crate::memory::MemoryBudget;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub enum CsvColumn {
    /// The column of this name in the header.
    Name(String),
    /// The column of this number, from 0.
    Index(usize),
}

/// How to read a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvOptions {
    /// Which column holds the classes.
    pub label: CsvColumn,
    /// Columns that are left out. Their cells may be anything.
    pub omit_columns: Vec<CsvColumn>,
    /// Lines before the header, or before the rows, that are passed over.
    pub skip_lines: u64,
    /// Whether the first row names the columns. By default it does, and one of numbers alone is refused.
    pub has_header: Option<bool>,
    /// What separates cells.
    pub delimiter: u8,
    /// In which order rows are split.
    pub order: ExampleOrder,
}

/// Values that lie together.
const CHUNK: usize = 1 << 16;
/// Bytes of memory for a value: as it is read, and as it is kept.
const VALUE_BYTES: u64 = 8 + 4;
/// Bytes of memory for a row besides its values: its label twice, and its place.
const ROW_BYTES: u64 = 2 * 2 + 4;
/// Bytes of memory that a byte of a row may take while the row is read: a field may be as short as its delimiter.
const READ_BYTES: u64 = 32;
/// What the reader may have read ahead.
const READ_AHEAD: u64 = 1 << 16;

/// Rows of numbers, each with a class.
pub(super) struct Table {
    /// Whole rows, row-major.
    chunks: Vec<Vec<f64>>,
    rows_per_chunk: usize,
    /// Number of every row's label in `texts`.
    labels: Vec<u16>,
    texts: Vec<String>,
    /// Numbers in a row.
    pub width: usize,
}

impl Table {
    /// Number of rows.
    pub fn num_rows(&self) -> usize {
        self.labels.len()
    }

    /// The numbers of row `i`.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.chunks[i / self.rows_per_chunk][i % self.rows_per_chunk * self.width..][..self.width]
    }

    /// Class of every row, and the number of classes. They are in sorted order: as integers if every label is one, as text
    /// otherwise.
    pub fn classes(&self) -> (Vec<u16>, usize) {
        fn number<T: Ord>(texts: &[T]) -> (Vec<u16>, usize) {
            let classes: Vec<&T> = texts.iter().collect::<BTreeSet<_>>().into_iter().collect();
            // Their number has been bounded.
            let class = |text| classes.binary_search(&text).unwrap_or_default() as u16;
            (texts.iter().map(class).collect(), classes.len())
        }
        let integers = self.texts.iter().map(|text| text.parse::<i64>().ok()).collect::<Option<Vec<i64>>>();
        let (class_of_text, num_classes) = match integers {
            Some(integers) => number(&integers),
            None => number(&self.texts),
        };
        (self.labels.iter().map(|&text| class_of_text[usize::from(text)]).collect(), num_classes)
    }

    fn push(&mut self, row: &[f64], label: u16) {
        if self.labels.len().is_multiple_of(self.rows_per_chunk) {
            self.chunks.push(Vec::with_capacity(self.rows_per_chunk * self.width));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.extend_from_slice(row);
        }
        self.labels.push(label);
    }
}

/// Reads the table at `path`.
/// # Errors
/// As [`load_csv`](super::load_csv).
pub(super) fn read_table(path: &Path, options: &CsvOptions, budget: &mut MemoryBudget) -> Result<Table> {
    let mut file = DataFile::open(path)?;
    for _ in 0..options.skip_lines {
        file.skip_line()?;
    }
    let (first_byte, name) = (file.offset(), file.name().clone());
    let first_line = options.skip_lines + 1;
    allow_row(&mut file, budget);
    let mut reader = ::csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(options.delimiter)
        .trim(::csv::Trim::All)
        .from_reader(file);
    let mut columns: Option<Columns> = None;
    let mut rows = Rows::new(name.clone());
    let mut record = ::csv::StringRecord::new();
    loop {
        let start = first_byte + reader.position().byte();
        let is_row = reader
            .read_record(&mut record)
            .map_err(|e| csv_error(&name, [first_byte, start], first_line, &e))?;
        if !is_row {
            break;
        }
        let at = record.position().map_or(Place { byte: start, line: first_line }, |p| Place {
            byte: first_byte + p.byte(),
            line: first_line + p.line() - 1,
        });
        match &columns {
            Some(columns) => rows.add(&record, columns, at, budget)?,
            None => {
                let found = Columns::find(&record, options, &name, at)?;
                if !found.is_header {
                    rows.add(&record, &found, at, budget)?;
                }
                columns = Some(found);
            }
        }
        allow_row(reader.get_mut(), budget);
    }
    if columns.is_none() && options.has_header != Some(false) {
        return Err(name.error(
            first_byte,
            format!("names of columns in line {first_line}"),
            "the end of the file",
        ));
    }
    Ok(rows.table)
}

/// The reader holds a whole row before it shows it.
fn allow_row(file: &mut DataFile, budget: &MemoryBudget) {
    file.allow(budget.left() / READ_BYTES + READ_AHEAD, budget.limit());
}

/// Where a row stands.
#[derive(Clone, Copy)]
struct Place {
    byte: u64,
    line: u64,
}

impl Place {
    fn error(self, name: &FileName, column: usize, expected: &str, got: impl std::fmt::Display) -> Error {
        name.error(self.byte, format!("{expected} in line {}, column {column}", self.line), got)
    }
}

/// What the columns are, told by the first row.
struct Columns {
    /// Whether that row is their names.
    is_header: bool,
    label: usize,
    is_omitted: Vec<bool>,
}

impl Columns {
    fn find(first: &::csv::StringRecord, options: &CsvOptions, name: &FileName, at: Place) -> Result<Self> {
        let has_header = options.has_header.unwrap_or(true);
        let index = |column: &CsvColumn| match column {
            CsvColumn::Index(index) if *index < first.len() => Ok(*index),
            CsvColumn::Index(index) => Err(at.error(
                name,
                *index,
                "a label beside at least one feature",
                format!("{} columns", first.len()),
            )),
            CsvColumn::Name(column) if has_header => {
                first.iter().position(|title| title == column).ok_or_else(|| {
                    let titles: Vec<String> = first.iter().take(20).map(shown).collect();
                    name.error(at.byte, format!("a column named {}", shown(column)), titles.join(", "))
                })
            }
            CsvColumn::Name(column) => Err(Error::option(format!(
                "{}: expected the number of a column since there is no header, got {}",
                name.path(),
                shown(column)
            ))),
        };
        let label = index(&options.label)?;
        let mut is_omitted = vec![false; first.len()];
        for column in &options.omit_columns {
            is_omitted[index(column)?] = true;
        }
        if is_omitted[label] {
            let got = "that column in `omitColumns`";
            return Err(Error::option(format!("{}: expected a column of labels, got {got}", name.path())));
        }
        let columns = Self { is_header: has_header, label, is_omitted };
        if columns.features(first).next().is_none() {
            let got = format!("{} columns", first.len());
            return Err(at.error(name, label, "a label beside at least one feature", got));
        }
        if options.has_header.is_none() && columns.features(first).all(|(_, cell)| number(cell).is_some()) {
            let got = "numbers alone: `header` tells whether they are names (true) or values (false)";
            return Err(name.error(at.byte, format!("names of columns in line {}", at.line), got));
        }
        Ok(columns)
    }

    /// Cells that are features, with the numbers of their columns.
    fn features<'a>(&'a self, row: &'a ::csv::StringRecord) -> impl Iterator<Item = (usize, &'a str)> {
        row.iter().enumerate().filter(|&(column, _)| column != self.label && !self.is_omitted[column])
    }
}

/// The table while it grows.
struct Rows {
    name: FileName,
    table: Table,
    /// Number of every label met, in the order of meeting.
    numbers: HashMap<String, u16>,
    /// The classes they are, while every label is an integer.
    integers: Option<BTreeSet<i64>>,
    /// Room for a row.
    values: Vec<f64>,
}

impl Rows {
    fn new(name: FileName) -> Self {
        let table = Table { chunks: vec![], rows_per_chunk: 1, labels: vec![], texts: vec![], width: 0 };
        Self { name, table, numbers: HashMap::new(), integers: Some(BTreeSet::new()), values: vec![] }
    }

    fn add(
        &mut self,
        record: &::csv::StringRecord,
        columns: &Columns,
        at: Place,
        budget: &mut MemoryBudget,
    ) -> Result<()> {
        self.values.clear();
        for (column, cell) in columns.features(record) {
            let value = number(cell);
            self.values
                .push(value.ok_or_else(|| at.error(&self.name, column, "a finite number", shown(cell)))?);
        }
        if self.table.width == 0 {
            self.table.width = self.values.len();
            self.table.rows_per_chunk = (CHUNK / self.values.len()).max(1);
            // A part of the last chunk stays empty.
            self.name.take(budget, at.byte, 8 * CHUNK.min(self.values.len() * 64) as u64)?;
        }
        self.name.take(budget, at.byte, VALUE_BYTES * self.values.len() as u64 + ROW_BYTES)?;
        let label = self.label(&record[columns.label], columns.label, at, budget)?;
        self.table.push(&self.values, label);
        Ok(())
    }

    /// Number of a label's text.
    fn label(&mut self, text: &str, column: usize, at: Place, budget: &mut MemoryBudget) -> Result<u16> {
        if text.is_empty() {
            return Err(at.error(&self.name, column, "a label", "an empty cell"));
        }
        if let Some(&number) = self.numbers.get(text) {
            return Ok(number);
        }
        // The text twice, in a map and in a list.
        self.name.take(budget, at.byte, 2 * text.len() as u64 + 128)?;
        match (&mut self.integers, text.parse()) {
            (Some(integers), Ok(integer)) => {
                integers.insert(integer);
            }
            _ => self.integers = None,
        }
        let number = self.table.texts.len();
        let num_classes = self.integers.as_ref().map_or(number + 1, BTreeSet::len);
        // One class may be written in several ways, such as 1 and 01.
        if num_classes > *NUM_CLASSES.end() || number > usize::from(u16::MAX) {
            let expected = format!("at most {} classes", NUM_CLASSES.end());
            return Err(at.error(&self.name, column, &expected, format!("one more, {}", shown(text))));
        }
        self.table.texts.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number as u16);
        Ok(number as u16)
    }
}

/// A cell's number, if it is in the f32 range, so that sums of squares stay finite in f64.
fn number(cell: &str) -> Option<f64> {
    cell.parse::<f64>().ok().filter(|value| value.abs() <= f64::from(f32::MAX))
}

/// A cell as errors show it: quoted, and cut if long.
fn shown(cell: &str) -> String {
    let start: String = cell.chars().take(40).collect();
    if start.len() < cell.len() { format!("{start:?}…") } else { format!("{start:?}") }
}

/// What a failure to read the record from byte `start` on means. The reader counts from `first_byte` and `first_line`.
fn csv_error(name: &FileName, [first_byte, start]: [u64; 2], first_line: u64, e: &::csv::Error) -> Error {
    let byte = e.position().map_or(start, |p| first_byte + p.byte());
    let line = e.position().map_or(0, |p| first_line + p.line() - 1);
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
