"""Functions in graphs are saved as names of a closed list with plain arguments. Nothing else is saved or executed."""

import json
import subprocess
import sys

import numpy as np
import pytest

from lamella import backend as K
from lamella.core import registry
from lamella.core.registry import custom_object_scope
from lamella.graph.arguments import LARGEST_ARRAY
from lamella.layers import Dense, Input
from lamella.models import Model, load_model, model_from_config, model_from_json

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(2, 5, 4)).astype("f4")
LABELS = np.array([[0, 2], [1, 1], [2, 0], [0, 0], [1, 2]], "int32")


def rich():
    a, b, n = Input((4,), name="a"), Input((4,), name="b"), Input((2,), dtype="int32", name="n")
    x = 1 - a[:, ::-1] ** 2 / (abs(b) + 0.5)
    y = K.concatenate([K.mean(x, axis=[-1], keepdims=True), K.flatten(n)[..., None][:5] * 0.25, x[:, np.array([0, 3])]], axis=1)
    z = K.switch(x > np.linspace(-1, 1, 4), x, K.stop_gradient(b)) @ np.arange(8.0).reshape(4, 2)
    inner = Model(c := Input((2,)), K.l2_normalize(c * np.float32(3), axis=-1), name="inner")
    return Model([a, b, n], [Dense(2, name="d")(y), inner(z), inner(K.sum(K.one_hot(n, 2), axis=1))], name="rich")


def check_equal(model, again):
    assert again.to_json() == model.to_json()
    again.set_weights(model.get_weights())
    for x, y in zip(model.run([A, B, LABELS]), again.run([A, B, LABELS]), strict=True):
        np.testing.assert_array_equal(x, y)


def test_round_trips():
    model = rich()
    check_equal(model, model_from_json(model.to_json()))
    check_equal(model, Model.from_config(model.get_config()))
    check_equal(model, model_from_json(model_from_json(model.to_json()).to_json()))


@pytest.mark.parametrize("suffix", ["h5", "safetensors"])
def test_files(tmp_path, suffix):
    pytest.importorskip("h5py" if suffix == "h5" else "safetensors")
    model, path = rich(), tmp_path / f"m.{suffix}"
    model.compile("adam", "mse")
    targets = [np.zeros(y.shape, "f4") for y in model.run([A, B, LABELS])]
    model.fit([A, B, LABELS], targets, verbose=0)
    model.save(path)
    again = load_model(path)
    check_equal(model, again)
    for m in (model, again):
        m.fit([A, B, LABELS], targets, epochs=2, verbose=0)
    for p, q in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(p, q)


def test_the_layout():
    x = Input((4,), name="x")
    config = Model(x, K.mean(x[:, 1:], axis=-1), name="m").get_config()
    assert config["layers"][1] == {
        "name": "k_getitem_1",
        "class_name": "Function",
        "config": {
            "name": "k_getitem_1",
            "trainable": True,
            "dtype": "float32",
            "function": "getitem",
            "arguments": [{"tensor": 0}, {"tuple": [{"slice": [None, None, None]}, {"slice": [1, None, None]}]}],
            "named": {},
            "shapes": [{"inputs": [[[None, 4], "float32"]], "outputs": [[[None, 3], "float32"]]}],
        },
        "inbound_nodes": [[["x", 0, 0, {}]]],
    }
    assert config["layers"][2]["config"]["named"] == {"axis": -1}
    json.dumps(config)


def test_a_process_that_has_not_seen_the_backend_reads_it():
    x = Input((4,))
    code = (
        "import sys\nimport numpy as np\nfrom lamella.models import model_from_json\n"
        "assert 'lamella.backend' not in sys.modules\n"
        "m = model_from_json(sys.stdin.read())\n"
        "print(m.run([np.array([[1, 2, 3, 4]], 'f4')])[0].tolist())"
    )
    text = Model(x, K.square(x) + 1).to_json()
    done = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[[2.0, 5.0, 10.0, 17.0]]", done.stderr


@pytest.mark.parametrize(
    "make, named",
    [
        (lambda x: K.dot(x, K.variable(np.ones((4, 2)), name="v")), "<Variable 'v:0'"),
        (lambda x: K.stack([x, x * K.variable(np.ones(4), name="w")]), "<Variable 'w:0'"),
        (lambda x: x @ np.ones((4, LARGEST_ARRAY // 4 + 1)), r"an array of shape \(4, 1025\)"),
        (lambda x: K.map_fn(lambda row: row * 2, x), "<function .*<lambda>"),
        (lambda x: K.cast(x, np.float64), "<class 'numpy.float64'>"),
    ],
)
def test_functions_that_cannot_be_saved_raise(make, named, tmp_path):
    x = Input((4,))
    model = Model(x, Dense(1)(make(x)) if "float64" not in named else make(x))
    for save in (model.get_config, model.to_json, lambda: model.save(tmp_path / "m.h5")):
        with pytest.raises(NotImplementedError, match=rf"Layer \w+: {named}.* among the arguments of \w+ cannot be saved"):
            save()
    assert list(tmp_path.iterdir()) == []
    pytest.importorskip("h5py")
    model.save_weights(tmp_path / "w.h5")
    weights = model.get_weights()
    model.set_weights([w + 1 for w in weights])
    model.load_weights(tmp_path / "w.h5")
    for p, q in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(p, q)


def described(**changes):
    """A model of one function, with a changed config."""
    x = Input((4,), name="x")
    config = Model(x, K.mean(x, axis=-1), name="m").get_config()
    config["layers"][1]["config"].update(changes)
    return {"class_name": "Model", "config": json.loads(json.dumps(config))}


X0 = {"tensor": 0}


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"function": "os.system"}, "Unknown function: os.system"),
        ({"function": "__import__"}, "Unknown function: __import__"),
        ({"function": "__class__"}, "Unknown function: __class__"),
        ({"function": "eval"}, "Unknown function: eval"),  # K.eval is not in the list
        ({"function": "set_value"}, "Unknown function: set_value"),
        ({"function": "Dense"}, "Unknown function: Dense"),
        ({"function": "relu.__globals__"}, "Unknown function: relu.__globals__"),
        ({"function": None}, "Unknown function: None"),
        ({"function": ["mean"]}, r"Unknown function: \['mean'\]"),
        ({"named": {"axes": 1}}, "Function k_mean_1: mean: got an unexpected keyword argument 'axes'"),
        ({"named": {"__class__": 1}}, "mean: got an unexpected keyword argument '__class__'"),
        ({"named": {"x": 1}}, "mean: multiple values for argument 'x'"),
        ({"arguments": 5}, "expected a list of arguments, a dict of named ones and a list of shapes, got 5"),
        ({"named": []}, "expected a list of arguments, a dict of named ones"),
        ({"shapes": "ab"}, "expected a list of arguments, .* 'ab'"),
        ({"shapes": [{"inputs": [[[None, 4], "float32"]], "outputs": []}]}, "expected shapes and dtypes of inputs and outputs"),
        ({"arguments": []}, "mean: missing a required argument: 'x'"),
        ({"arguments": [X0, 1, True, 4], "named": {}}, "mean: too many positional arguments"),
        ({"arguments": [{"tensor": 1}]}, r"Function k_mean_1: expected arguments that name the tensors 0, 1 ..., got \[1\]"),
        ({"arguments": [0]}, r"Function k_mean_1: expected arguments that name the tensors 0, 1 ..., got \[\]"),
        ({"arguments": [{"tensor": 0}, {"tensor": 1}], "named": {}}, "Layer k_mean_1 expects 2 inputs, but it received 1"),
        ({"arguments": [{"tensor": -1}]}, "expected arguments of a function as a graph saves them, got {'tensor': -1}"),
        ({"arguments": [{"tensor": True}]}, "expected arguments of a function"),
        ({"arguments": [{"tensor": False}]}, "expected arguments of a function"),
        ({"arguments": [{"tensor": "0"}]}, "expected arguments of a function"),
        ({"arguments": [{"tensor": 0, "array": []}]}, "expected arguments of a function"),
        ({"arguments": [{"class_name": "Dense", "config": {}}]}, "expected arguments of a function .* got {'class_name'"),
        ({"arguments": [X0, {"slice": [1]}]}, "expected arguments of a function"),
        ({"arguments": [X0, {"array": [1, "a"], "dtype": "float32"}]}, "no array of 'float32'"),
        ({"arguments": [X0, {"array": [1], "dtype": "object"}]}, "no array of 'object'"),
        ({"arguments": [X0, {"array": [1], "dtype": "O"}]}, "no array of 'O'"),
        ({"arguments": [X0, {"array": [[1], [1, 2]], "dtype": "int8"}]}, "no array of 'int8'"),
        ({"shapes": [{"inputs": [[[None, 4], "float32"]]}]}, "expected shapes and dtypes of inputs and outputs"),
        ({"shapes": [{"inputs": [[[None, 4], "object"]], "outputs": []}]}, "expected shapes and dtypes"),
        ({"shapes": ["ab"]}, "expected shapes and dtypes of inputs and outputs, got 'ab'"),
        ({"shapes": [{"inputs": [[[None, -4], "int8"]], "outputs": []}]}, "expected shapes and dtypes"),
    ],
)
def test_changed_descriptions_raise(changes, message):
    with pytest.raises(ValueError, match=message):
        model_from_config(described(**changes))


def test_custom_objects_are_not_functions():
    called = []
    evil = {"evil": lambda x: called.append(x), "mean": lambda x, axis: called.append(x)}
    with pytest.raises(ValueError, match="Unknown function: evil"):
        model_from_config(described(function="evil"), custom_objects=evil)
    with custom_object_scope(evil):
        model = model_from_config(described())
    np.testing.assert_allclose(model.predict(A), A.mean(-1), rtol=1e-6)
    assert called == []
    with pytest.raises(ValueError, match="functions: the name 'mean' is already taken"):
        registry.enter("functions", "mean", evil["mean"])


def test_a_call_cannot_be_given_more_arguments():
    config = described()
    config["config"]["layers"][1]["inbound_nodes"][0][0][3] = {"axis": 0}
    with pytest.raises(ValueError, match=r"Function k_mean_1: expected no arguments in a call, got \['axis'\]"):
        model_from_config(config)


def test_reading_a_file_computes_nothing(tmp_path, monkeypatch):
    """It does not allocate the described arrays either, because the file also has their shapes."""
    pytest.importorskip("h5py")
    x = Input((4,), name="x")
    model = Model(x, Dense(1)(K.tile(x, [1, 3])), name="m")
    path = tmp_path / "m.h5"
    model.save(path)
    np.testing.assert_array_equal(load_model(path, compile=False).predict(A), model.predict(A))
    config = model.get_config()
    tile = next(entry["config"] for entry in config["layers"] if entry["class_name"] == "Function")
    tile["arguments"][1] = [1, 10**12]
    monkeypatch.setattr(model, "get_config", lambda: config)
    # The file has an output shape for which the file has too few weights for the next layer; then it has no shape.
    tile["shapes"][0]["outputs"] = [[[None, 4 * 10**12], "float32"]]
    model.save(path)
    with pytest.raises(ValueError, match="Layer dense_1, weight 'kernel': the description asks for 4000000000000 more"):
        load_model(path)
    tile["shapes"] = []
    model.save(path)
    with pytest.raises(ValueError, match="Function k_tile_1: the description does not say what it returns for"):
        load_model(path)
