//! Programs written in Rust: values by number, one call each.

use super::checked::{Node, Program, ProgramSpec};
use super::init::Init;
use super::ops::{
    Constant, Dense, Fold, Function, Map, Op, Pairing, Reduce, Reshape, SoftmaxXent, Wrong, Zip,
};
use super::types::{Dtype, Id, Input, Param};
use crate::error::Result;

/// A program under way. Inputs come first, then parameters, then nodes: their numbers are those of the finished program.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    inputs: Vec<Input>,
    params: Vec<Param>,
    nodes: Vec<Node>,
    outputs: Vec<(String, Id)>,
    errors: Option<Id>,
}

impl Builder {
    /// No value yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a minibatch holds.
    /// # Panics
    /// After the first parameter or node.
    pub fn input(&mut self, name: &str, dtype: Dtype, shape: &[usize]) -> Id {
        assert!(self.params.is_empty() && self.nodes.is_empty(), "inputs come first");
        self.inputs.push(Input { name: name.into(), dtype, shape: shape.to_vec() });
        self.inputs.len() - 1
    }

    /// What is trained; without an initialiser it starts at 0.
    /// # Panics
    /// After the first node.
    pub fn param(&mut self, name: &str, shape: &[usize], init: Option<Init>) -> Id {
        assert!(self.nodes.is_empty(), "parameters come before nodes");
        self.params.push(Param { name: name.into(), shape: shape.to_vec(), init, fans: None });
        self.inputs.len() + self.params.len() - 1
    }

    /// The result of an operation.
    pub fn push(&mut self, op: Op, args: &[Id]) -> Id {
        self.nodes.push(Node { op, args: args.to_vec() });
        self.inputs.len() + self.params.len() + self.nodes.len() - 1
    }

    /// activation(x·w + b).
    pub fn dense(&mut self, x: Id, w: Id, b: Id, activation: Option<Function>) -> Id {
        self.push(Op::Dense(Dense { activation }), &[x, w, b])
    }

    /// A function of every element.
    pub fn map(&mut self, function: Function, x: Id) -> Id {
        self.push(Op::Map(Map { function }), &[x])
    }

    /// A function of two values.
    pub fn zip(&mut self, pairing: Pairing, a: Id, b: Id) -> Id {
        self.push(Op::Zip(Zip { pairing }), &[a, b])
    }

    /// scale·x + shift.
    pub fn affine(&mut self, x: Id, scale: f64, shift: f64) -> Id {
        self.map(Function::Affine { scale, shift }, x)
    }

    /// All of `axes` become one; `None`: all axes.
    pub fn reduce(&mut self, fold: Fold, x: Id, axes: Option<&[usize]>) -> Id {
        self.push(Op::Reduce(Reduce { fold, axes: axes.map(<[usize]>::to_vec), keep_axes: false }), &[x])
    }

    /// The same elements in another shape.
    pub fn reshape(&mut self, x: Id, shape: &[usize]) -> Id {
        self.push(Op::Reshape(Reshape { shape: shape.to_vec() }), &[x])
    }

    /// Numbers that are part of the program.
    pub fn constant(&mut self, shape: &[usize], values: Vec<f64>) -> Id {
        self.push(Op::Constant(Constant { shape: shape.to_vec(), values }), &[])
    }

    /// Mean softmax cross entropy; the share of wrong answers becomes the program's.
    pub fn classification(&mut self, logits: Id, labels: Id) -> Id {
        let wrong = self.push(Op::Wrong(Wrong {}), &[logits, labels]);
        self.errors = Some(self.reduce(Fold::Mean, wrong, None));
        self.outputs.push(("logits".into(), logits));
        let losses = self.push(Op::SoftmaxXent(SoftmaxXent {}), &[logits, labels]);
        self.reduce(Fold::Mean, losses, None)
    }

    /// A value that users may ask for.
    pub fn output(&mut self, name: &str, value: Id) {
        self.outputs.push((name.into(), value));
    }

    /// The program that minimises `loss`.
    /// # Errors
    /// As [`Program::new`].
    pub fn finish(self, loss: Id) -> Result<Program> {
        let Self { inputs, params, nodes, outputs, errors } = self;
        Program::new(ProgramSpec { inputs, params, nodes, loss, errors, outputs })
    }
}
