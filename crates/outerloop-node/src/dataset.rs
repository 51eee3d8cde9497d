//! Data sets as handles.

use crate::error::{Result, error, guard, to_js};
use crate::job::{NativeCancelToken, spawn};
use crate::json::parse;
use crate::memory::{Account, limit, reclaim};
use napi::bindgen_prelude::{ClassInstance, Env, Object, ObjectFinalize, This, Uint16Array};
use napi_derive::napi;
use outerloop_core::data::{ArrayOptions, DatasetSpec, ImageSet, Split, load, load_arrays};
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
    /// Memory that its examples take.
    pub memory_bytes: f64,
    /// What a person should know of it, a sentence each.
    pub notes: Vec<String>,
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
            memory_bytes: s.memory_bytes() as f64,
            notes: s.notes().to_vec(),
        })
    }

    /// Tells V8 of the memory that `this` holds.
    #[napi]
    pub fn watch(&mut self, env: &Env, this: This<'_>) -> Result<()> {
        let set = self.set()?;
        let bytes = usize::try_from(set.memory_bytes()).unwrap_or(usize::MAX);
        let held = self.held.clone();
        let free = move || drop(held.take());
        self.account = Some(Account::open(env, &this, bytes, free));
        Ok(())
    }

    /// A number that tells its content from any other with near certainty, as text.
    #[napi]
    pub fn fingerprint(&self) -> Result<String> {
        Ok(format!("{:016x}", self.set()?.fingerprint()))
    }
}

/// Loads the data set that the JSON spec describes.
#[napi(ts_return_type = "Promise<NativeDataset>")]
pub fn load_dataset(env: &Env, spec: String, max_memory_bytes: Option<f64>) -> napi::Result<Object<'_>> {
    spawn(
        env,
        &NativeCancelToken::new(),
        None,
        move |_| load(&DatasetSpec::parse(&spec).map_err(to_js)?, limit(max_memory_bytes)).map_err(to_js),
        |_, set| Ok(NativeDataset::new(set)),
    )
}

/// A data set from bytes in memory, which are copied, as the JSON options say.
#[napi]
pub fn dataset_from_arrays(
    env: &Env,
    images: &[u8],
    labels: Uint16Array,
    options: String,
    max_memory_bytes: Option<f64>,
) -> Result<NativeDataset> {
    reclaim(env);
    guard(|| {
        let options: ArrayOptions = parse("data set", &options)?;
        let set = load_arrays(images, &labels, &options, limit(max_memory_bytes)).map_err(to_js)?;
        Ok(NativeDataset::new(set))
    })
}

/// The handles' data sets, by name.
pub(crate) fn collect(handles: &[ClassInstance<'_, NativeDataset>]) -> Result<Datasets> {
    let sets: Vec<_> = handles.iter().map(|handle| handle.set()).collect::<Result<_>>()?;
    Datasets::new(sets).map_err(to_js)
}
