"""Files with Lambda layers: names of functions, code that is never run, and what cannot be saved."""

import base64
import json
import marshal

import h5py
import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import Dense, Input, Lambda
from lamella.models import Model, Sequential, load_model, model_from_json
from lamella.utils import CustomObjectScope

X = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")


def triple(x, by=3):
    return by * x


def no_mask(x, mask):
    return None


@pytest.fixture
def registered():
    with CustomObjectScope({"triple": triple, "no_mask": no_mask}):
        yield


def model_with(layer):
    model = Sequential([Dense(4, input_shape=(4,), name="d"), layer, Dense(1, name="e")])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize(
    "layer, name",
    [
        (lambda: Lambda(K.square), "square"),
        (lambda: Lambda(K.l2_normalize, arguments={"axis": -1}), "l2_normalize"),
        (lambda: Lambda(K.tile, arguments={"n": [1, 2]}, output_shape=lambda s: (s[0], 2 * s[1])), "tile"),
    ],
)
@pytest.mark.parametrize("suffix", ["h5", "json"])
def test_a_function_of_k_is_saved_by_name(layer, name, suffix, tmp_path):
    model = model_with(layer())
    assert model.layers[1].get_config()["function"] == name
    if suffix == "h5":
        model.save(tmp_path / "m.h5")
        again = load_model(tmp_path / "m.h5")
    else:
        again = model_from_json(model.to_json())
        again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.get_config() == model.get_config()
    assert again.layers[1].output_shape == model.layers[1].output_shape


def test_a_registered_function_is_saved_by_name(registered, tmp_path):
    model = model_with(Lambda(triple, mask=no_mask, arguments={"by": np.arange(4, dtype="float32")}))
    model.save(tmp_path / "m.h5")
    again = load_model(tmp_path / "m.h5")
    layer = again.layers[1]
    assert layer.function is triple and layer.mask is no_mask
    assert layer.arguments["by"].dtype == np.float32 and layer.arguments["by"].tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_a_function_of_custom_objects_keeps_its_name(tmp_path):
    with CustomObjectScope({"triple": triple}):
        model = model_with(Lambda(triple, output_shape=triple_shape))
        model.save(tmp_path / "m.h5")
    with pytest.raises(ValueError, match=r"Layer lambda_1: Unknown function in Lambda layer: triple. Pass it: custom_objects="):
        load_model(tmp_path / "m.h5")
    loaded = load_model(tmp_path / "m.h5", custom_objects={"triple": triple})
    loaded.save(tmp_path / "again.h5")  # `triple` is no longer registered
    copy = Model.from_config(loaded.get_config()) if type(loaded) is Model else Sequential.from_config(loaded.get_config())
    assert copy.layers[1].function is triple
    again = load_model(tmp_path / "again.h5", custom_objects={"triple": triple})
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def triple_shape(shape):
    return shape


@pytest.mark.parametrize("save", [lambda m, path: m.save(path), lambda m, path: m.to_json()])
@pytest.mark.parametrize(
    "layer, shown",
    [
        (lambda: Lambda(lambda x: x), "function '<lambda>' has no name"),
        (lambda: Lambda(triple), "function 'triple' has no name"),
        (lambda: Lambda(K.square, mask=lambda x, m: m), "mask '<lambda>' has no name"),
        (lambda: Lambda(K.bias_add, arguments={"bias": K.variable(np.ones(4))}), "the argument 'bias', .* cannot be saved"),
    ],
)
def test_functions_without_a_name_raise_with_advice(layer, shown, save, tmp_path):
    model = model_with(layer())
    with pytest.raises(NotImplementedError, match=f"Layer lambda_1: {shown}.*save_weights"):
        save(model, tmp_path / "m.h5")
    assert not list(tmp_path.iterdir())
    model.save_weights(tmp_path / "w.h5")
    wanted = model.predict(X)
    model.set_weights([0 * w for w in model.get_weights()])
    model.load_weights(tmp_path / "w.h5")
    np.testing.assert_array_equal(model.predict(X), wanted)


def test_an_output_shape_function_without_a_name_becomes_the_shape(tmp_path):
    model = model_with(Lambda(K.tile, arguments={"n": [1, 2]}, output_shape=lambda s: (s[0], 2 * s[1])))
    model.save(tmp_path / "m.h5")
    config = load_model(tmp_path / "m.h5").layers[1].get_config()
    assert (config["output_shape"], config["output_shape_type"]) == ((8,), "raw")


def keras_file(path, layer_config):
    """A file with a Lambda as Keras writes it, whose code would leave a trace if it ran."""
    model = model_with(Lambda(K.square, name="lambda_3"))
    model.save(path)
    with h5py.File(path, "r+") as file:
        description = json.loads(file.attrs["model_config"])
        (config,) = [layer["config"] for layer in description["config"]["layers"] if layer["class_name"] == "Lambda"]
        config.pop("mask")
        config.update(layer_config)
        del file.attrs["model_config"]
        file.attrs["model_config"] = json.dumps(description)
    return model


CODE = compile("(lambda x: open('owned', 'w'))", "", "eval").co_consts[0]
MARSHALLED = {
    "function": [base64.b64encode(marshal.dumps(CODE)).decode() + "\n", None, None],
    "function_type": "lambda",
    "output_shape": [base64.b64encode(marshal.dumps(CODE)).decode() + "\n", None, None],
    "output_shape_type": "lambda",
    "arguments": {"by": {"type": "ndarray", "value": [1.0, 2.0, 3.0, 4.0]}},
}


def test_marshalled_code_raises_unless_a_function_is_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = keras_file(tmp_path / "old.h5", MARSHALLED)
    with pytest.raises(ValueError, match=r"Layer lambda_3: its function .* custom_objects=\{'lambda_3': function\}"):
        load_model(tmp_path / "old.h5")
    loaded = load_model(tmp_path / "old.h5", custom_objects={"lambda_3": triple})
    assert [p.name for p in tmp_path.iterdir()] == ["old.h5"]  # the code did not run
    layer = loaded.layers[1]
    assert layer.function is triple and layer.output_shape == (None, 4)
    np.testing.assert_array_equal(layer.arguments["by"], [1, 2, 3, 4])
    kernel, bias, last, end = model.get_weights()
    wanted = (X @ kernel + bias) * [1, 2, 3, 4] @ last + end
    np.testing.assert_allclose(loaded.predict(X), wanted, rtol=1e-4, atol=1e-5)
    # It is saved under the name by which it was found.
    loaded.save(tmp_path / "new.h5")
    again = load_model(tmp_path / "new.h5", custom_objects={"lambda_3": triple})
    np.testing.assert_array_equal(again.predict(X), loaded.predict(X))
    # Only the weights can be loaded without a function.
    other = model_with(Lambda(lambda x: 2 * x))
    other.load_weights(tmp_path / "old.h5")
    np.testing.assert_array_equal(other.get_weights()[0], kernel)


@pytest.mark.parametrize(
    "config",
    [
        {"function_type": "function", "function": "my_name", "module": "__main__", "output_shape_module": None},
        {"function": {"class_name": "__lambda__", "config": {"code": "4wAA", "defaults": None, "closure": None}}},
    ],
)
def test_functions_as_later_versions_write_them(config, tmp_path):
    model = keras_file(tmp_path / "m.h5", config)
    with pytest.raises(ValueError, match="Layer lambda_3: "):
        load_model(tmp_path / "m.h5")
    loaded = load_model(tmp_path / "m.h5", custom_objects={"lambda_3": K.square})
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_a_class_is_not_a_function_and_an_unknown_type_is_named(tmp_path):
    keras_file(tmp_path / "m.h5", MARSHALLED)
    with pytest.raises(ValueError, match="Layer lambda_3: its function stands in the description as marshalled code"):
        load_model(tmp_path / "m.h5", custom_objects={"lambda_3": Dense})
    keras_file(tmp_path / "n.h5", {"function_type": "bytecode"})
    with pytest.raises(ValueError, match="Layer lambda_3: Unknown function type: bytecode"):
        load_model(tmp_path / "n.h5")


def test_a_call_with_several_outputs_needs_a_shape_in_the_file(tmp_path):
    def both(x):
        return [x, 2 * x]

    t = Input((4,))
    with CustomObjectScope({"both": both}):
        model = Model(t, Lambda(both)(t))
        model.save(tmp_path / "m.h5")
        again = load_model(tmp_path / "m.h5", compile=False)
    np.testing.assert_array_equal(again.predict(X)[1], 2 * X)
