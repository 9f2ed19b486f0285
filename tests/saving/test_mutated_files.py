"""Files with valid bytes and changed contents: loading returns a model or raises ValueError, and nothing else."""

import copy
import gzip
import io
import json
import os
import runpy
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest

from lamella import backend as K
from lamella import layers
from lamella.callbacks import EarlyStopping
from lamella.layers import BatchNormalization, Concatenate, Conv2D, Dense, Dropout, Flatten, Input, Masking, MaxPooling2D
from lamella.models import Model, Sequential, load_model, model_from_json, model_from_yaml
from lamella.saving.formats import safetensors as safetensors_file

GOLDEN = Path(__file__).parents[1] / "golden" / "h5"
# The longer checks use more.
MUTATIONS = int(os.environ.get("LAMELLA_MUTATIONS", "48"))

# Values that replace other values.
VALUES = [
    None, True, False, -1, 0, 1, 3, 2**31, 2**63, 10**400, 0.5, -1e308, float("nan"), float("inf"), "", "x", "Dense", "Model",
    "relu", "mean", "float32", "a/b", "é", "conv", [], [None], [1, 2, 3], [[["x", 0, 0, {}]]], ["x", 1, 1], {}, {"tensor": 7},
    {"class_name": "Dense", "config": {}}, {"class_name": "Adam", "config": {"lr": "x"}}, {"class_name": ["Dense"], "config": None},
]  # fmt: skip


@pytest.fixture(scope="module")
def model():
    x = Input((5, 5, 1), name="x")
    y = Conv2D(2, (2, 2), padding="same", kernel_regularizer="l2", kernel_constraint="unit_norm", name="conv")(x)
    y = Flatten(name="flat")(MaxPooling2D(name="pool")(BatchNormalization(name="norm")(y)))
    inner = Sequential([Dense(3, input_dim=8, activation="relu", name="in1"), Dropout(0.5, name="in2")], name="inner")
    y = Concatenate(name="both")([inner(y), Masking(name="mask")(K.mean(x, axis=1))[:, 0] * 2.0])
    model = Model(x, Dense(2, bias_initializer="ones", name="out")(y), name="m")
    model.compile("adam", "mse", metrics=["mae"], loss_weights=[2.0])
    memory = EarlyStopping("loss", restore_best_weights=True)
    model.fit(np.ones((4, 5, 5, 1)), np.ones((4, 2)), verbose=0, callbacks=[memory])
    return model


def mutated(rng, tree):
    """A copy of a tree of JSON with one to three changes."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.integers(1, 4)):
        places = []  # (container, key) of everything below the root

        def walk(node):
            for key in list(node) if isinstance(node, dict) else range(len(node)):
                places.append((node, key))
                if isinstance(node[key], (dict, list)):
                    walk(node[key])

        walk(tree)
        if not places:
            return tree
        node, key = places[rng.integers(len(places))]
        match rng.integers(7):
            case 0 | 1:
                node[key] = copy.deepcopy(VALUES[rng.integers(len(VALUES))])
            case 2:
                del node[key]
            case 3:  # a value from another place
                other, place = places[rng.integers(len(places))]
                node[key] = copy.deepcopy(other[place])
            case 4:
                node[key] = [copy.deepcopy(node[key])]
            case 5 if isinstance(node, list):
                node.insert(key, copy.deepcopy(node[key]))
            case _ if isinstance(node, dict):
                node[["name", "units", "trainable", "dtype", "weights", "axis"][rng.integers(6)]] = node[key]
    return tree


def outcomes(read, mutations=MUTATIONS):
    """Call read(a random generator) for each mutation, and return the numbers of models and of errors."""
    counts = [0, 0]
    for seed in range(mutations):
        rng = np.random.default_rng(seed)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read(rng)
            counts[0] += 1
        except ValueError:
            counts[1] += 1
        except Exception as error:
            raise AssertionError(f"mutation {seed} raised {error!r}") from error
    return counts


def check(counts):
    # Some changes have no effect, and some raise.
    assert min(counts) > 0.04 * sum(counts)


def test_json(model):
    described = json.loads(model.to_json())
    check(outcomes(lambda rng: model_from_json(json.dumps(mutated(rng, described)))))


@pytest.mark.parametrize("name", ["tf_keras", "keras"])
def test_json_of_later_keras(name):
    described = json.loads((GOLDEN / f"{name}_graph.json").read_text())
    check(outcomes(lambda rng: model_from_json(json.dumps(mutated(rng, described))), MUTATIONS // 2))


def test_yaml(model):
    pytest.importorskip("yaml")
    described = json.loads(
        Sequential([Dense(3, input_dim=4, name="d", kernel_initializer="he_normal"), Dropout(0.2)], name="s").to_json()
    )
    check(outcomes(lambda rng: model_from_yaml(json.dumps(mutated(rng, described)))))


def change_h5(rng, file):
    """One or two changes of an open model file."""
    for _ in range(rng.integers(1, 3)):
        match rng.integers(8):
            case 0 | 1 | 2:
                name = ["model_config", "training_config", "lamella_state"][rng.integers(3)]
                if isinstance(file.attrs.get(name), str):
                    file.attrs[name] = json.dumps(mutated(rng, json.loads(file.attrs[name])))
            case 3:  # an attribute is removed, or has the value of another
                owner = members(file, h5py.Group)
                owner = owner[rng.integers(len(owner))]
                if len(owner.attrs):
                    name = list(owner.attrs)[rng.integers(len(owner.attrs))]
                    if rng.random() < 0.5:
                        del owner.attrs[name]
                    else:
                        values = [
                            3,
                            1.5,
                            "x",
                            b"\xff",
                            [b"a", b"a"],
                            [1, 2],
                            [],
                            [b"conv/kernel:0"],
                            np.zeros((2, 2)),
                            h5py.Empty("f"),
                        ]
                        owner.attrs[name] = values[rng.integers(len(values))]
            case 4:  # a group or an array is removed, or replaced by another
                owner = members(file, h5py.Group)
                owner = owner[rng.integers(len(owner))]
                if len(owner):
                    del owner[list(owner)[rng.integers(len(owner))]]
            case 5 | 6:
                # An earlier change may have made a dataset without a value.
                arrays = [array for array in members(file, h5py.Dataset) if array.shape is not None]
                if arrays:
                    name = arrays[rng.integers(len(arrays))].name
                    old = file[name][()]
                    del file[name]
                    values = [
                        old.astype("int8"), old.astype(complex), old.ravel(), old[..., None], np.zeros(0, "f4"), old * np.nan,
                        old.astype(">f8"), np.asarray(b"text"), np.float32(3), h5py.Empty("f"), old.astype(bool), old + 1,
                    ]  # fmt: skip
                    file[name] = values[rng.integers(len(values))]
            case 7:
                names = file["model_weights"].attrs["layer_names"] if "model_weights" in file else []
                if isinstance(names, np.ndarray) and len(names):
                    file["model_weights"].attrs["layer_names"] = rng.permutation(names)[: rng.integers(1, len(names) + 1)]


def members(file, kind):
    found = [file] if kind is h5py.Group else []
    file.visititems(lambda name, item: found.append(item) if isinstance(item, kind) else None)
    return found


def read_changed(path, data, load=load_model):
    """A function that changes the file at random and reads it."""

    def read(rng):
        path.write_bytes(data)
        with h5py.File(path, "r+") as file:
            change_h5(rng, file)
        load(path)

    return read


def test_h5(tmp_path):
    inner = Sequential([BatchNormalization(input_shape=(3,), scale=False, name="norm")], name="inner")
    model = Sequential([Dense(3, input_dim=4, name="conv"), inner, Masking(name="mask")], name="m")
    model.compile("adadelta", "mse", metrics=["mae"])
    memory = EarlyStopping("loss", restore_best_weights=True)
    model.fit(np.ones((4, 4)), np.ones((4, 3)), verbose=0, callbacks=[memory])
    stream = io.BytesIO()
    model.save(stream)
    check(outcomes(read_changed(tmp_path / "m.h5", stream.getvalue())))


@pytest.mark.parametrize("case", ["keras_2.3.1_nadam", "keras_rmsprop", "tf_keras_adam"])
def test_h5_of_other_keras(tmp_path, case):
    data = gzip.decompress((GOLDEN / f"{case}.h5.gz").read_bytes())
    check(outcomes(read_changed(tmp_path / "m.h5", data), MUTATIONS // 3))


@pytest.mark.parametrize("name", ["keras", "tf_keras"])
def test_weights_h5(tmp_path, name):
    places = runpy.run_path(str(GOLDEN / "make_weights.py"))["places"](layers, Sequential, Model)
    data = gzip.decompress((GOLDEN / f"{name}_places.weights.h5.gz").read_bytes())
    check(outcomes(read_changed(tmp_path / "m.weights.h5", data, places.load_weights), MUTATIONS // 2))


def test_safetensors(model, tmp_path):
    library = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "m.safetensors"
    model.save(path)
    arrays = library.load_file(path)
    data = path.read_bytes()
    text = json.loads(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["lamella"])
    del text["sha256"]

    def read(rng):
        kept = dict(arrays)
        if rng.random() < 0.2:
            name = list(kept)[rng.integers(len(kept))]
            kept[name] = [kept[name].ravel(), kept[name].astype("int64"), np.zeros((3, 0), "f4"), np.ones((), "f4")][
                rng.integers(4)
            ]
        changed = mutated(rng, text)
        changed["sha256"] = safetensors_file._digest(changed, kept)
        library.save_file(kept, path, {"lamella": json.dumps(changed)})
        load_model(path)

    check(outcomes(read))
