//! Recurrent cells over a whole sequence `[time, batch, features]`.

use super::map::Function;
use super::tensors::sigmoid;
use super::{OpDef, arity, numbers, shaped};
use crate::program::op_cost::OpCost;
use crate::program::types::Type;
use candle_core::{D, Result as Candle, Tensor};
use serde::{Deserialize, Serialize};

/// The state of a cell after every step: x `[time, batch, features]` becomes `[time, batch, units]`. Arguments: x, the weights of
/// the cell, and perhaps its first state, `[1, units]` each; without it states start at 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rnn {
    /// Which cell.
    #[serde(flatten)]
    pub cell: Cell,
}

/// A recurrent cell as Haiku has it. f are features, u units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "cell", rename_all = "snake_case")]
pub enum Cell {
    /// h ← activation(x·wᵢ + bᵢ + h·wₕ + bₕ). Weights: wᵢ `[f, u]`, bᵢ `[u]`, wₕ `[u, u]`, bₕ `[u]`.
    Vanilla {
        /// Applied to the sum.
        activation: Function,
    },
    /// z, r = σ(x·wᵢ + h·wₕ + b); a = tanh(x·wᵢ + (r·h)·wₕ + b); h ← (1 − z)·h + z·a. Weights: wᵢ `[f, 3u]`, wₕ `[u, 3u]`, b
    /// `[3u]`, columns z, r, a.
    Gru,
    /// i, g, f, o = \[x, h\]·w + b; c ← σ(f + 1)·c + σ(i)·tanh(g); h ← σ(o)·tanh(c). Weights: w `[f + u, 4u]`, b `[4u]`; first
    /// states h and c.
    Lstm,
}

impl Cell {
    fn num_weights(self) -> usize {
        match self {
            Self::Vanilla { .. } => 4,
            Self::Gru => 3,
            Self::Lstm => 2,
        }
    }

    fn num_states(self) -> usize {
        if self == Self::Lstm { 2 } else { 1 }
    }

    fn gates(self) -> usize {
        match self {
            Self::Vanilla { .. } => 1,
            Self::Gru => 3,
            Self::Lstm => 4,
        }
    }

    /// Units, told by the bias, which is the last weight of all cells.
    fn units(self, args: &[&Type]) -> Option<usize> {
        let &[columns] = &args[self.num_weights()].shape[..] else { return None };
        columns.is_multiple_of(self.gates()).then(|| columns / self.gates())
    }

    /// Shapes of the weights.
    fn shapes(self, f: usize, u: usize) -> Vec<Vec<usize>> {
        match self {
            Self::Vanilla { .. } => vec![vec![f, u], vec![u], vec![u, u], vec![u]],
            Self::Gru => vec![vec![f, 3 * u], vec![u, 3 * u], vec![3 * u]],
            Self::Lstm => vec![vec![f + u, 4 * u], vec![4 * u]],
        }
    }

    /// One step from `state`, h first.
    fn step(self, x: &Tensor, weights: &[Tensor], state: &[Tensor], u: usize) -> Candle<Vec<Tensor>> {
        let h = &state[0];
        let part = |x: &Tensor, i: usize, n: usize| x.narrow(D::Minus1, i * u, n * u)?.contiguous();
        match self {
            Self::Vanilla { activation } => {
                let [wi, bi, wh, bh] = weights else { candle_core::bail!("rnn: four weights") };
                let sum = (x.matmul(wi)?.broadcast_add(bi)? + h.matmul(wh)?.broadcast_add(bh)?)?;
                Ok(vec![activation.of(&sum)?])
            }
            Self::Gru => {
                let [wi, wh, b] = weights else { candle_core::bail!("rnn: three weights") };
                let x = x.matmul(wi)?.broadcast_add(b)?;
                let zr = (part(&x, 0, 2)? + h.matmul(&part(wh, 0, 2)?)?)?;
                let (z, r) = (sigmoid(&part(&zr, 0, 1)?)?, sigmoid(&part(&zr, 1, 1)?)?);
                let a = (part(&x, 2, 1)? + (r * h)?.matmul(&part(wh, 2, 1)?)?)?.tanh()?;
                Ok(vec![((z.affine(-1.0, 1.0)? * h)? + (z * a)?)?])
            }
            Self::Lstm => {
                let [w, b] = weights else { candle_core::bail!("rnn: two weights") };
                let gates = Tensor::cat(&[x, h], D::Minus1)?.matmul(w)?.broadcast_add(b)?;
                let gate = |i: usize| part(&gates, i, 1);
                let keep = sigmoid(&(gate(2)? + 1.0)?)?;
                let c = ((keep * &state[1])? + (sigmoid(&gate(0)?)? * gate(1)?.tanh()?)?)?;
                Ok(vec![(sigmoid(&gate(3)?)? * c.tanh()?)?, c])
            }
        }
    }
}

impl OpDef for Rnn {
    fn infer(&self, args: &[&Type]) -> Result<Type, String> {
        let (weights, states) = (self.cell.num_weights(), self.cell.num_states());
        arity(
            args,
            &[1 + weights, 1 + weights + states],
            &format!("x, {weights} weights and perhaps {states} first states"),
        )?;
        numbers(args)?;
        let (&[time, batch, f], Some(u)) = (&args[0].shape[..], self.cell.units(args)) else {
            let bias = args[weights];
            return Err(format!(
                "expected x [time, batch, features] and a bias of whole gates, got {} and {bias}",
                args[0]
            ));
        };
        for (arg, shape) in args[1..].iter().zip(self.cell.shapes(f, u)) {
            shaped("a weight", arg, &shape)?;
        }
        for state in &args[1 + weights..] {
            shaped("a first state", state, &[1, u])?;
        }
        Ok(Type::f32([time, batch, u]))
    }

    fn cost(&self, args: &[&Type], out: &Type) -> OpCost {
        let (f, u) = (args[0].shape[2], out.shape[2]);
        let macs = out.len().saturating_mul(self.cell.gates() * (f + u));
        OpCost::product(macs).and(OpCost::elementwise(out.len(), 8))
    }

    fn candle(&self, args: &[Tensor], _: Option<&Tensor>) -> Candle<Tensor> {
        let (weights, rest) = args[1..].split_at(self.cell.num_weights());
        let (time, batch, _) = args[0].dims3()?;
        let u = weights[weights.len() - 1].dims1()? / self.cell.gates();
        let zeros = Tensor::zeros((1, u), args[0].dtype(), args[0].device())?;
        let first = (0..self.cell.num_states())
            .map(|i| rest.get(i).unwrap_or(&zeros).broadcast_as((batch, u))?.contiguous());
        let mut state = first.collect::<Candle<Vec<_>>>()?;
        let mut out = Vec::with_capacity(time);
        for t in 0..time {
            state = self.cell.step(&args[0].get(t)?.contiguous()?, weights, &state, u)?;
            out.push(state[0].clone());
        }
        Tensor::stack(&out, 0)
    }
}
