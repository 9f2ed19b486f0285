"""Weights of nested models are restored at their places, for any layers that are frozen now or were frozen when saved."""

import gzip
import io
import itertools
from pathlib import Path

import h5py
import numpy as np
import pytest

from lamella.layers import BatchNormalization, Dense, Input
from lamella.models import Model, Sequential, load_model
from lamella.saving import ModelFileError

GOLDEN = Path(__file__).parents[1] / "golden" / "h5"
X = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")


def net(frozen=(), names=("a", "norm", "c", "d", "b"), prefix=""):
    """Four Dense layers of the same shapes and a normalization, nested three levels deep, between two other Dense layers."""
    a, norm, c, d, b = (prefix + name for name in names)
    deep = Sequential([Dense(3, input_dim=3, activation="tanh", name=c), Dense(3, activation="tanh", name=d)], name="deep")
    x = Input((3,), name="x")
    y = BatchNormalization(name=norm)(Dense(3, activation="tanh", name=a)(x))
    base = Model(x, Dense(3, name=b)(deep(y)), name="base")
    outer = Input((3,), name="outer")
    model = Model(outer, Dense(2, name="top")(base(Dense(3, name="first")(outer))))
    freeze(model, frozen)
    return model


def layers(model):
    found = {}
    for layer in model.layers:
        found[layer.name] = layer
        if hasattr(layer, "layers"):
            found |= layers(layer)
    return found


def freeze(model, names):
    for name, layer in layers(model).items():
        layer.trainable = name not in names


def fill(model):
    """Set weights that all differ, and valid statistics."""
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(0.1, 1.0, size=w.shape) for w in model.get_weights()])
    return model


def by_layer(model):
    return {name: layer.get_weights() for name, layer in layers(model).items() if not hasattr(layer, "layers")}


def check_same(model, other):
    ours, theirs = by_layer(model), by_layer(other)
    assert ours.keys() == theirs.keys()
    for name, arrays in ours.items():
        for a, b in zip(arrays, theirs[name], strict=True):
            np.testing.assert_array_equal(a, b, err_msg=name)
    np.testing.assert_array_equal(model.predict(X), other.predict(X))


FROZEN = [(), ("a",), ("norm",), ("deep",), ("base",), ("a", "c"), ("d", "norm"), ("a", "deep", "d"), ("first", "base", "c")]
PAIRS = [pair for pair in itertools.product(FROZEN, FROZEN) if pair[0] != pair[1]]


@pytest.mark.parametrize("then, now", PAIRS, ids=lambda names: "-".join(names) or "none")
def test_each_weight_is_restored_at_its_place(tmp_path, then, now):
    source = fill(net(then))
    target = net(now)
    target.set_weights(source.get_weights())
    check_same(source, target)
    for name, by_name in itertools.product(("w.h5", "w.safetensors"), (False, True)):
        if name.endswith("safetensors"):
            pytest.importorskip("safetensors")
        source.save_weights(tmp_path / name)
        target = net(now)
        target.load_weights(tmp_path / name, by_name=by_name)
        check_same(source, target)
        freeze(source, now)
        source.load_weights(tmp_path / name, by_name=by_name)
        check_same(source, target)
        freeze(source, then)


@pytest.mark.parametrize("frozen", FROZEN, ids=lambda names: "-".join(names) or "none")
def test_get_weights_has_keras_order_of_a_model_without_frozen_layers(frozen):
    model = net(frozen)
    assert [w.name for w in model._by_layer()] == [
        "first/kernel:0", "first/bias:0",
        "a/kernel:0", "a/bias:0", "norm/gamma:0", "norm/beta:0", "c/kernel:0", "c/bias:0", "d/kernel:0", "d/bias:0",
        "b/kernel:0", "b/bias:0", "norm/moving_mean:0", "norm/moving_variance:0",
        "top/kernel:0", "top/bias:0",
    ]  # fmt: skip
    fill(model)
    free = net()
    free.set_weights(model.get_weights())
    assert [w.name for w in free.weights] == [w.name for w in free.trainable_weights + free.non_trainable_weights]
    check_same(model, free)


@pytest.mark.parametrize("frozen", FROZEN, ids=lambda names: "-".join(names) or "none")
@pytest.mark.parametrize("suffix", [".h5", ".safetensors"])
def test_a_loaded_model_continues_training_with_the_same_bits(tmp_path, frozen, suffix):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    model = fill(net(frozen))
    y = np.random.default_rng(2).normal(size=(6, 2))
    model.compile("adam", "mse")
    for _ in range(2):
        model.train_on_batch(X, y)
    model.save(tmp_path / f"m{suffix}")
    again = load_model(tmp_path / f"m{suffix}")
    for name, layer in layers(model).items():
        assert not layer.weights or layers(again)[name].trainable == layer.trainable
    for _ in range(2):
        model.train_on_batch(X, y)
        again.train_on_batch(X, y)
    check_same(model, again)


def test_freezing_after_compile_does_not_move_the_optimizers_state(tmp_path):
    y = np.random.default_rng(2).normal(size=(6, 2))
    model = fill(net(("a",)))
    model.compile("adam", "mse")
    model.train_on_batch(X, y)
    freeze(model, ("b",))  # the same number of weights and the same shapes, which the next compile would use
    model.save(tmp_path / "m.h5")
    again = load_model(tmp_path / "m.h5")
    for m in (model, again):
        with pytest.warns(UserWarning, match="Discrepancy between trainable weights"):
            m.train_on_batch(X, y)
    check_same(model, again)
    for m in (model, again):
        m.compile("sgd", "mse")
    kept = by_layer(model)
    for m in (model, again):
        m.train_on_batch(X, y)
    check_same(model, again)
    assert np.array_equal(by_layer(model)["b"][0], kept["b"][0]) and not np.array_equal(by_layer(model)["a"][0], kept["a"][0])


@pytest.mark.parametrize("trained", [["x"], [10**6], [-1], [0, 0], {"a": 1}, "ab", [True]])
def test_wrong_places_of_trained_weights_raise(tmp_path, trained):
    import json

    model = Sequential([Dense(2, input_dim=2, name="p"), Dense(2, name="q")])
    model.compile("adam", "mse")
    model.train_on_batch(np.ones((2, 2)), np.ones((2, 2)))
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        state = json.loads(file.attrs["lamella_state"])
        assert state["trained"] == [0, 1, 2, 3]
        file.attrs["lamella_state"] = json.dumps(state | {"trained": trained})
    with pytest.raises(ModelFileError, match="trained: expected places among 4 weights"):
        load_model(tmp_path / "m.h5")


def test_resuming_with_other_frozen_layers():
    source, target = fill(net(("a", "c"))), net(("d",))
    for model in (source, target):
        model.compile("sgd", "mse")
    target.set_training_state(source.get_training_state())
    check_same(source, target)


def as_keras_writes(path):
    """Remove the attributes that only lamella writes."""
    with h5py.File(path, "r+") as file:
        del file["base"].attrs["lamella_order"]


@pytest.mark.parametrize("then, now", PAIRS[::3], ids=lambda names: "-".join(names) or "none")
@pytest.mark.parametrize("by_name", [False, True])
def test_in_a_file_of_keras_the_names_show_the_order(tmp_path, then, now, by_name):
    source, target = fill(net(then)), net(now)
    source.save_weights(tmp_path / "w.h5")
    as_keras_writes(tmp_path / "w.h5")
    target.load_weights(tmp_path / "w.h5", by_name=by_name)
    check_same(source, target)


@pytest.mark.parametrize("release", ["keras_2.2.5", "keras_2.3.1", "tf_keras", "keras"])
def test_files_of_real_keras_with_a_frozen_layer_are_read(release):
    data = gzip.decompress((GOLDEN / f"{release}_graph.h5.gz").read_bytes())
    model = load_model(io.BytesIO(data), compile=False)
    inner = model.get_layer("inner")
    assert not inner.get_layer("in1").trainable
    wanted = {layer.name: layer.get_weights() for layer in inner.layers}
    with h5py.File(io.BytesIO(data)) as file:
        group = file["model_weights/inner"]
        for name in group.attrs["weight_names"]:
            name = name if isinstance(name, str) else name.decode()
            layer, weight = name.removesuffix(":0").split("/")[-2:]
            position = [w.name for w in inner.get_layer(layer).weights].index(f"{layer}/{weight}:0")
            np.testing.assert_array_equal(wanted[layer][position], group[name][()])
    inner.get_layer("in1").trainable = True
    for layer in model.layers:
        layer.set_weights([np.zeros_like(w) for w in layer.get_weights()])
    model.load_weights(io.BytesIO(data))
    for layer in inner.layers:
        for ours, theirs in zip(layer.get_weights(), wanted[layer.name], strict=True):
            np.testing.assert_array_equal(ours, theirs)


def renamed(path, rename):
    with h5py.File(path, "r+") as file:
        group = file["base"]
        names = [name.decode() for name in group.attrs["weight_names"]]
        arrays = [group[name][()] for name in names]
        for name in {name.split("/")[0] for name in names}:
            del group[name]
        for name, array in zip(names, arrays):
            group[rename(name)] = array
        group.attrs["weight_names"] = np.asarray([rename(name).encode() for name in names])


def test_numbers_in_names_may_differ_if_their_order_is_the_same(tmp_path):
    """A model that is made twice in a process has dense_1, dense_2, ..., then dense_6, dense_7, ..."""
    source = fill(net(names=("dense_1", "norm_1", "dense_2", "dense_3", "dense_10")))
    source.save_weights(tmp_path / "w.h5")
    as_keras_writes(tmp_path / "w.h5")
    target = net(names=("dense_11", "norm_7", "dense_12", "dense_13", "dense_104"))
    target.load_weights(tmp_path / "w.h5")
    np.testing.assert_array_equal(source.predict(X), target.predict(X))
    # In tf.keras the first name has no number, and names have scopes.
    renamed(tmp_path / "w.h5", lambda name: "base/" + name.replace("dense_1/", "dense/"))
    target = net(names=("dense_11", "norm_7", "dense_12", "dense_13", "dense_104"))
    target.load_weights(tmp_path / "w.h5")
    np.testing.assert_array_equal(source.predict(X), target.predict(X))


def test_ambiguous_names_and_order_raise(tmp_path):
    source = fill(net(("dense_1",), names=("dense_1", "norm_1", "dense_2", "dense_3", "dense_10")))
    source.save_weights(tmp_path / "w.h5")
    as_keras_writes(tmp_path / "w.h5")
    # dense_1 is after the others: it was frozen, or it was made first and used last.
    target = net(names=("dense_11", "norm_7", "dense_12", "dense_13", "dense_104"))
    before = target.get_weights()
    message = r'(named "base"): the order of the weights inside depends on which were frozen when the file was written'
    with pytest.raises(ValueError) as error:
        target.load_weights(tmp_path / "w.h5")
    assert message in str(error.value) and "dense_10/kernel:0" in str(error.value) and "dense_104/bias:0" in str(error.value)
    with pytest.warns(UserWarning, match="layer base due to mismatch in names of the weights inside"):
        target.load_weights(tmp_path / "w.h5", skip_mismatch=True)
    np.testing.assert_array_equal(target.get_weights()[2], before[2])
    np.testing.assert_array_equal(target.get_weights()[0], source.get_weights()[0])
    # Completely different names.
    for by_name in (False, True):
        with pytest.raises(ValueError, match="do not show it"):
            net(prefix="my_", names=("q", "w", "e", "r", "t")).load_weights(tmp_path / "w.h5", by_name=by_name)


def test_shapes_show_the_order_if_names_do_not(tmp_path):
    def build(names, frozen=()):
        inner = Sequential([Dense(4, input_dim=3, name=names[0]), Dense(2, name=names[1])], name="base")
        x = Input((3,))
        model = Model(x, inner(x))
        freeze(model, frozen)
        return model

    source = fill(build("ab", frozen="a"))
    source.save_weights(tmp_path / "w.h5")
    as_keras_writes(tmp_path / "w.h5")
    target = build("pq")
    target.load_weights(tmp_path / "w.h5")
    np.testing.assert_array_equal(source.predict(X), target.predict(X))


def test_a_conflict_of_places_and_names_raises(tmp_path):
    """The same names at other places: lamella's files have both, and the user chooses which one is used."""
    source = fill(net())
    source.save_weights(tmp_path / "w.h5")
    target = net(names=("b", "norm", "c", "d", "a"))
    with pytest.raises(ValueError, match="the model's, but in another order; by_name=True uses the names"):
        target.load_weights(tmp_path / "w.h5")
    target.load_weights(tmp_path / "w.h5", by_name=True)
    ours, theirs = by_layer(source), by_layer(target)
    for name in ours:
        for a, b in zip(ours[name], theirs[name], strict=True):
            np.testing.assert_array_equal(a, b)
    # With other names the places are used, as for the layers of the outermost model.
    target = net(names=("u", "norm", "v", "w", "z"))
    target.load_weights(tmp_path / "w.h5")
    np.testing.assert_array_equal(source.predict(X), target.predict(X))


def test_two_inner_layers_of_one_name(tmp_path):
    def build(frozen):
        def part():
            return Sequential([Dense(3, input_dim=3, name="same", activation="tanh")])

        x = Input((3,))
        first, second = part(), part()
        first.layers[0].trainable = not frozen
        base = Model(x, second(first(x)), name="base")
        return Model(x, Dense(2, name="top")(base(x)))

    for then, now in [(True, False), (False, True)]:
        source = fill(build(then))
        source.save_weights(tmp_path / "w.h5")
        target = build(now)
        target.load_weights(tmp_path / "w.h5")
        np.testing.assert_array_equal(source.predict(X), target.predict(X))
        as_keras_writes(tmp_path / "w.h5")
        with pytest.raises(ValueError, match="do not show it"):
            target.load_weights(tmp_path / "w.h5")


@pytest.mark.parametrize("order", ["[1]", '{"order": 3}', '{"order": [1, 2]}', "nonsense"])
def test_a_wrong_order_raises_with_the_layers_name(tmp_path, order):
    net().save_weights(tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5", "r+") as file:
        file["base"].attrs["lamella_order"] = order
    with pytest.raises(ModelFileError, match="lamella_order"):
        net().load_weights(tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5", "r+") as file:  # an order of other weights: the names show the places
        file["base"].attrs["lamella_order"] = '{"order": ["a/kernel:0"]}'
    net().load_weights(tmp_path / "w.h5")


def test_a_frozen_inner_model_is_frozen_after_loading(tmp_path):
    model = net(("base",))
    again = Model.from_config(model.get_config())
    assert not again.get_layer("base").trainable and again.trainable
    assert [w.name for w in again.trainable_weights] == [w.name for w in model.trainable_weights]
    # Keras does not save it for the outermost model. Scripts rely on this: they save a frozen discriminator and train it again.
    model.trainable = False
    assert Model.from_config(model.get_config()).trainable


def test_a_layer_that_overrides_its_list_of_weights():
    class Wrapper(Dense):
        @property
        def trainable_weights(self):
            return [self.bias, self.kernel] if self.trainable else []

        @property
        def non_trainable_weights(self):
            return [] if self.trainable else [self.bias, self.kernel]

    model = Sequential([Wrapper(2, input_dim=3, name="w")])
    assert [w.shape for w in model.get_weights()] == [(2,), (3, 2)]


def test_by_name_warns_of_layers_that_keep_their_weights(tmp_path):
    for name in ("w.h5", "w.safetensors"):
        if name.endswith("safetensors"):
            pytest.importorskip("safetensors")
        Sequential([Dense(4, input_dim=3, name="hidden"), Dense(2, name="top")]).save_weights(tmp_path / name)
        model = Sequential([Dense(4, input_dim=3, name="my_hidden"), Dense(2, name="my_top")])
        with pytest.warns(UserWarning) as caught:
            model.load_weights(tmp_path / name, by_name=True)
        assert [str(w.message) for w in caught] == [
            "load_weights(by_name=True): loaded nothing: no layer of the model is in the file. In the file: ['hidden', "
            "'top']; in the model: ['my_hidden', 'my_top']"
        ]
        assert caught[0].filename == __file__
        model = Sequential([Dense(4, input_dim=3, name="hidden"), Dense(2, name="head")])
        with pytest.warns(UserWarning) as caught:
            model.load_weights(tmp_path / name, by_name=True)
        assert [str(w.message) for w in caught] == [
            "load_weights(by_name=True): the file has nothing for ['head'], which keep their weights. In the file, but not in "
            "the model: ['top']"
        ]
