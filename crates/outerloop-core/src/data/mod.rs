//! Labelled data sets: splits, and loaders that refuse a damaged file by naming file, byte and expectation.
//!
//! [`load`] turns a [`DatasetSpec`] into an [`ImageSet`]. The formats are IDX (MNIST and its kin), CIFAR-10 binary and
//! CSV, and there are arrays in memory; each file may be gzipped, which is told by its first bytes. Files are untrusted:
//! nothing is allocated on the word of a header that the file's length contradicts, and a set that would take more memory
//! than a [`MemoryLimit`](crate::memory::MemoryLimit) is refused as soon as that is known.
mod arrays;
mod bytes;
mod cifar;
mod csv;
mod file;
mod idx;
mod image_set;
mod order;
mod spec;
mod split;
mod table;

pub use self::csv::load_csv;
pub use arrays::{ArrayOptions, load_arrays};
pub use bytes::AlignedBytes;
pub use cifar::load_cifar10;
pub use idx::{IdxLabels, IdxPair, load_idx};
pub use image_set::{Examples, ImageSet, NUM_CLASSES, Pixels};
pub use order::ExampleOrder;
pub use spec::{BundledName, DatasetSpec, load};
pub use split::{Split, Splits};
pub use table::{CsvColumn, CsvOptions};
