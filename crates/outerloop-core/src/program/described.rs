//! A program as text: one line a value.

use super::checked::Program;
use std::fmt;

/// ```text
/// %0 = input image: f32[64, 8, 8, 1]
/// %1 = param out/w: f32[64, 10]
/// %2 = reshape(%0): f32[64, 64]
/// %3 = dense(%2, %1): f32[64, 10], 81,920 FLOP
/// loss = %3
/// ```
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spec = self.spec();
        let named = spec.inputs.iter().map(|i| ("input", &i.name));
        let named = named.chain(spec.params.iter().map(|p| ("param", &p.name)));
        for (id, (what, name)) in named.enumerate() {
            writeln!(f, "%{id} = {what} {name}: {}", self.type_of(id))?;
        }
        for (i, node) in spec.nodes.iter().enumerate() {
            let id = self.first_node() + i;
            let args: Vec<_> = node.args.iter().map(|arg| format!("%{arg}")).collect();
            let cost = self.op_cost(i).forward;
            writeln!(
                f,
                "%{id} = {}({}): {}, {cost} FLOP",
                node.op.name(),
                args.join(", "),
                self.type_of(id)
            )?;
        }
        write!(f, "loss = %{}", spec.loss)
    }
}
