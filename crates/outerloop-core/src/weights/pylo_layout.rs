//! Which tensors PyLO's modules have, and which of our leaves they are: weights of a linear layer are transposed, and the
//! fourteen groups of VeLO's first layer are one matrix.

use super::leaf::Leaf;
use crate::params::TensorSpec;
use std::borrow::Cow;

/// Channels of the fourteen groups of features of Celo2 and VeLO.
pub(super) const GROUPS: [usize; 14] = [1, 1, 1, 3, 1, 3, 1, 3, 1, 3, 3, 3, 3, 3];
/// Inputs of `adafac_mlp`.
pub(super) const ADAFAC_INPUTS: usize = 39;
/// Features that VeLO's LSTM sees.
pub(super) const VELO_INPUTS: usize = 30;
/// Width of VeLO's per-parameter network and its outputs.
pub(super) const VELO_HIDDEN: usize = 4;
pub(super) const OUTPUTS: usize = 3;
/// Width of Celo2's network where PyLO is not told another one.
pub(super) const CELO2_HIDDEN: usize = 8;

/// One tensor of a module.
pub(super) struct Entry {
    /// Name and shape in PyLO.
    pub(super) tensor: TensorSpec,
    pub(super) part: Part,
}

/// What is in a tensor.
pub(super) enum Part {
    /// A leaf as it is.
    Same(TensorSpec),
    /// Leaves [bank…, inputs, outputs], joined along their inputs and transposed.
    Transposed(Vec<TensorSpec>),
    /// Scratch: written as zeros, not needed when read.
    Scratch,
}

fn same(tensor: impl Into<String>, leaf: impl Into<String>, shape: &[usize]) -> Entry {
    Entry { tensor: TensorSpec::new(tensor, shape), part: Part::Same(TensorSpec::new(leaf, shape)) }
}

fn scratch(tensor: &str, shape: &[usize]) -> Entry {
    Entry { tensor: TensorSpec::new(tensor, shape), part: Part::Scratch }
}

/// `leaves`: names and inputs. `bank`: empty, or the number of entries.
fn transposed(tensor: &str, bank: &[usize], leaves: &[(String, usize)], outputs: usize) -> Entry {
    let shape = |a, b| [bank, &[a, b]].concat();
    let inputs = leaves.iter().map(|(_, inputs)| inputs).sum();
    let leaves = leaves.iter().map(|(name, inputs)| TensorSpec::new(name.as_str(), shape(*inputs, outputs)));
    Entry {
        tensor: TensorSpec::new(tensor, shape(outputs, inputs)),
        part: Part::Transposed(leaves.collect()),
    }
}

/// `tensor.weight` and `tensor.bias` of a linear layer.
fn linear(tensor: &str, [w, b]: [String; 2], inputs: usize, outputs: usize) -> [Entry; 2] {
    [
        transposed(&format!("{tensor}.weight"), &[], &[(w, inputs)], outputs),
        same(format!("{tensor}.bias"), b, &[outputs]),
    ]
}

/// `MetaMLP` of width `h`.
pub(super) fn meta_mlp(h: usize) -> Vec<Entry> {
    let layer = |tensor, i: usize, inputs, outputs| {
        linear(tensor, [format!("nn/~/w{i}"), format!("nn/~/b{i}")], inputs, outputs)
    };
    [
        layer("network.input", 0, ADAFAC_INPUTS, h),
        layer("network.linear_0", 1, h, h),
        layer("network.output", 2, h, 2),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// `CELO2MLP` of width `h`.
pub(super) fn celo2_mlp(h: usize) -> Vec<Entry> {
    let leaf = |name: &str| format!("ff_mod_stack/~/{name}");
    let groups = GROUPS.iter().enumerate();
    let mut entries: Vec<_> =
        groups.map(|(i, &inputs)| same(format!("w0.{i}"), leaf(&format!("w0__{i}")), &[inputs, h])).collect();
    entries.extend([
        same("b0", leaf("b0"), &[h]),
        same("dense_w.0", leaf("w1"), &[h, h]),
        same("dense_b.0", leaf("b1"), &[h]),
        same("dense_w.1", leaf("w2"), &[h, OUTPUTS]),
        same("dense_b.1", leaf("b2"), &[OUTPUTS]),
    ]);
    entries
}

/// `VeLOMLP` with a bank of `n`.
pub(super) fn velo_mlp(n: usize) -> Vec<Entry> {
    let h = VELO_HIDDEN;
    let leaf = |name: &str| format!("ff_mod_stack/~/{name}");
    let groups: Vec<_> =
        GROUPS.iter().enumerate().map(|(i, &inputs)| (leaf(&format!("w0__{i}")), inputs)).collect();
    vec![
        transposed("input_weights_", &[n], &groups, h),
        same("input_bias_", leaf("b0"), &[n, h]),
        transposed("hidden_weights_.0", &[n], &[(leaf("w1"), h)], h),
        same("hidden_bias_.0", leaf("b1"), &[n, h]),
        transposed("output_weights_", &[n], &[(leaf("w2"), h)], OUTPUTS),
        same("output_bias_", leaf("b2"), &[n, OUTPUTS]),
        scratch("input_weights", &[h, VELO_INPUTS]),
        scratch("input_bias", &[h]),
        scratch("hidden_weights.0", &[h, h]),
        scratch("hidden_bias.0", &[h]),
        scratch("output_weights", &[OUTPUTS, h]),
        scratch("output_bias", &[OUTPUTS]),
    ]
}

/// `VeLORNN` with an LSTM of `h` units and a bank of `n`.
pub(super) fn velo_rnn(h: usize, n: usize) -> Vec<Entry> {
    let layer = |tensor, leaf: &str, inputs, outputs| {
        linear(tensor, ["w", "b"].map(|x| format!("rnn_params/{leaf}/{x}")), inputs, outputs)
    };
    let mut entries: Vec<_> = [
        layer("mix_layer1", "linear", VELO_INPUTS, h),
        layer("mix_layer2", "linear_1", VELO_INPUTS, h),
        layer("final_mix_layer", "linear_2", VELO_INPUTS, h),
        layer("lstm.linear", "rnn/linear", 2 * h, 4 * h),
        layer("rnn_to_controls", "rnn_to_controls", h, n),
        layer("step_size", "step_size", h, 1),
    ]
    .into_iter()
    .flatten()
    .collect();
    entries.push(same("lstm_init_state.0", "lstm_init_state/hidden", &[1, h]));
    entries.push(same("lstm_init_state.1", "lstm_init_state/cell", &[1, h]));
    entries
}

/// Joins `leaves`, each [bank, inputs, outputs], along their inputs: [bank, outputs, inputs].
pub(super) fn transpose(leaves: &[&Leaf<'_>], tensor: &TensorSpec) -> Vec<f32> {
    let [bank @ .., outputs, _] = &tensor.shape[..] else { return vec![] };
    let mut out = Vec::with_capacity(tensor.len());
    for n in 0..bank.iter().product() {
        for o in 0..*outputs {
            for leaf in leaves {
                let len = leaf.spec.shape[bank.len()] * outputs;
                out.extend(leaf.data[n * len..(n + 1) * len].iter().skip(o).step_by(*outputs));
            }
        }
    }
    out
}

/// The leaves that [`transpose`] joined.
pub(super) fn transpose_back(
    data: &[f32],
    tensor: &TensorSpec,
    leaves: Vec<TensorSpec>,
) -> Vec<Leaf<'static>> {
    let [bank @ .., outputs, inputs] = &tensor.shape[..] else { return vec![] };
    let mut first = 0;
    let mut out = vec![];
    for spec in leaves {
        let own = spec.shape[bank.len()];
        let mut values = Vec::with_capacity(spec.len());
        for n in 0..bank.iter().product::<usize>() {
            for i in first..first + own {
                for o in 0..*outputs {
                    values.push(data[(n * outputs + o) * inputs + i]);
                }
            }
        }
        first += own;
        out.push(Leaf { spec, data: Cow::Owned(values) });
    }
    out
}
