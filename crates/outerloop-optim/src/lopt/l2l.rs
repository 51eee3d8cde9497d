//! `l2l_gru` and `l2l_lstm`: two recurrent layers for every parameter, whose only input is its gradient.
//!
//! p ← p + stepMult·o, o = linear(layer₂(layer₁(x))), x = (ln|g|/logRange, sign g), or (−1, e^logRange·g) for
//! |g| < e^−logRange. States start at zero.
//!
//! # References
//! Andrychowicz, Denil, Gomez, Hoffman, Pfau, Schaul, Shillingford, de Freitas 2016, "Learning to learn by gradient
//! descent by gradient descent", arXiv:1606.04474, with LSTMs; Metz, Maheswaranathan, Freeman, Poole, Sohl-Dickstein
//! 2020, arXiv:2009.11243, compares with two GRU layers of 20 units. No reference implementation is followed and no
//! published numbers exist: an f64 twin only. Cells and their initialisers are Haiku's (an LSTM's forget gate has 1
//! added). stepMult is 0.1 in the first paper and 0.01, the default here, in its code (google-deepmind/learning-to-learn),
//! which also has another preprocessing: that is left out.

use super::engine::param_cell::{Cell, INPUTS, Layer, state_layout};
use super::engine::param_rnn::Move;
use super::engine::param_rnn_bound::{Bound, Weights, macs};
use crate::error::Result;
use crate::optim::options::options;
use crate::optim::{Config, Cost, LeafInit, Needs, Optimizer, Theta, ThetaSpec, Update};
use crate::params::{ParamLayout, TensorSpec};
use std::sync::Arc;

/// Recurrent layers.
const LAYERS: usize = 2;
/// Standard deviation of a standard normal cut at ±2.
const TRUNCATED_STD: f64 = 0.879_625_661_034_239_8;

macro_rules! config {
    ($(#[doc = $doc:expr])* $name:ident, $cell:expr) => {
        options! {
            $(#[doc = $doc])*
            pub struct $name {
                /// Width of both layers. The state has two (GRU) or four (LSTM) floats a parameter for each.
                hidden: usize = 20 => Range::integer(1, 256);
                /// Factor of every step.
                step_mult: f64 = 0.01 => Range::Positive;
                /// Gradients from e^−logRange on are seen by their logarithms, smaller ones as they are.
                log_range: f64 = 10.0 => Range::between(0.1, 80.0);
            }
        }

        impl Config for $name {
            fn build(self) -> Result<Arc<dyn Optimizer>> {
                let Self { hidden, step_mult, log_range } = self;
                Ok(Arc::new(L2l { cell: $cell, hidden, step_mult, log_range, theta: theta_spec($cell, hidden) }))
            }
        }
    };
}

config! {
    /// Two GRU layers for every parameter (Andrychowicz et al. 2016, arXiv:1606.04474, with other cells).
    L2lGruConfig, Cell::Gru
}
config! {
    /// Two LSTM layers for every parameter (Andrychowicz et al. 2016, arXiv:1606.04474).
    L2lLstmConfig, Cell::Lstm
}

/// The optimizer as an immutable value.
struct L2l {
    cell: Cell,
    hidden: usize,
    step_mult: f64,
    log_range: f64,
    theta: ThetaSpec,
}

fn theta_spec(cell: Cell, hidden: usize) -> ThetaSpec {
    let mut leaves = vec![];
    let mut leaf = |name: String, shape: &[usize], init| leaves.push((TensorSpec::new(name, shape), init));
    let truncated = |inputs: usize| LeafInit::TruncatedNormal(1.0 / (inputs as f64).sqrt());
    let of_std = |inputs: usize| LeafInit::TruncatedNormal(1.0 / (inputs as f64).sqrt() / TRUNCATED_STD);
    for layer in 0..LAYERS {
        let (inputs, columns) = (if layer == 0 { INPUTS } else { hidden }, cell.gates() * hidden);
        match cell {
            Cell::Gru => {
                leaf(format!("gru_{layer}/b"), &[columns], LeafInit::Zero);
                leaf(format!("gru_{layer}/w_h"), &[hidden, columns], of_std(hidden));
                leaf(format!("gru_{layer}/w_i"), &[inputs, columns], of_std(inputs));
            }
            Cell::Lstm => {
                leaf(format!("lstm_{layer}/b"), &[columns], LeafInit::Zero);
                leaf(format!("lstm_{layer}/w"), &[inputs + hidden, columns], truncated(inputs + hidden));
            }
        }
    }
    leaf("linear/b".into(), &[1], LeafInit::Zero);
    leaf("linear/w".into(), &[hidden, 1], truncated(hidden));
    ThetaSpec { leaves }
}

impl Optimizer for L2l {
    fn theta_spec(&self) -> &ThetaSpec {
        &self.theta
    }

    fn state_layout(&self, params: &ParamLayout) -> Option<ParamLayout> {
        state_layout(params, self.cell, LAYERS, self.hidden)
    }

    fn bind(&self, theta: Theta, params: &ParamLayout) -> Result<Box<dyn Update>> {
        self.theta.check(&theta)?;
        let leaf = |name: &str| self.theta.leaf(&theta, name).to_vec();
        let layer = |layer: usize| match self.cell {
            Cell::Gru => {
                let [w_i, w_h] = ["w_i", "w_h"].map(|w| leaf(&format!("gru_{layer}/{w}")));
                Layer { w: [w_i, w_h].concat(), b: leaf(&format!("gru_{layer}/b")) }
            }
            Cell::Lstm => Layer { w: leaf(&format!("lstm_{layer}/w")), b: leaf(&format!("lstm_{layer}/b")) },
        };
        let weights = Weights {
            cell: self.cell,
            hidden: self.hidden,
            layers: (0..LAYERS).map(layer).collect(),
            w: leaf("linear/w"),
            b: leaf("linear/b"),
            initial: vec![],
        };
        let step = Move::Add { step: self.step_mult as f32 };
        Ok(Box::new(Bound::new(weights, self.log_range, step, params)))
    }

    fn cost(&self) -> Cost {
        Cost {
            state_floats: LAYERS * self.cell.arrays() * self.hidden,
            macs: macs(self.cell, LAYERS, self.hidden, 1),
        }
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counted by hand: a GRU has 3·H·(inputs + H + 1) weights, an LSTM 4·H·(inputs + H + 1), the output H + 1.
    #[test]
    fn theta_has_as_many_weights_as_the_cells() {
        assert_eq!(theta_spec(Cell::Gru, 20).len(), 1380 + 2460 + 21);
        assert_eq!(theta_spec(Cell::Lstm, 20).len(), 1840 + 3280 + 21);
        assert_eq!(macs(Cell::Gru, LAYERS, 20, 1), 3740);
        assert_eq!(macs(Cell::Lstm, LAYERS, 20, 1), 4980);
    }
}
