//! CIFAR-10's binary version.
//!
//! Files of 3073-byte records: a label, then 32×32 red, 32×32 green and 32×32 blue bytes, row-major. The colour planes
//! stay apart, as [`Examples`] wants them.
//!
//! # References
//! Krizhevsky 2009, "Learning multiple layers of features from tiny images"; "binary version" of its data page.

use super::bytes::AlignedBytes;
use super::file::DataFile;
use super::image_set::{Examples, ImageSet, Pixels};
use super::order::ExampleOrder;
use crate::error::{Error, Result};
use crate::memory::{MemoryBudget, MemoryLimit};
use std::path::{Path, PathBuf};

const NUM_CLASSES: usize = 10;
const SIDE: usize = 32;
const CHANNELS: usize = 3;
const RECORD_BYTES: usize = 1 + CHANNELS * SIDE * SIDE;

/// Loads `files` in the given order and, if given, an official test file.
/// # Errors
/// `InvalidOption` if there is no file; `DataInvalid` if one is missing, is not a whole number of records, has a label
/// above 9, examples take more memory than `limit` or are sorted by class, or what [`ImageSet::new`] refuses.
pub fn load_cifar10(
    name: &str,
    files: &[PathBuf],
    test_file: Option<&Path>,
    order: ExampleOrder,
    limit: MemoryLimit,
) -> Result<ImageSet> {
    if files.is_empty() {
        return Err(Error::option(format!("{name}: expected at least one CIFAR-10 file, got none")));
    }
    let mut records = Records { budget: MemoryBudget::new(limit), pixels: vec![], labels: vec![] };
    for file in files {
        records.read(file)?;
    }
    let num_rest = records.labels.len();
    if let Some(file) = test_file {
        records.read(file)?;
    }
    let Records { pixels, mut labels, .. } = records;
    let num_official_test = test_file.map(|_| labels.len() - num_rest);
    let places = order.permutation(name, labels.len(), num_official_test)?;
    let pixels = Pixels::U8(AlignedBytes::gather(&pixels, RECORD_BYTES - 1, places.as_deref()));
    if let Some(places) = &places {
        labels = places.iter().map(|&i| labels[i as usize]).collect();
    }
    let examples = Examples { pixels, labels, height: SIDE, width: SIDE, channels: CHANNELS };
    order.assemble(name, examples, NUM_CLASSES, num_official_test)
}

/// Bytes of memory for a record: its pixels as they are read and in their place, its label likewise, and its place.
const MEMORY_BYTES: u64 = 2 * (RECORD_BYTES as u64 - 1) + 8;

/// Records read so far.
struct Records {
    budget: MemoryBudget,
    pixels: Vec<u8>,
    labels: Vec<u16>,
}

impl Records {
    fn read(&mut self, path: &Path) -> Result<()> {
        let mut file = DataFile::open(path)?;
        let mut record = [0; RECORD_BYTES];
        for i in 0.. {
            let start = file.offset();
            let len = file.fill(&mut record)?;
            if len == 0 && i > 0 {
                break;
            }
            if len < RECORD_BYTES {
                let expected = format!("whole records of {RECORD_BYTES} bytes, at least one");
                let got = format!("{len} bytes of a record before the end of the file");
                return Err(file.name().error(start, expected, got));
            }
            if usize::from(record[0]) >= NUM_CLASSES {
                let expected = format!("a label below {NUM_CLASSES}");
                return Err(file.name().error(start, expected, record[0]));
            }
            file.name().take(&mut self.budget, start, MEMORY_BYTES)?;
            self.labels.push(u16::from(record[0]));
            self.pixels.extend_from_slice(&record[1..]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Split;
    use crate::error::ErrorCode;

    /// Records whose red, green and blue planes hold `10 i`, `10 i + 1`, `10 i + 2`.
    fn records(n: usize) -> Vec<u8> {
        let record = |i: usize| {
            let plane = |c: usize| vec![(10 * i + c) as u8; SIDE * SIDE];
            [vec![i as u8 % 10], plane(0), plane(1), plane(2)].concat()
        };
        (0..n).flat_map(record).collect()
    }

    fn load(contents: &[&[u8]], test: Option<&[u8]>) -> std::result::Result<ImageSet, String> {
        let dir = tempfile::tempdir().expect("temporary folder");
        let write = |name: String, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).expect("written");
            path
        };
        let files: Vec<_> = contents.iter().enumerate().map(|(i, b)| write(format!("batch{i}"), b)).collect();
        let test = test.map(|b| write("test".into(), b));
        let prefix = format!("{}{}", dir.path().display(), std::path::MAIN_SEPARATOR);
        load_cifar10("colours", &files, test.as_deref(), ExampleOrder::default(), MemoryLimit::DEFAULT)
            .map_err(|e| e.message.replace(&prefix, ""))
    }

    #[test]
    fn files_are_joined_and_planes_stay_planar() {
        let all = records(15);
        let (a, b) = all.split_at(7 * RECORD_BYTES);
        let set = load(&[a, b], None).expect("valid");
        assert_eq!((set.num_examples(), set.channels(), set.height(), set.width()), (15, 3, 32, 32));
        assert_eq!(set.labels()[8..12], [8, 9, 0, 1]);
        let Pixels::U8(pixels) = set.pixels() else { panic!("made of bytes") };
        let image = &pixels[9 * set.example_len()..][..set.example_len()];
        assert_eq!([image[0], image[1023], image[1024], image[2048], image[3071]], [90, 90, 91, 92, 92]);
    }

    #[test]
    fn an_official_test_file_becomes_the_test_split() {
        let set = load(&[&records(11)], Some(&records(3))).expect("valid");
        assert_eq!((set.range(Split::Train), set.range(Split::Test)), (2..11, 11..14));
    }

    #[test]
    fn damaged_files_are_refused() {
        let mut bytes = records(11);
        let refused = |contents: &[&[u8]]| load(contents, None).expect_err("damaged");
        assert_eq!(
            refused(&[&bytes, &bytes[..2 * RECORD_BYTES + 5]]),
            "batch1: at byte 6146: expected whole records of 3073 bytes, at least one, got 5 bytes of a record before the end of the file"
        );
        assert!(refused(&[&[]]).starts_with("batch0: at byte 0: expected whole records"));
        bytes[4 * RECORD_BYTES] = 10;
        assert_eq!(refused(&[&bytes]), "batch0: at byte 12292: expected a label below 10, got 10");
        assert_eq!(refused(&[&records(9)]).find("colours: expected at least 10 examples"), Some(0));
        let load =
            |files: &[PathBuf], limit| load_cifar10("colours", files, None, ExampleOrder::default(), limit);
        let missing = load(&["/no/such/file".into()], MemoryLimit::DEFAULT).expect_err("missing");
        assert!(missing.message.starts_with("/no/such/file: at byte 0: expected a readable file, got"));
        let none = load(&[], MemoryLimit::DEFAULT).expect_err("no file");
        assert_eq!(none.code, ErrorCode::InvalidOption);
    }

    #[test]
    fn memory_is_counted_record_by_record() {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        std::fs::write(file.path(), records(20)).expect("written");
        let load = |limit| {
            load_cifar10("c", &[file.path().into()], None, ExampleOrder::default(), MemoryLimit::new(limit))
        };
        assert!(load(20 * MEMORY_BYTES).is_ok());
        let message = load(11 * MEMORY_BYTES + 1).expect_err("too large").message;
        // The twelfth record is the first that does not fit: 11 records of 3,073 bytes lie before it.
        assert!(message.ends_with(&format!(
            ": at byte 33803: expected the data set to take at most {} bytes of memory (`maxMemoryBytes`), got at least {}",
            11 * MEMORY_BYTES + 1,
            12 * MEMORY_BYTES
        )));
    }

    #[test]
    fn a_shuffle_mixes_all_but_the_official_test_file() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let [batch, test] = ["batch", "test"].map(|name| dir.path().join(name));
        let sorted: Vec<u8> = (0..10)
            .flat_map(|class| records(10)[class * RECORD_BYTES..][..RECORD_BYTES].repeat(10))
            .collect();
        std::fs::write(&batch, sorted).expect("written");
        std::fs::write(&test, records(10)).expect("written");
        let load = |shuffle_seed| {
            let order = ExampleOrder { shuffle_seed, ..ExampleOrder::default() };
            load_cifar10("c", std::slice::from_ref(&batch), Some(&test), order, MemoryLimit::DEFAULT)
        };
        assert!(load(None).expect_err("sorted").message.contains("`shuffleSeed`"));
        let set = load(Some(1)).expect("mixed");
        assert_eq!(set.labels()[100..], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let Pixels::U8(pixels) = set.pixels() else { panic!("made of bytes") };
        assert!(
            set.labels().iter().zip(pixels.chunks(3072)).all(|(&label, image)| image[0] == 10 * label as u8)
        );
    }
}
