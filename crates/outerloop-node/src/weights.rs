//! Weight files of other programs.

use crate::error::{Result, guard, to_js};
use crate::theta::{NativeTensorSpec, build, to_native};
use napi::bindgen_prelude::{Float32Array, Uint8Array};
use napi_derive::napi;
use outerloop_core::error::Error;
use outerloop_core::params::TensorSpec;
use outerloop_core::weights::{self, DecayOffsets, Leaf, PlainLeaves, PyloModule};

/// A named array of a weight file.
#[napi(object)]
pub struct NativeLeaf {
    /// Keys, joined by `/`.
    pub name: String,
    /// Row-major shape.
    pub shape: Vec<u32>,
    /// Values.
    pub data: Float32Array,
}

/// A module of PyLO's as its two files have it.
#[napi(object)]
pub struct NativePyloModule {
    /// Directory of the two files inside another; empty: none.
    pub directory: String,
    /// Text of `config.json`.
    pub config: String,
    /// Bytes of `model.safetensors`.
    pub weights: Uint8Array,
}

/// A learned optimizer as PyLO has it.
#[napi(object)]
pub struct NativePylo {
    /// One module, or VeLO's two.
    pub modules: Vec<NativePyloModule>,
    /// The constructor's call, in Python, and what PyLO does otherwise.
    pub notes: Vec<String>,
}

fn shape(shape: &[u32]) -> Vec<usize> {
    shape.iter().map(|&d| d as usize).collect()
}

fn to_js_leaves(leaves: Vec<Leaf<'_>>) -> Vec<NativeLeaf> {
    let native = |leaf: Leaf<'_>| {
        let NativeTensorSpec { name, shape } = to_native(&leaf.spec);
        NativeLeaf { name, shape, data: Float32Array::new(leaf.data.into_owned()) }
    };
    leaves.into_iter().map(native).collect()
}

/// The leaves of flax's msgpack.
#[napi]
pub fn read_flax(bytes: &[u8]) -> Result<Vec<NativeLeaf>> {
    guard(|| weights::read_flax(bytes).map(to_js_leaves).map_err(to_js))
}

/// The leaves of a file, and what was done to their numbers.
#[napi(object)]
pub struct NativePlainLeaves {
    /// By name, sorted.
    pub leaves: Vec<NativeLeaf>,
    /// A sentence for every dtype that was converted.
    pub notes: Vec<String>,
}

/// The leaves of safetensors in any dtype of floating point, whatever the metadata say.
#[napi]
pub fn read_safetensors(bytes: &[u8]) -> Result<NativePlainLeaves> {
    guard(|| {
        let PlainLeaves { leaves, notes } = weights::read_safetensors(bytes).map_err(to_js)?;
        Ok(NativePlainLeaves { leaves: to_js_leaves(leaves), notes })
    })
}

/// Flat theta as flax's msgpack.
#[napi]
pub fn write_flax(optimizer: String, theta: &[f32]) -> Result<Uint8Array> {
    guard(|| {
        let optimizer = build(&optimizer)?;
        let leaves = weights::leaves_of(theta, optimizer.theta_spec()).map_err(to_js)?;
        weights::write_flax(&leaves).map(Uint8Array::new).map_err(to_js)
    })
}

/// The leaves of PyLO's modules. `decays`: offsets as JSON.
#[napi]
pub fn read_pylo(modules: Vec<NativePyloModule>, decays: Option<String>) -> Result<Vec<NativeLeaf>> {
    guard(|| {
        let decays = decays.map(|json| decay_offsets(&json)).transpose()?;
        let modules: Vec<_> =
            modules.iter().map(|m| PyloModule { config: &m.config, weights: &m.weights }).collect();
        weights::read_pylo(&modules, decays).map(to_js_leaves).map_err(to_js)
    })
}

fn decay_offsets(json: &str) -> Result<DecayOffsets> {
    serde_json::from_str(json).map_err(|e| to_js(Error::option(format!("decayOffsets: {e}"))))
}

/// Flat theta as PyLO's modules. `directory` is where they will be, for the call.
#[napi]
pub fn write_pylo(optimizer: String, theta: &[f32], directory: String) -> Result<NativePylo> {
    guard(|| {
        let built = build(&optimizer)?;
        let leaves = weights::leaves_of(theta, built.theta_spec()).map_err(to_js)?;
        let config: serde_json::Value = serde_json::from_str(&optimizer)
            .map_err(|e| to_js(Error::option(format!("optimizer config: {e}"))))?;
        let parts = weights::write_pylo(&config, &leaves).map_err(to_js)?;
        let modules = parts.into_iter().map(|part| NativePyloModule {
            directory: part.directory.into(),
            config: part.config,
            weights: Uint8Array::new(part.weights),
        });
        Ok(NativePylo {
            modules: modules.collect(),
            notes: weights::pylo_notes(&config, &leaves, &directory),
        })
    })
}

/// Offsets of the decays that PyLO's `AdafacLO_naive` has by default, as JSON.
#[napi]
pub fn mulo_decay_offsets() -> Result<String> {
    guard(|| Ok(serde_json::to_string(&DecayOffsets::MULO).unwrap_or_default()))
}

/// Flat theta of an optimizer from its leaves, in any order.
#[napi]
pub fn flat_theta(optimizer: String, leaves: Vec<NativeLeaf>) -> Result<Float32Array> {
    guard(|| {
        let optimizer = build(&optimizer)?;
        let leaves: Vec<_> = leaves
            .iter()
            .map(|leaf| Leaf {
                spec: TensorSpec::new(leaf.name.as_str(), shape(&leaf.shape)),
                data: (&leaf.data[..]).into(),
            })
            .collect();
        weights::flat_theta(&leaves, optimizer.theta_spec()).map(Float32Array::new).map_err(to_js)
    })
}

/// What leaves tell of their optimizer.
#[napi(object)]
pub struct NativeInferred {
    /// `{"config", "choices"}` as JSON; absent if they tell nothing.
    pub optimizer: Option<String>,
    /// Leaves that no step depends on.
    pub dead: Vec<String>,
}

/// Looks at names and shapes.
#[napi]
pub fn infer_optimizer(leaves: Vec<NativeTensorSpec>) -> Result<NativeInferred> {
    guard(|| {
        let leaves: Vec<_> =
            leaves.into_iter().map(|leaf| TensorSpec::new(leaf.name, shape(&leaf.shape))).collect();
        let inferred = weights::infer_optimizer(&leaves);
        let optimizer = inferred.and_then(|inferred| serde_json::to_string(&inferred).ok());
        Ok(NativeInferred { optimizer, dead: weights::dead_leaves(&leaves) })
    })
}
