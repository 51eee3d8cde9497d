//! Programs as they are read, and as they are after every shape was inferred.

use super::ops::{Op, OpDef};
use super::types::{Id, Input, Param, Type};
use crate::error::{Error, Result};
use crate::params::{ParamLayout, TensorSpec};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Most nodes.
const MAX_NODES: usize = 1 << 16;
/// Most inputs, parameters and named outputs, each.
const MAX_NAMED: usize = 1 << 12;
/// Most arguments of one node.
const MAX_ARGS: usize = 64;
/// Longest name.
const MAX_NAME: usize = 256;

/// An operation and the values that it is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// What is done.
    #[serde(flatten)]
    pub op: Op,
    /// Earlier values.
    pub args: Vec<Id>,
}

/// A program as JSON has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramSpec {
    /// What a minibatch holds.
    pub inputs: Vec<Input>,
    /// What is trained, in leaf order.
    pub params: Vec<Param>,
    /// What is computed, in order: a node is given earlier values only.
    pub nodes: Vec<Node>,
    /// The value that is minimised: a scalar.
    pub loss: Id,
    /// The share of wrong answers, a scalar, where there are right ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errors: Option<Id>,
    /// Values that users may ask for, such as logits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<(String, Id)>,
}

/// A checked program: every value has a type.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    spec: ProgramSpec,
    types: Vec<Type>,
    layout: ParamLayout,
}

impl Program {
    /// Infers every shape and checks everything.
    /// # Errors
    /// `InvalidOption` or `ShapeMismatch` that names the input, parameter or node, what was expected and what came.
    pub fn new(spec: ProgramSpec) -> Result<Self> {
        check_sizes(&spec)?;
        let mut types = Vec::with_capacity(spec.inputs.len() + spec.params.len() + spec.nodes.len());
        for Input { name, dtype, shape } in &spec.inputs {
            let given = Type { dtype: *dtype, shape: shape.clone() };
            types.push(given.checked().map_err(|e| shape_error(&format!("input `{name}`"), &e))?);
        }
        for Param { name, shape, fans, .. } in &spec.params {
            let of = format!("param `{name}`");
            types.push(Type::f32(shape.clone()).checked().map_err(|e| shape_error(&of, &e))?);
            if fans.is_some_and(|fans| fans.contains(&0)) {
                return Err(option_error(&of, "expected `fans` of at least 1, got 0"));
            }
        }
        for (i, Node { op, args }) in spec.nodes.iter().enumerate() {
            let of = format!("node {i} ({})", op.name());
            if args.len() > MAX_ARGS {
                return Err(option_error(
                    &of,
                    &format!("expected at most {MAX_ARGS} arguments, got {}", args.len()),
                ));
            }
            let given =
                args.iter().map(|&id| types.get(id).ok_or(id)).collect::<std::result::Result<Vec<_>, Id>>();
            let given = given.map_err(|id| {
                let expected =
                    format!("expected arguments among the {} values before it, got {id}", types.len());
                option_error(&of, &expected)
            })?;
            let inferred = op.infer(&given).and_then(Type::checked);
            let inferred = inferred.map_err(|e| shape_error(&of, &e))?;
            types.push(inferred);
        }
        let is_scalar = |id: Id| types.get(id).is_some_and(|t| *t == Type::f32([]));
        for (what, id) in [("loss", Some(spec.loss)), ("errors", spec.errors)] {
            if let Some(id) = id.filter(|&id| !is_scalar(id)) {
                let got = types.get(id).map_or_else(|| format!("value {id}"), ToString::to_string);
                return Err(shape_error(&format!("`{what}`"), &format!("expected a scalar, got {got}")));
            }
        }
        if let Some((name, id)) = spec.outputs.iter().find(|(_, id)| *id >= types.len()) {
            return Err(option_error(&format!("output `{name}`"), &format!("expected a value, got {id}")));
        }
        let tensors = spec.params.iter().map(|p| TensorSpec::new(&*p.name, &*p.shape)).collect();
        let layout = ParamLayout::new(tensors)?;
        Ok(Self { spec, types, layout })
    }

    /// Reads and checks a program.
    /// # Errors
    /// `InvalidOption` if it is no JSON of a program; else those of [`Program::new`].
    pub fn from_json(json: &str) -> Result<Self> {
        let spec = serde_json::from_str(json);
        Self::new(spec.map_err(|e| Error::option(format!("program: {e}")).caused_by(e))?)
    }

    /// As it was read.
    pub fn spec(&self) -> &ProgramSpec {
        &self.spec
    }

    /// The parameters.
    pub fn layout(&self) -> &ParamLayout {
        &self.layout
    }

    /// The type of a value.
    /// # Panics
    /// If there is no such value.
    pub fn type_of(&self, id: Id) -> &Type {
        &self.types[id]
    }

    /// Types of a node's arguments, and of its result.
    /// # Panics
    /// If there is no such node.
    pub fn types_at(&self, node: usize) -> (Vec<&Type>, &Type) {
        let args = self.spec.nodes[node].args.iter().map(|&id| &self.types[id]);
        (args.collect(), &self.types[self.first_node() + node])
    }

    /// The value of the first node.
    pub fn first_node(&self) -> Id {
        self.spec.inputs.len() + self.spec.params.len()
    }
}

/// Counts and names: whatever a hostile program could make large.
fn check_sizes(spec: &ProgramSpec) -> Result<()> {
    let ProgramSpec { inputs, params, nodes, outputs, .. } = spec;
    let counts = [
        ("inputs", inputs.len(), MAX_NAMED),
        ("params", params.len(), MAX_NAMED),
        ("nodes", nodes.len(), MAX_NODES),
        ("outputs", outputs.len(), MAX_NAMED),
    ];
    for (what, count, most) in counts {
        if count > most {
            return Err(option_error(&format!("`{what}`"), &format!("expected at most {most}, got {count}")));
        }
    }
    let mut seen = HashSet::new();
    let values = inputs.iter().map(|i| &i.name).chain(params.iter().map(|p| &p.name));
    for name in values {
        if name.is_empty() || name.len() > MAX_NAME {
            let got = format!("expected names of 1 to {MAX_NAME} bytes, got {}", name.len());
            return Err(option_error("`inputs` and `params`", &got));
        }
        if !seen.insert(name) {
            return Err(option_error(&format!("`{name}`"), "expected a name of its own, got it twice"));
        }
    }
    let mut seen = HashSet::new();
    match outputs.iter().find(|(name, _)| !seen.insert(name)) {
        Some((name, _)) => {
            Err(option_error(&format!("output `{name}`"), "expected a name of its own, got it twice"))
        }
        None => Ok(()),
    }
}

fn option_error(of: &str, what: &str) -> Error {
    Error::option(format!("program, {of}: {what}"))
}

fn shape_error(of: &str, what: &str) -> Error {
    Error::shape(format!("program, {of}: {what}"))
}
