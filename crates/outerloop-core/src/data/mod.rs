//! Labelled data sets: splits, and loaders that refuse a damaged file by naming file, byte and expectation.
//!
//! [`load`] turns a [`DatasetSpec`] into an [`ImageSet`]. The formats are IDX (MNIST and its kin), CIFAR-10 binary and
//! CSV; each file may be gzipped, which is told by its first bytes. Files are untrusted: nothing is allocated on the
//! word of a header that the file's length contradicts, and nothing unpacks beyond 4 GiB.
mod bytes;
mod cifar;
mod csv;
mod file;
mod idx;
mod image_set;
mod spec;
mod split;

pub use self::csv::{CsvLabel, CsvOptions, load_csv};
pub use bytes::AlignedBytes;
pub use cifar::load_cifar10;
pub use idx::{IdxPair, load_idx};
pub use image_set::{Examples, ImageSet, NUM_CLASSES, Pixels};
pub use spec::{BundledName, DatasetSpec, load};
pub use split::{Split, Splits};
