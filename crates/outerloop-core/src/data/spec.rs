//! What to load, as plain JSON.

use super::cifar::load_cifar10;
use super::csv::load_csv;
use super::idx::{IdxLabels, IdxPair, load_idx};
use super::image_set::{ImageSet, NUM_CLASSES};
use super::order::ExampleOrder;
use super::table::{CsvColumn, CsvOptions};
use crate::error::{Error, Result};
use crate::memory::MemoryLimit;
use serde::{Deserialize, Deserializer, Serialize};
use std::path::{Path, PathBuf};

/// A data set and where its files lie. Relative paths are relative to the working directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum DatasetSpec {
    /// One of the sets that come with the package.
    Bundled {
        /// Which one.
        name: BundledName,
        /// The package's `data` folder.
        dir: PathBuf,
    },
    /// MNIST-like files; see [`load_idx`].
    Idx {
        /// Name under which tasks refer to the set.
        name: String,
        /// File of images.
        images: PathBuf,
        /// File of labels.
        labels: PathBuf,
        /// Images of an official test part; needs `test_labels`.
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        test_images: Option<PathBuf>,
        /// Labels of an official test part; needs `test_images`.
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        test_labels: Option<PathBuf>,
        /// Number of classes. Default: the largest label plus one.
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        num_classes: Option<usize>,
        /// The label of the first class. Default 0.
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        first_label: Option<u16>,
        /// Seed of a random order of the examples, for files sorted by class. An official test part stays as it is. Default:
        /// file order.
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        shuffle_seed: Option<u64>,
        /// Whether splits may have classes that train lacks. Default false: a file sorted by class is refused.
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        allow_unseen_classes: Option<bool>,
    },
    /// CIFAR-10's binary files; see [`load_cifar10`].
    Cifar10 {
        /// Name under which tasks refer to the set.
        name: String,
        /// Files of records, joined in this order.
        files: Vec<PathBuf>,
        /// File of an official test part.
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        test_file: Option<PathBuf>,
        /// Seed of a random order of the examples, for files sorted by class. An official test part stays as it is. Default:
        /// file order.
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        shuffle_seed: Option<u64>,
        /// Whether splits may have classes that train lacks. Default false: a file sorted by class is refused.
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        allow_unseen_classes: Option<bool>,
    },
    /// A table; see [`load_csv`].
    Csv {
        /// Name under which tasks refer to the set.
        name: String,
        /// The file.
        path: PathBuf,
        /// Name, or number from 0, of the column that holds the classes.
        label: CsvColumn,
        /// Columns that are left out, likewise. Default none.
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        omit_columns: Option<Vec<CsvColumn>>,
        /// Lines that are passed over before the header, or before the rows. Default 0.
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        skip_lines: Option<u64>,
        /// Whether the first row names the columns. Default: it does, and one of numbers alone is refused.
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        header: Option<bool>,
        /// What separates cells: one ASCII character. Default a comma.
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        delimiter: Option<char>,
        /// Seed of a random order of the rows, for files sorted by class. Default: file order.
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        shuffle_seed: Option<u64>,
        /// Whether splits may have classes that train lacks. Default false: a file sorted by class is refused.
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        allow_unseen_classes: Option<bool>,
    },
}

/// Names of the sets that come with the package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BundledName {
    /// MNIST, 8×8.
    Mnist8,
    /// Fashion-MNIST, 8×8.
    Fashion8,
    /// CIFAR-10, 8×8 grey.
    Cifar8,
}

impl BundledName {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Mnist8, Self::Fashion8, Self::Cifar8];

    /// The name in JSON, in file names and in tasks.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mnist8 => "mnist8",
            Self::Fashion8 => "fashion8",
            Self::Cifar8 => "cifar8",
        }
    }
}

/// Reads an optional field that is present: `null` is no value, in JSON as in TypeScript.
pub(super) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl DatasetSpec {
    /// Reads and checks a spec.
    /// # Errors
    /// `InvalidOption` if `json` is not a spec, or is one that [`DatasetSpec::validate`] refuses.
    pub fn parse(json: &str) -> Result<Self> {
        let spec: Self = serde_json::from_str(json).map_err(|e| {
            Error::option(format!("dataset: expected a data set spec, got an error: {e}")).caused_by(e)
        })?;
        spec.validate()?;
        Ok(spec)
    }

    /// Name under which tasks refer to the set.
    pub fn name(&self) -> &str {
        match self {
            Self::Bundled { name, .. } => name.as_str(),
            Self::Idx { name, .. } | Self::Cifar10 { name, .. } | Self::Csv { name, .. } => name,
        }
    }

    /// Checks what the types cannot say.
    /// # Errors
    /// `InvalidOption` if a name or path is empty, a name is that of a bundled set, a test part is given by half, there is no
    /// CIFAR-10 file, `num_classes` is outside [`NUM_CLASSES`], a seed is 2⁵³ or more, a column is named without a header or
    /// by nothing, or the delimiter is not one ASCII character other than a quote or line break.
    pub fn validate(&self) -> Result<()> {
        let refuse =
            |expected: &str| Err(Error::option(format!("dataset {:?}: expected {expected}", self.name())));
        if self.paths().iter().any(|path| path.as_os_str().is_empty()) {
            return refuse("no path to be empty");
        }
        let shuffle_seed = match self {
            Self::Bundled { .. } => return Ok(()),
            Self::Idx { test_images, test_labels, num_classes, shuffle_seed, .. } => {
                if test_images.is_some() != test_labels.is_some() {
                    return refuse("`testImages` and `testLabels` together, got one of them");
                }
                if num_classes.is_some_and(|n| !NUM_CLASSES.contains(&n)) {
                    return refuse(&format!("`numClasses` to be 2 to 1000, got {num_classes:?}"));
                }
                shuffle_seed
            }
            Self::Cifar10 { files, shuffle_seed, .. } => {
                if files.is_empty() {
                    return refuse("`files` to name at least one file, got none");
                }
                shuffle_seed
            }
            Self::Csv { label, omit_columns, skip_lines, header, delimiter, shuffle_seed, .. } => {
                for column in omit_columns.iter().flatten().chain([label]) {
                    match column {
                        CsvColumn::Name(column) if column.is_empty() => {
                            return refuse("no name of a column to be empty");
                        }
                        CsvColumn::Name(_) if *header == Some(false) => {
                            return refuse("columns to be numbers since `header` is false");
                        }
                        _ => {}
                    }
                }
                if skip_lines.is_some_and(|n| n > MAX_SKIPPED) {
                    return refuse(&format!("`skipLines` to be 0 to {MAX_SKIPPED}, got {skip_lines:?}"));
                }
                if delimiter.is_some_and(|c| !c.is_ascii() || matches!(c, '"' | '\r' | '\n')) {
                    return refuse(&format!("`delimiter` to be one ASCII character, got {delimiter:?}"));
                }
                shuffle_seed
            }
        };
        check_name(self.name())?;
        check_seed(self.name(), *shuffle_seed)
    }

    fn paths(&self) -> Vec<&Path> {
        match self {
            Self::Bundled { dir, .. } => vec![dir],
            Self::Idx { images, labels, test_images, test_labels, .. } => {
                let test = [test_images, test_labels].into_iter().flatten();
                [images, labels].into_iter().chain(test).map(PathBuf::as_path).collect()
            }
            Self::Cifar10 { files, test_file, .. } => {
                files.iter().chain(test_file).map(PathBuf::as_path).collect()
            }
            Self::Csv { path, .. } => vec![path],
        }
    }
}

/// Most lines that may be passed over.
const MAX_SKIPPED: u64 = 1_000_000;

/// Checks the name of a set that does not come with the package.
pub(super) fn check_name(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::option("dataset: expected `name` not to be empty"));
    }
    if BundledName::ALL.iter().any(|bundled| bundled.as_str() == name) {
        let message =
            format!("dataset: expected `name` to be another than that of a bundled data set, got {name:?}");
        return Err(Error::option(message));
    }
    Ok(())
}

/// Checks a seed: JavaScript has integers up to there.
pub(super) fn check_seed(name: &str, seed: Option<u64>) -> Result<()> {
    match seed {
        Some(seed) if seed >= 1 << 53 => Err(Error::option(format!(
            "dataset {name:?}: expected `shuffleSeed` to be below 2^53, got {seed}"
        ))),
        _ => Ok(()),
    }
}

/// Loads what `spec` names.
/// # Errors
/// `InvalidOption` if [`DatasetSpec::validate`] refuses `spec`; `DataInvalid` if a file is missing, corrupt, truncated,
/// mislabelled or sorted by class, or the set takes more memory than `limit`.
pub fn load(spec: &DatasetSpec, limit: MemoryLimit) -> Result<ImageSet> {
    spec.validate()?;
    let ordered = |shuffle_seed: &Option<u64>, allow: &Option<bool>| ExampleOrder {
        shuffle_seed: *shuffle_seed,
        allow_unseen_classes: allow.unwrap_or(false),
    };
    match spec {
        DatasetSpec::Bundled { name, dir } => {
            let file = |part: &str| dir.join(format!("{}-{part}-ubyte.gz", name.as_str()));
            let (images, labels) = (file("images-idx3"), file("labels-idx1"));
            let ten = IdxLabels { num_classes: Some(10), first_label: None };
            let pair = IdxPair { images: &images, labels: &labels };
            load_idx(name.as_str(), pair, None, ten, ExampleOrder::default(), limit)
        }
        DatasetSpec::Idx {
            name,
            images,
            labels,
            test_images,
            test_labels,
            num_classes,
            first_label,
            shuffle_seed,
            allow_unseen_classes,
        } => {
            let test = test_images.as_deref().zip(test_labels.as_deref());
            let test = test.map(|(images, labels)| IdxPair { images, labels });
            let order = ordered(shuffle_seed, allow_unseen_classes);
            let classes = IdxLabels { num_classes: *num_classes, first_label: *first_label };
            load_idx(name, IdxPair { images, labels }, test, classes, order, limit)
        }
        DatasetSpec::Cifar10 { name, files, test_file, shuffle_seed, allow_unseen_classes } => load_cifar10(
            name,
            files,
            test_file.as_deref(),
            ordered(shuffle_seed, allow_unseen_classes),
            limit,
        ),
        DatasetSpec::Csv {
            name,
            path,
            label,
            omit_columns,
            skip_lines,
            header,
            delimiter,
            shuffle_seed,
            allow_unseen_classes,
        } => {
            let options = CsvOptions {
                label: label.clone(),
                omit_columns: omit_columns.clone().unwrap_or_default(),
                skip_lines: skip_lines.unwrap_or(0),
                has_header: *header,
                // `validate` has seen that the character is ASCII.
                delimiter: delimiter.map_or(b',', |c| c as u8),
                order: ordered(shuffle_seed, allow_unseen_classes),
            };
            load_csv(name, path, &options, limit)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Pixels, Split};
    use crate::error::ErrorCode;
    use serde_json::{Value, json};

    fn from_root(path: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
    }

    /// The list that the TypeScript schema is tested on as well. There, `dir` is added when the set is loaded.
    fn fixture(list: &str) -> Vec<(String, Value)> {
        let text = std::fs::read_to_string(from_root("test/fixtures/dataset-specs.json")).expect("fixture");
        let fixture: Value = serde_json::from_str(&text).expect("JSON");
        let entries = fixture[list].as_array().expect("a list");
        let entry = |entry: &Value| {
            let mut spec = entry["spec"].clone();
            if spec["kind"] == "bundled" {
                spec["dir"] = json!("data");
            }
            (entry["why"].to_string(), spec)
        };
        entries.iter().map(entry).collect()
    }

    #[test]
    fn valid_specs_survive_a_round_trip() {
        let specs = fixture("valid");
        assert!(specs.len() >= 10);
        for (why, json) in specs {
            let spec = DatasetSpec::parse(&json.to_string()).unwrap_or_else(|e| panic!("{why}: {e}"));
            assert_eq!(serde_json::to_value(&spec).expect("JSON"), json, "{why}");
            assert_eq!(json["name"], spec.name());
        }
    }

    #[test]
    fn invalid_specs_are_refused() {
        let specs = fixture("invalid");
        assert!(specs.len() >= 20);
        for (why, json) in specs {
            match DatasetSpec::parse(&json.to_string()) {
                Ok(_) => panic!("accepted: {why}"),
                Err(e) => assert_eq!(e.code, ErrorCode::InvalidOption, "{why}"),
            }
        }
    }

    /// Class counts as data/README.md states them; moments to the digits given, from the same files by other code
    /// (Python's gzip and fractions modules).
    #[test]
    fn bundled_sets_load() {
        let cases = [
            ("mnist8", [1994, 2281, 1929, 2076, 1945, 1775, 1971, 2093, 1922, 2014], MNIST8_MOMENTS),
            ("fashion8", [1935, 2025, 1982, 2011, 1967, 2010, 2068, 2003, 1971, 2028], FASHION8_MOMENTS),
            ("cifar8", [876, 820, 865, 842, 907, 835, 881, 864, 892, 878], CIFAR8_MOMENTS),
        ];
        for (name, counts, (mean, std)) in cases {
            let json = json!({ "kind": "bundled", "name": name, "dir": from_root("data") });
            let set = load(&DatasetSpec::parse(&json.to_string()).expect("valid"), MemoryLimit::DEFAULT)
                .expect("loads");
            let count = |class| set.labels().iter().filter(|&&label| usize::from(label) == class).count();
            assert_eq!(std::array::from_fn::<usize, 10, _>(count), counts, "{name}");
            assert_eq!((set.name(), set.height(), set.width(), set.channels()), (name, 8, 8, 1));
            assert_eq!(set.num_classes(), 10);
            let n = set.num_examples();
            assert_eq!(Split::ALL.map(|s| set.split_len(s)), [n - 3 * (n / 10), n / 10, n / 10, n / 10]);
            assert!(matches!(set.pixels(), Pixels::U8(pixels) if pixels.len() == 64 * n));
            assert!((set.mean() - mean).abs() < 1e-9, "{name}: mean {}", set.mean());
            assert!((set.std() - std).abs() < 1e-9, "{name}: std {}", set.std());
        }
    }

    const MNIST8_MOMENTS: (f64, f64) = (0.131_623_056_723, 0.238_492_212_916);
    const FASHION8_MOMENTS: (f64, f64) = (0.285_789_810_924, 0.304_702_042_511);
    const CIFAR8_MOMENTS: (f64, f64) = (0.482_679_337_613, 0.216_743_389_436);

    #[test]
    fn other_kinds_load_through_their_spec() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("table.csv");
        let rows: String = (0..20).map(|i| format!("{i};{}\n", i % 2)).collect();
        std::fs::write(&path, rows).expect("written");
        let json = json!({ "kind": "csv", "name": "t", "path": path, "label": 1, "header": false, "delimiter": ";" });
        let set = load(&DatasetSpec::parse(&json.to_string()).expect("valid"), MemoryLimit::DEFAULT)
            .expect("loads");
        assert_eq!((set.name(), set.num_examples(), set.width()), ("t", 20, 1));
        let json = json!({ "kind": "idx", "name": "i", "images": path, "labels": path });
        let error = load(&DatasetSpec::parse(&json.to_string()).expect("valid"), MemoryLimit::DEFAULT)
            .expect_err("not IDX");
        assert_eq!(error.code, ErrorCode::DataInvalid);
        let json = json!({ "kind": "cifar10", "name": "c", "files": [path] });
        let error = load(&DatasetSpec::parse(&json.to_string()).expect("valid"), MemoryLimit::DEFAULT)
            .expect_err("not CIFAR-10");
        assert_eq!(error.code, ErrorCode::DataInvalid);
    }
}
