"""Runs optax's Muon on the inputs of the golden vectors and writes opt_muon_optax*.json beside them.

pip install optax==0.2.8 jax==0.10.2 && python scripts/golden/optax_muon.py test/fixtures/golden
"""
import json
import os
import sys

os.environ["JAX_PLATFORMS"] = "cpu"
import jax
import jax.numpy as jnp
import numpy as np
import optax
from optax import contrib

CHECK, STATE_AT = (1, 2, 5, 20), (1, 20)
CASES = {
    "muon_optax": (dict(learning_rate=0.01), "defaults"),
    "muon_optax_decay": (
        dict(learning_rate=0.02, beta=0.9, weight_decay=0.1, adam_b1=0.8, adam_b2=0.99,
             adam_weight_decay=0.05, adam_learning_rate=0.003),
        "every option that exists here but eps, which is Newton-Schulz's there too",
    ),
}


def nested(names, arrays):
    out = {}
    for name, array in zip(names, arrays):
        *path, last = name.split("|")
        place = out
        for key in path:
            place = place.setdefault(key, {})
        place[last] = array
    return out


def numbers(x):
    a = np.asarray(x)
    if a.dtype == np.float32:
        return [float(np.format_float_scientific(v, unique=True, trim="-")) for v in a.reshape(-1)]
    return a.reshape(-1).tolist()


def leaves(state, steps):
    """State tensors under the names that a chain would give them, and the iteration."""
    out = []
    for path, leaf in jax.tree_util.tree_flatten_with_path(state)[0]:
        keys = [str(getattr(e, "key", getattr(e, "name", getattr(e, "idx", "")))) for e in path]
        group = next((k for k in ("mu", "nu") if k in keys), None)
        if group is not None:
            name = "|".join(["optax_opt_state", "0", *keys[keys.index(group):]])
            out.append({"name": name, "shape": list(leaf.shape), "data": numbers(leaf)})
    out.sort(key=lambda leaf: leaf["name"])
    return out + [{"name": "iteration", "shape": [], "data": [steps]}]


def run(options, inputs, dtype, noise=None):
    def moved(x):
        x = np.asarray(x, np.float32)
        if noise is not None:
            x = np.asarray(x * (1 + noise.choice([-1, 1], size=x.shape) * 2.0**-23), np.float32)
        return jnp.asarray(x, dtype)

    names, shapes = inputs["leaf_order"], [p["shape"] for p in inputs["params"]]
    tree = lambda arrays: nested(names, [moved(np.reshape(a, s)) for a, s in zip(arrays, shapes)])
    rule = contrib.muon(**options)
    params = tree([p["data"] for p in inputs["params"]])
    state = rule.init(params)
    # Parameters are f32 arrays there, constants Python's numbers; in f64 both are f64.
    state = jax.tree.map(lambda x: x.astype(dtype) if jnp.issubdtype(x.dtype, jnp.floating) else x, state)

    @jax.jit
    def step(params, state, grads):
        updates, state = rule.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    seen, states = {}, {}
    for t, grads in enumerate(inputs["grads"], 1):
        params, state = step(params, state, tree(grads))
        if t in CHECK:
            seen[t] = jax.tree.leaves(params)
        if t in STATE_AT:
            states[t] = leaves(state, t)
    return seen, states


def largest(a, b):
    return max(float(np.max(np.abs(np.asarray(x, np.float64) - np.asarray(y, np.float64)))) for x, y in zip(a, b))


def main(directory):
    with open(os.path.join(directory, "inputs.json")) as file:
        inputs = json.load(file)
    # Products of matrices in the full precision of f32, as everywhere on a CPU.
    jax.config.update("jax_default_matmul_precision", "highest")
    for name, (options, notes) in CASES.items():
        jax.config.update("jax_enable_x64", False)
        seen, states = run(options, inputs, jnp.float32)
        noisy, _ = run(options, inputs, jnp.float32, np.random.default_rng(5))
        jax.config.update("jax_enable_x64", True)
        exact, _ = run(options, inputs, jnp.float64)
        jax.config.update("jax_enable_x64", False)
        text = {
            "format": "jaxpeer-opt-v1",
            "name": name,
            "kind": "baseline",
            "source": f"optax {optax.__version__} contrib.muon (jax {jax.__version__})",
            "config": options,
            "notes": notes,
            "inputs": "inputs.json",
            "num_steps": inputs["num_steps"],
            "params_after": {str(t): [numbers(x) for x in p] for t, p in seen.items()},
            "ulp_sensitivity": {str(t): largest(seen[t], noisy[t]) for t in CHECK},
            "state_after": {str(t): s for t, s in states.items()},
            "params_after_x64": {str(t): [numbers(x) for x in p] for t, p in exact.items()},
            "x64_minus_f32_maxabs_at_20": largest(seen[20], exact[20]),
        }
        with open(os.path.join(directory, f"opt_{name}.json"), "w") as file:
            json.dump(text, file, separators=(",", ":"), allow_nan=False)
            file.write("\n")
        print(name, text["ulp_sensitivity"], text["x64_minus_f32_maxabs_at_20"])


main(sys.argv[1])
