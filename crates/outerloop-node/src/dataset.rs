//! Data sets as handles.

use crate::error::{Result, error, guard, to_js};
use crate::job::{NativeCancelToken, spawn};
use crate::memory::{Account, reclaim};
use napi::bindgen_prelude::{ClassInstance, Env, Object, ObjectFinalize, This, Uint16Array};
use napi_derive::napi;
use outerloop_core::data::{DatasetSpec, Examples, ImageSet, Pixels, Split, load};
use outerloop_core::error::ErrorCode;
use outerloop_core::task::Datasets;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// An immutable data set.
#[napi(custom_finalize)]
pub struct NativeDataset {
    /// None once the object has been collected.
    held: Rc<RefCell<Option<Arc<ImageSet>>>>,
    account: Option<Account>,
}

impl ObjectFinalize for NativeDataset {
    fn finalize(self, env: Env) -> napi::Result<()> {
        self.held.take();
        if let Some(account) = self.account {
            account.update(&env, 0);
        }
        Ok(())
    }
}

impl NativeDataset {
    fn new(set: ImageSet) -> Self {
        Self { held: Rc::new(RefCell::new(Some(Arc::new(set)))), account: None }
    }

    fn set(&self) -> Result<Arc<ImageSet>> {
        let gone = || error(ErrorCode::Internal, "expected a data set that is still there");
        self.held.borrow().clone().ok_or_else(gone)
    }
}

/// What is in a data set.
#[napi(object)]
pub struct NativeDatasetInfo {
    /// Name under which tasks refer to it.
    pub name: String,
    /// Examples over all splits.
    pub num_examples: u32,
    /// Rows of an image.
    pub height: u32,
    /// Columns of an image, or features of a table.
    pub width: u32,
    /// Colours.
    pub channels: u32,
    /// Classes.
    pub num_classes: u32,
    /// Examples of train, innerValid, outerValid, test.
    pub split_lengths: Vec<u32>,
}

#[napi]
impl NativeDataset {
    /// What is in it.
    #[napi]
    pub fn info(&self) -> Result<NativeDatasetInfo> {
        let s = self.set()?;
        Ok(NativeDatasetInfo {
            name: s.name().to_owned(),
            num_examples: s.num_examples() as u32,
            height: s.height() as u32,
            width: s.width() as u32,
            channels: s.channels() as u32,
            num_classes: s.num_classes() as u32,
            split_lengths: Split::ALL.map(|split| s.split_len(split) as u32).to_vec(),
        })
    }

    /// Tells V8 of the memory that `this` holds.
    #[napi]
    pub fn watch(&mut self, env: &Env, this: This<'_>) -> Result<()> {
        let set = self.set()?;
        let bytes = match set.pixels() {
            Pixels::U8(pixels) => pixels.len(),
            Pixels::F32(values) => 4 * values.len(),
        };
        let held = self.held.clone();
        let free = move || drop(held.take());
        self.account = Some(Account::open(env, &this, bytes + 2 * set.labels().len(), free));
        Ok(())
    }
}

/// Loads the data set that the JSON spec describes.
#[napi(ts_return_type = "Promise<NativeDataset>")]
pub fn load_dataset(env: &Env, spec: String) -> napi::Result<Object<'_>> {
    spawn(
        env,
        &NativeCancelToken::new(),
        None,
        move |_| load(&DatasetSpec::parse(&spec).map_err(to_js)?).map_err(to_js),
        |_, set| Ok(NativeDataset::new(set)),
    )
}

/// Shape of the arrays given to `datasetFromArrays`.
#[napi(object)]
pub struct NativeImageShape {
    /// Rows of an image.
    pub height: u32,
    /// Columns of an image.
    pub width: u32,
    /// Colours, planar.
    pub channels: u32,
    /// Classes.
    pub num_classes: u32,
}

/// A data set from bytes in memory, which are copied.
#[napi]
pub fn dataset_from_arrays(
    env: &Env,
    name: String,
    images: &[u8],
    labels: Uint16Array,
    shape: NativeImageShape,
) -> Result<NativeDataset> {
    reclaim(env);
    guard(|| {
        let examples = Examples {
            pixels: Pixels::U8(images.into()),
            labels: labels.to_vec(),
            height: shape.height as usize,
            width: shape.width as usize,
            channels: shape.channels as usize,
        };
        let set = ImageSet::new(name, examples, shape.num_classes as usize, None).map_err(to_js)?;
        Ok(NativeDataset::new(set))
    })
}

/// The handles' data sets, by name.
pub(crate) fn collect(handles: &[ClassInstance<'_, NativeDataset>]) -> Datasets {
    Datasets::new(handles.iter().filter_map(|handle| handle.set().ok()))
}
