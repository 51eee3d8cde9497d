//! IDX: the format of MNIST and its kin.
//!
//! Two zero bytes, an element type, the number of axes, each axis as a big-endian u32, then the elements row-major.
//! Read are images of unsigned bytes `[n, height, width]` and labels `[n]` of unsigned bytes, 16-bit or 32-bit
//! integers (the wider two for more than 256 classes).

use super::bytes::AlignedBytes;
use super::file::{DataFile, FileName};
use super::image_set::{Examples, ImageSet, NUM_CLASSES, Pixels};
use super::order::ExampleOrder;
use crate::error::Result;
use crate::memory::{MemoryBudget, MemoryLimit};
use std::path::Path;

const U8: u8 = 0x08;
const I16: u8 = 0x0b;
const I32: u8 = 0x0c;

/// One part of a data set: its images and their labels.
#[derive(Clone, Copy, Debug)]
pub struct IdxPair<'a> {
    /// File of images.
    pub images: &'a Path,
    /// File of labels.
    pub labels: &'a Path,
}

/// Said of a label that is one too large.
pub(super) const FROM_ONE: &str = " (`firstLabel: 1` is for labels that start from 1)";

/// How labels are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdxLabels {
    /// Number of classes; by default as many as the largest label tells.
    pub num_classes: Option<usize>,
    /// The label of the first class; by default 0.
    pub first_label: Option<u16>,
}

/// Loads `train` and, if given, an official `test` part.
/// # Errors
/// `DataInvalid` if a file is missing, corrupt or truncated, the files do not belong together, a label is no class, no
/// label is 0 and nothing says that this is meant, the set takes more memory than `limit`, examples are sorted by class, or
/// what [`ImageSet::new`] refuses.
pub fn load_idx(
    name: &str,
    train: IdxPair<'_>,
    test: Option<IdxPair<'_>>,
    labels: IdxLabels,
    order: ExampleOrder,
    limit: MemoryLimit,
) -> Result<ImageSet> {
    let mut budget = MemoryBudget::new(limit);
    let mut all = read_pair(train, labels, &mut budget)?;
    let num_official_test = match test {
        None => None,
        Some(pair) => {
            let more = read_pair(pair, labels, &mut budget)?;
            if (more.height, more.width) != (all.height, all.width) {
                let expected = format!("{}x{} images as in {}", all.height, all.width, all.images.path());
                return Err(more.images.error(8, expected, format!("{}x{}", more.height, more.width)));
            }
            all.pixels.extend(&more.pixels);
            all.labels.extend(&more.labels);
            Some(more.labels.len())
        }
    };
    let Pair { pixels, labels: mut classes, height, width, .. } = all;
    if let (IdxLabels { num_classes: None, first_label: None }, Some(&first @ 1..)) =
        (labels, classes.iter().min())
    {
        let got = format!(
            "none below {first}: `firstLabel: {first}` makes that the first class, `numClasses` says that there are others"
        );
        return Err(all.label_file.error(8, "a label 0", got));
    }
    let num_classes =
        labels.num_classes.unwrap_or_else(|| classes.iter().max().map_or(0, |&max| usize::from(max) + 1));
    let places = order.permutation(name, classes.len(), num_official_test)?;
    let pixels = Pixels::U8(AlignedBytes::gather(&pixels, height * width, places.as_deref()));
    if let Some(places) = &places {
        classes = places.iter().map(|&i| classes[i as usize]).collect();
    }
    let examples = Examples { pixels, labels: classes, height, width, channels: 1 };
    order.assemble(name, examples, num_classes, num_official_test)
}

/// Content of an [`IdxPair`].
struct Pair {
    images: FileName,
    label_file: FileName,
    pixels: Vec<u8>,
    labels: Vec<u16>,
    height: usize,
    width: usize,
}

/// Pixels are held twice, as they are read and in their places.
const PIXEL_BYTES: u64 = 2;
/// A label is held twice besides its element, and there is its place.
const LABEL_BYTES: u64 = 8;

fn read_pair(pair: IdxPair<'_>, labels: IdxLabels, budget: &mut MemoryBudget) -> Result<Pair> {
    let (images, [num_images, height, width], pixels) =
        read_array::<3>(pair.images, &[U8], budget, PIXEL_BYTES, 0)?;
    let (name, [num_labels], bytes) = read_array::<1>(pair.labels, &[U8, I16, I32], budget, 1, LABEL_BYTES)?;
    if num_labels != num_images {
        return Err(name.error(
            4,
            format!("{num_images} labels for the images of {}", images.path()),
            num_labels,
        ));
    }
    let first = i64::from(labels.first_label.unwrap_or(0));
    let max_classes = labels.num_classes.unwrap_or(*NUM_CLASSES.end());
    let size = bytes.len() / num_labels;
    let mut classes = Vec::with_capacity(num_labels);
    for (i, element) in bytes.chunks_exact(size).enumerate() {
        let label = match *element {
            [a] => i32::from(a),
            [a, b] => i32::from(i16::from_be_bytes([a, b])),
            [a, b, c, d] => i32::from_be_bytes([a, b, c, d]),
            _ => -1,
        };
        match u16::try_from(i64::from(label) - first) {
            Ok(class) if usize::from(class) < max_classes => classes.push(class),
            _ => {
                let expected = match first {
                    0 => format!("a label below {max_classes}"),
                    _ => format!("a label from {first} to {}", first + max_classes as i64 - 1),
                };
                let is_one_above =
                    labels.first_label.is_none() && labels.num_classes == usize::try_from(label).ok();
                let hint = if is_one_above { FROM_ONE } else { "" };
                return Err(name.error(8 + (i * size) as u64, expected, format!("{label}{hint}")));
            }
        }
    }
    Ok(Pair { images, label_file: name, pixels, labels: classes, height, width })
}

/// Name, shape and elements of an array of `AXES` axes whose element type is one of `types`. No axis is 0. Memory is taken
/// by what the header says: `byte_cost` for a byte of it, `item_cost` for an entry of the first axis.
fn read_array<const AXES: usize>(
    path: &Path,
    types: &[u8],
    budget: &mut MemoryBudget,
    byte_cost: u64,
    item_cost: u64,
) -> Result<(FileName, [usize; AXES], Vec<u8>)> {
    let mut file = DataFile::open(path)?;
    let name = file.name().clone();
    let header = file.read_bytes(4, "IDX header")?;
    if header[..2] != [0, 0] {
        let got = format!("{:02x} {:02x}", header[0], header[1]);
        return Err(name.error(0, "the IDX magic bytes 00 00", got));
    }
    let dtype = header[2];
    if !types.contains(&dtype) {
        let types: Vec<String> = types.iter().map(|t| format!("0x{t:02x}")).collect();
        return Err(name.error(2, format!("element type {}", types.join(" or ")), format!("0x{dtype:02x}")));
    }
    if usize::from(header[3]) != AXES {
        return Err(name.error(3, format!("{AXES} axes"), header[3]));
    }
    let mut shape = [0; AXES];
    for axis in &mut shape {
        let at = file.offset();
        let bytes = file.read_bytes(4, "axis length")?;
        let len = bytes.iter().fold(0u32, |n, &b| n << 8 | u32::from(b));
        if len == 0 {
            return Err(name.error(at, "an axis of at least 1", 0));
        }
        *axis = len as usize;
    }
    let element_bytes = match dtype {
        I16 => 2,
        I32 => 4,
        _ => 1,
    };
    // Axes are u32: a product of up to three and an element size fits u128.
    let num_bytes = shape.iter().fold(element_bytes as u128, |n, &d| n * d as u128);
    let num_bytes = u64::try_from(num_bytes).unwrap_or(u64::MAX);
    let wanted = num_bytes.saturating_mul(byte_cost).saturating_add(item_cost * shape[0] as u64);
    name.take(budget, 4, wanted)?;
    let elements = file.read_bytes(num_bytes, &format!("elements for shape {shape:?}"))?;
    file.expect_end()?;
    Ok((name, shape, elements))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Split;
    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;
    use std::io::Write;
    use std::path::PathBuf;

    fn idx(dtype: u8, shape: &[u32], elements: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, dtype, shape.len() as u8];
        bytes.extend(shape.iter().flat_map(|d| d.to_be_bytes()));
        bytes.extend(elements);
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn pixels(n: usize) -> Vec<u8> {
        (0..n * 6).map(|i| i as u8).collect()
    }

    fn images(n: usize) -> Vec<u8> {
        idx(U8, &[n as u32, 2, 3], &pixels(n))
    }

    fn labels(n: usize) -> Vec<u8> {
        idx(U8, &[n as u32], &(0..n).map(|i| i as u8 % 3).collect::<Vec<_>>())
    }

    /// A folder with files `images`, `labels` and, if given, `test-images`, `test-labels`.
    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new(files: &[(&str, &[u8])]) -> Self {
            let dir = tempfile::tempdir().expect("temporary folder");
            for (name, bytes) in files {
                std::fs::write(dir.path().join(name), bytes).expect("written");
            }
            Self(dir)
        }

        fn path(&self, file: &str) -> PathBuf {
            self.0.path().join(file)
        }

        fn load(&self, num_classes: Option<usize>) -> Result<ImageSet> {
            let [images, labels, test_images, test_labels] =
                ["images", "labels", "test-images", "test-labels"].map(|f| self.path(f));
            let test = IdxPair { images: &test_images, labels: &test_labels };
            let train = IdxPair { images: &images, labels: &labels };
            let test = test.images.exists().then_some(test);
            let labels = IdxLabels { num_classes, first_label: None };
            load_idx("small", train, test, labels, ExampleOrder::default(), MemoryLimit::DEFAULT)
        }

        /// The message, less the folder.
        fn refused(&self, num_classes: Option<usize>) -> String {
            let message = self.load(num_classes).expect_err("damaged").message;
            message.replace(&format!("{}{}", self.0.path().display(), std::path::MAIN_SEPARATOR), "")
        }
    }

    fn refused(images: &[u8], labels: &[u8]) -> String {
        Folder::new(&[("images", images), ("labels", labels)]).refused(Some(3))
    }

    #[test]
    fn plain_and_gzipped_files_give_the_same_set() {
        let plain =
            Folder::new(&[("images", &images(12)), ("labels", &labels(12))]).load(None).expect("valid");
        assert_eq!(plain.pixels(), &Pixels::U8(pixels(12).into()));
        assert_eq!(plain.labels(), [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]);
        assert_eq!((plain.height(), plain.width(), plain.channels(), plain.num_classes()), (2, 3, 1, 3));
        let files = [("images", &gzip(&images(12))[..]), ("labels", &gzip(&labels(12)))];
        assert_eq!(Folder::new(&files).load(Some(3)).expect("valid"), plain);
    }

    #[test]
    fn an_official_test_part_becomes_the_test_split() {
        let (a, b, c, d) = (images(12), labels(12), images(4), labels(4));
        let files: [(&str, &[u8]); 4] =
            [("images", &a), ("labels", &b), ("test-images", &c), ("test-labels", &d)];
        let set = Folder::new(&files).load(None).expect("valid");
        assert_eq!(
            (set.num_examples(), set.range(Split::Train), set.range(Split::Test)),
            (16, 2..12, 12..16)
        );
        let wide = idx(U8, &[4, 3, 2], &pixels(4));
        let message = Folder::new(&[files[0], files[1], ("test-images", &wide), files[3]]).refused(None);
        assert_eq!(message, "test-images: at byte 8: expected 2x3 images as in images, got 3x2");
    }

    #[test]
    fn wide_labels_reach_a_thousand_classes() {
        let values = [0i16, 999, 1, 2, 3, 4, 5, 6, 7, 8];
        let short = idx(I16, &[10], &values.iter().flat_map(|v| v.to_be_bytes()).collect::<Vec<_>>());
        let long =
            idx(I32, &[10], &values.iter().flat_map(|&v| i32::from(v).to_be_bytes()).collect::<Vec<_>>());
        for file in [short, long] {
            let set = Folder::new(&[("images", &images(10)), ("labels", &file)]).load(None).expect("valid");
            assert_eq!((set.num_classes(), set.labels()[1]), (1000, 999));
        }
        let too_many = idx(I16, &[10], &[[3, 232]; 10].concat());
        let message = Folder::new(&[("images", &images(10)), ("labels", &too_many)]).refused(None);
        assert_eq!(message, "labels: at byte 8: expected a label below 1000, got 1000");
        let negative = idx(I16, &[10], &[[255, 255]; 10].concat());
        assert_eq!(refused(&images(10), &negative), "labels: at byte 8: expected a label below 3, got -1");
    }

    #[test]
    fn labels_that_start_from_1_are_noticed() {
        let from_1 = idx(U8, &[12], &(0..12).map(|i| 1 + i as u8 % 3).collect::<Vec<_>>());
        let folder = Folder::new(&[("images", &images(12)), ("labels", &from_1)]);
        assert_eq!(
            folder.refused(None),
            "labels: at byte 8: expected a label 0, got none below 1: `firstLabel: 1` makes that the first class, \
             `numClasses` says that there are others"
        );
        let load = |num_classes, first_label| {
            let [images, labels] = ["images", "labels"].map(|f| folder.path(f));
            let labels_read = IdxLabels { num_classes, first_label };
            let pair = IdxPair { images: &images, labels: &labels };
            load_idx("s", pair, None, labels_read, ExampleOrder::default(), MemoryLimit::DEFAULT)
        };
        let set = load(None, Some(1)).expect("told");
        assert_eq!((set.num_classes(), &set.labels()[..4]), (3, &[0, 1, 2, 0][..]));
        assert_eq!(load(Some(4), None).expect("told").labels()[..4], [1, 2, 3, 1]);
        assert_eq!(load(None, Some(0)).expect("told").num_classes(), 4);
        let message = load(Some(3), Some(2)).expect_err("below the first").message;
        assert!(message.ends_with("labels: at byte 8: expected a label from 2 to 4, got 1"), "{message}");
    }

    #[test]
    fn files_sorted_by_class_can_be_shuffled() {
        let sorted: Vec<u8> = (0..60).map(|i| i / 20).collect();
        let folder = Folder::new(&[("images", &images(60)), ("labels", &idx(U8, &[60], &sorted))]);
        assert!(folder.refused(None).contains("`shuffleSeed` mixes a file that is sorted by class"));
        let [images, labels] = ["images", "labels"].map(|f| folder.path(f));
        let load = |shuffle_seed| {
            let order = ExampleOrder { shuffle_seed: Some(shuffle_seed), ..ExampleOrder::default() };
            let pair = IdxPair { images: &images, labels: &labels };
            load_idx("s", pair, None, IdxLabels::default(), order, MemoryLimit::DEFAULT).expect("mixed")
        };
        let set = load(7);
        assert_eq!(set, load(7));
        assert_ne!(set, load(8));
        let Pixels::U8(bytes) = set.pixels() else { panic!("made of bytes") };
        for (image, &label) in bytes.chunks(6).zip(set.labels()) {
            // Pixels count up modulo 256 through the file; 6 times the example's number below 60 tells it apart.
            let i = (0..60).find(|i| (0..6).all(|j| image[j] == (6 * i + j) as u8)).expect("a whole image");
            assert_eq!(usize::from(label), i / 20);
        }
    }

    #[test]
    fn memory_is_asked_for_by_the_header() {
        let folder = Folder::new(&[("images", &gzip(&images(12))), ("labels", &labels(12))]);
        let [images, labels] = ["images", "labels"].map(|f| folder.path(f));
        let pair = IdxPair { images: &images, labels: &labels };
        let load = |limit| {
            let order = ExampleOrder::default();
            load_idx("s", pair, None, IdxLabels::default(), order, MemoryLimit::new(limit)).map(|_| ())
        };
        // 72 pixels twice, 12 labels of 9 bytes.
        assert_eq!(load(252), Ok(()));
        for (limit, file, wanted) in [(143, "images", 144), (251, "labels", 252)] {
            let message = load(limit).expect_err("too large").message;
            assert!(message.contains(file), "{message}");
            assert!(message.ends_with(&format!(
                "expected the data set to take at most {limit} bytes of memory (`maxMemoryBytes`), got at least {wanted}"
            )));
        }
    }

    #[test]
    fn damaged_headers_are_refused() {
        let mut magic = images(12);
        magic[1] = 9;
        assert_eq!(
            refused(&magic, &labels(12)),
            "images: at byte 0: expected the IDX magic bytes 00 00, got 00 09"
        );
        let float = idx(0x0d, &[12, 2, 3], &pixels(12));
        assert_eq!(refused(&float, &labels(12)), "images: at byte 2: expected element type 0x08, got 0x0d");
        assert_eq!(refused(&labels(12), &labels(12)), "images: at byte 3: expected 3 axes, got 1");
        assert_eq!(refused(&images(12), &images(12)), "labels: at byte 3: expected 1 axes, got 3");
        let empty = idx(U8, &[12, 0, 3], &[]);
        assert_eq!(refused(&empty, &labels(12)), "images: at byte 8: expected an axis of at least 1, got 0");
        assert_eq!(
            refused(&images(12)[..6], &labels(12)),
            "images: at byte 6: expected 4 bytes of axis length from byte 4 on, got the end of the file"
        );
        let huge = idx(U8, &[u32::MAX; 3], &[]);
        assert!(refused(&huge, &labels(12)).contains(
            "at byte 4: expected the data set to take at most 8589934592 bytes of memory (`maxMemoryBytes`), got at least 18446744073709551615"
        ));
    }

    #[test]
    fn lengths_that_disagree_with_the_header_are_refused() {
        let whole = images(12);
        let (cut, mut more) = (&whole[..whole.len() - 1], whole.clone());
        more.push(0);
        let early =
            "expected 72 bytes of elements for shape [12, 2, 3] from byte 16 on, got the end of the file";
        assert_eq!(refused(cut, &labels(12)), format!("images: at byte 87: {early}"));
        assert_eq!(
            refused(&gzip(cut), &labels(12)),
            format!("images: at byte 87 of the unpacked data: {early}")
        );
        assert_eq!(
            refused(&more, &labels(12)),
            "images: at byte 88: expected the end of the file, got more bytes"
        );
        assert_eq!(
            refused(&whole, &labels(11)),
            "labels: at byte 4: expected 12 labels for the images of images, got 11"
        );
        // Almost 4 GiB announced, none there: refused without reserving them.
        let hollow = idx(U8, &[1 << 16, 1 << 8, 255], &[]);
        assert!(refused(&hollow, &labels(12)).starts_with("images: at byte 16: expected 4278190080 bytes"));
        assert!(refused(&gzip(&hollow), &labels(12)).starts_with("images: at byte 16 of the unpacked data"));
    }

    #[test]
    fn mislabelled_and_damaged_files_are_refused() {
        let mut wrong = labels(12);
        wrong[8 + 5] = 3;
        assert_eq!(
            refused(&images(12), &wrong),
            "labels: at byte 13: expected a label below 3, got 3 (`firstLabel: 1` is for labels that start from 1)"
        );
        let gz = gzip(&images(12));
        assert_eq!(
            refused(&gz[..gz.len() - 4], &labels(12)),
            "images: at byte 88 of the unpacked data: expected intact gzip data, got the end of the file"
        );
        let missing = Folder::new(&[("images", &images(12))]).refused(None);
        assert!(missing.starts_with("labels: at byte 0: expected a readable file, got"), "{missing}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

        /// No damage makes the loader panic, and what still loads is a consistent set.
        #[test]
        fn damaged_files_never_panic(
            is_gzip: bool,
            in_labels: bool,
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            cut in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let mut files = [images(12), labels(12)];
            let file = &mut files[usize::from(in_labels)];
            if is_gzip {
                *file = gzip(file);
            }
            for (at, byte) in &edits {
                let at = at.index(file.len());
                file[at] = *byte;
            }
            if let Some(cut) = cut {
                file.truncate(cut.index(file.len()));
                prop_assert!(Folder::new(&[("images", &files[0]), ("labels", &files[1])]).load(Some(3)).is_err());
            } else if let Ok(set) = Folder::new(&[("images", &files[0]), ("labels", &files[1])]).load(Some(3)) {
                prop_assert_eq!(set.pixels().len(), set.labels().len() * set.example_len());
                prop_assert!(set.labels().iter().all(|&label| label < 3));
            }
        }
    }
}
