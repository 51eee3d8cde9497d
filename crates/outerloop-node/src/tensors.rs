//! Reading and writing safetensors.

use crate::error::{Result, error, guard};
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use outerloop_core::error::ErrorCode;
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};
use std::collections::HashMap;

/// A named array as bytes.
#[napi(object)]
pub struct NativeTensor {
    /// Name in the file.
    pub name: String,
    /// Row-major shape.
    pub shape: Vec<u32>,
    /// `F32`, `F64` or `U8`.
    pub dtype: String,
    /// Little-endian values.
    pub data: Uint8Array,
}

/// A file's tensors and its text metadata.
#[napi(object)]
pub struct NativeTensorFile {
    /// Tensors, sorted by name.
    pub tensors: Vec<NativeTensor>,
    /// Text metadata.
    pub metadata: HashMap<String, String>,
}

fn dtype(name: &str) -> Result<Dtype> {
    match name {
        "F32" => Ok(Dtype::F32),
        "F64" => Ok(Dtype::F64),
        "U8" => Ok(Dtype::U8),
        got => Err(error(
            ErrorCode::DtypeMismatch,
            format!("tensor: expected dtype F32, F64 or U8, got `{got}`"),
        )),
    }
}

/// The bytes of a safetensors file. One metadata entry alone, since several would come in no fixed order.
#[napi]
pub fn encode_tensors(tensors: Vec<NativeTensor>, key: String, value: String) -> Result<Uint8Array> {
    guard(|| {
        let mut views = vec![];
        for tensor in &tensors {
            let shape = tensor.shape.iter().map(|&d| d as usize).collect();
            let view = TensorView::new(dtype(&tensor.dtype)?, shape, &tensor.data)
                .map_err(|e| error(ErrorCode::ShapeMismatch, format!("tensor `{}`: {e}", tensor.name)))?;
            views.push((tensor.name.as_str(), view));
        }
        let bytes = serialize(views, Some(HashMap::from([(key, value)])))
            .map_err(|e| error(ErrorCode::Internal, format!("safetensors: {e}")))?;
        Ok(Uint8Array::new(bytes))
    })
}

/// The text metadata of a safetensors file.
#[napi]
pub fn tensor_metadata(bytes: &[u8]) -> Result<HashMap<String, String>> {
    guard(|| {
        let (_, header) = SafeTensors::read_metadata(bytes)
            .map_err(|e| error(ErrorCode::CheckpointInvalid, format!("safetensors: {e}")))?;
        Ok(header.metadata().clone().unwrap_or_default())
    })
}

/// Reads a safetensors file.
#[napi]
pub fn decode_tensors(bytes: &[u8]) -> Result<NativeTensorFile> {
    guard(|| {
        let invalid =
            |e: &dyn std::fmt::Display| error(ErrorCode::CheckpointInvalid, format!("safetensors: {e}"));
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| invalid(&e))?;
        let file = SafeTensors::deserialize(bytes).map_err(|e| invalid(&e))?;
        let mut tensors = vec![];
        for (name, view) in file.tensors() {
            let dtype = match view.dtype() {
                Dtype::F32 => "F32",
                Dtype::F64 => "F64",
                Dtype::U8 => "U8",
                other => {
                    return Err(invalid(&format!(
                        "expected dtype F32, F64 or U8 for `{name}`, got {other:?}"
                    )));
                }
            };
            tensors.push(NativeTensor {
                shape: view.shape().iter().map(|&d| d as u32).collect(),
                dtype: dtype.into(),
                data: Uint8Array::new(view.data().to_vec()),
                name,
            });
        }
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(NativeTensorFile { tensors, metadata: header.metadata().clone().unwrap_or_default() })
    })
}
