"""Models as YAML: the same data as JSON. YAML that is more than data is refused."""

import json
import subprocess
import sys

import numpy as np
import pytest

from lamella import backend as K
from lamella.layers import Add, Conv2D, Dense, Flatten, Input
from lamella.models import Model, Sequential, model_from_yaml


def network():
    x = Input((6, 6, 1), name="x")
    y = Conv2D(2, (3, 3), strides=(2, 2), kernel_regularizer="l2", name="conv")(x)
    y = Dense(3, name="on", activation="relu")(Flatten(name="1e3")(y))
    return Model(x, Add(name="null")([y, K.tanh(y) * 1e-7]), name="yes")


def test_yaml_has_the_same_data_as_json():
    yaml = pytest.importorskip("yaml")
    for model in (network(), Sequential([Dense(2, input_dim=3, bias_initializer="ones")], name="s")):
        text = model.to_yaml()
        assert yaml.safe_load(text) == json.loads(model.to_json())
        again = model_from_yaml(text)
        assert again.to_json() == model.to_json()
        again.set_weights(model.get_weights())
        x = np.random.default_rng(0).normal(size=(2, *model.input_shape[1:])).astype("float32")
        np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert model.to_yaml(default_flow_style=True).startswith("{backend: tensorflow, class_name: Sequential, config: {")


# YAML of Keras 2, from PyYAML's own dumper, with tuples, and aliases for shared values.
KERAS = """
backend: tensorflow
class_name: Sequential
config:
  name: sequential_1
  layers:
  - class_name: Conv2D
    config:
      name: conv2d_1
      batch_input_shape: !!python/tuple [null, 8, 8, 1]
      filters: 4
      kernel_size: &id001 !!python/tuple [3, 3]
      strides: !!python/tuple
      - 1
      - 1
      kernel_initializer: &id002
        class_name: VarianceScaling
        config: {distribution: uniform, mode: fan_avg, scale: 1.0, seed: null}
  - class_name: Conv2D
    config: {name: conv2d_2, filters: 2, kernel_size: *id001, kernel_initializer: *id002}
keras_version: 2.2.5
"""


def test_yaml_of_keras_2_is_read():
    pytest.importorskip("yaml")
    model = model_from_yaml(KERAS)
    assert model.output_shape == (None, 4, 4, 2) and [layer.kernel_size for layer in model.layers] == [(3, 3), (3, 3)]


def bomb(levels):
    lines = ["a0: &a0 {class_name: Dense, config: {units: 1}}"]
    lines += [f"a{i + 1}: &a{i + 1} [*a{i}, *a{i}, *a{i}, *a{i}]" for i in range(levels)]
    return "\n".join([*lines, "class_name: Sequential", f"config: {{layers: *a{levels}}}"])


@pytest.mark.parametrize(
    "text, message",
    [
        (bomb(40), "the description repeats itself by aliases more than 4 times"),
        ("&a {config: *a, class_name: Sequential}", "the description is nested too deeply"),
        ("[" * 20000 + "]" * 20000, "the description is nested too deeply"),
        ("a: !!python/object/apply:os.system ['touch owned']", "not YAML of plain data .*os.system"),
        ("!!python/name:os.system ''", "not YAML of plain data"),
        ("a: !!python/tuple 3", "not YAML of plain data"),
        ("a: *b", "not YAML of plain data .*undefined alias"),
        ("a: [", "not YAML of plain data"),
        ("- 1", "expected an object, got list"),
        ("", "expected an object, got NoneType"),
        ("a: 2001-13-01", "month must be in"),
        (
            "{class_name: Sequential, config: {layers: [{class_name: Dense, config: {1: 2}}]}}",
            "no description of a model .*TypeError",
        ),
        ("{class_name: Sequential, config: 2001-01-01}", "no description of a model"),
        ("{class_name: [Sequential], config: {}}", "no description of a model"),
        ("a: '" + "x" * 2**24 + "'", "more than the limit of 16777216"),
    ],
)
def test_yaml_that_is_more_than_a_description_is_refused(text, message, tmp_path, monkeypatch):
    pytest.importorskip("yaml")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"^model_from_yaml: .*{message}|{message}"):
        model_from_yaml(text)
    assert list(tmp_path.iterdir()) == []


def test_the_global_loader_of_pyyaml_is_not_changed():
    yaml = pytest.importorskip("yaml")

    class Doubled(Dense):
        pass

    text = Sequential([Doubled(2, input_dim=3)], name="s").to_yaml()
    assert type(model_from_yaml(text, {"Doubled": Doubled}).layers[0]) is Doubled
    with pytest.raises(ValueError, match="Unknown layer: Doubled"):
        model_from_yaml(text)
    with pytest.raises(yaml.YAMLError):
        yaml.safe_load("!!python/tuple [1]")


def test_without_pyyaml_the_error_names_the_extra():
    code = """
import sys
sys.modules["yaml"] = None
from lamella.layers import Dense
from lamella.models import Sequential, model_from_yaml
for call in (Sequential([Dense(1, input_dim=1)]).to_yaml, lambda: model_from_yaml("{}")):
    try:
        call()
    except ImportError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "".join(
        f"{who} needs the library PyYAML: pip install 'lamella[yaml]'\n" for who in ("to_yaml", "model_from_yaml")
    )
