"""Every function, class and method that lamella shares with Keras 2.2.5 takes the same arguments, in the same order."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

LIST = Path(__file__).parent / "golden" / "keras_2.2.5_names.txt"

# Where lamella's differ, and why.
_SERIALIZE = "one function serves all rooms; the object comes by position"
REASONS = {
    "keras.callbacks.TensorBoard.on_train_end": "Keras names the logs `_` here alone",
    "keras.constraints.serialize": _SERIALIZE,
    "keras.initializers.serialize": _SERIALIZE,
    "keras.layers.serialize": _SERIALIZE,
    "keras.regularizers.serialize": _SERIALIZE,
    "keras.utils.generic_utils.serialize_keras_object": _SERIALIZE,
    "keras.utils.serialize_keras_object": _SERIALIZE,
    "keras.engine.base_layer.Node": "made by calls only; Keras's attributes are properties",
    "keras.engine.input_layer.Node": "made by calls only; Keras's attributes are properties",
    "keras.engine.topology.Node": "made by calls only; Keras's attributes are properties",
    "keras.engine.network.Node": "made by calls only; Keras's attributes are properties",
    "keras.engine.network.Network.compute_mask": "the mask may be left out",
}
# A default that stands for Keras's.
SAME = {"<factory>": "None"}


def wanted(signature):
    """[(name, default as text or None)] of "(a, b=1, **kwargs)", without self."""
    arguments = ast.parse(f"def f{signature}: pass").body[0].args
    names = [a.arg for a in arguments.posonlyargs + arguments.args]
    defaults = [None] * (len(names) - len(arguments.defaults)) + [ast.unparse(d) for d in arguments.defaults]
    return [(name, default) for name, default in zip(names, defaults) if name not in ("self", "cls")]


def found(path):
    """The object at a dotted path, a method as the attribute of its class; None if there is none."""
    parts = path.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            at = importlib.import_module(".".join(parts[:cut]))
        except ImportError:
            continue
        for part in parts[cut:]:
            at = inspect.getattr_static(at, part, None) if inspect.isclass(at) else getattr(at, part, None)
        return at.__func__ if isinstance(at, (staticmethod, classmethod)) else at
    return None


def given(function):
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    for p in inspect.signature(function).parameters.values():
        if p.kind in kinds and p.name not in ("self", "cls"):
            default = None if p.default is p.empty else repr(p.default)
            yield p.name, SAME.get(default, default)


def differences():
    """(path, Keras's arguments, ours) for each that differs; and how many were compared."""
    differing, compared = [], 0
    for line in LIST.read_text().splitlines():
        path, _, signature = line.partition("\t")
        signature = signature.split("\t")[0].strip()
        function = found(path) if signature.startswith("(") else None
        if function is None or not callable(function):
            continue
        compared += 1
        keras, ours = wanted(signature), list(given(function))
        # Arguments of lamella's own may follow.
        if ours[: len(keras)] != keras and not (function.__name__ == "layer_test" and ours[2:] == keras[2:]):
            differing.append((path, keras, ours))
    return differing, compared


def test_arguments_are_those_of_keras():
    code = "import lamella; lamella.install_as_keras(); import test_keras_signatures as t; print(t.differences())"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=200, cwd=Path(__file__).parent
    )
    assert done.returncode == 0, done.stderr
    differing, compared = ast.literal_eval(done.stdout)
    assert compared >= 780
    assert {path: (keras, ours) for path, keras, ours in differing if path not in REASONS} == {}
    # No reason stays without its difference.
    assert set(REASONS) <= {path for path, _, _ in differing}
