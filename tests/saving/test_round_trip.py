"""A loaded model is the same as the saved one: its bits, the bytes of its file, and its further training."""

import io
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from lamella.layers import Add, BatchNormalization, Conv2D, Dense, Dropout, Flatten, Input
from lamella.models import Model, Sequential, load_model, save_model
from lamella.optimizers import SGD, Adadelta, Adafactor, Adagrad, Adam, Adamax, AdamW, Ftrl, Lamb, Lion, Nadam, RMSprop

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 6, 6, 1)).astype("float32")
Y = np.eye(3, dtype="float32")[RNG.integers(0, 3, 24)]
FIT = {"batch_size": 5, "verbose": 0}


def network(optimizer="adam"):
    model = Sequential(
        [
            Conv2D(3, 3, activation="relu", input_shape=(6, 6, 1), kernel_regularizer="l2"),
            BatchNormalization(),
            Flatten(),
            Dropout(0.3),
            Dense(3, activation="softmax", kernel_constraint="max_norm"),
        ]
    )
    model.compile(optimizer, "categorical_crossentropy", metrics=["acc"])
    return model


def check_same(model, again):
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    for a, b in zip(model.optimizer.get_weights(), again.optimizer.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert again.to_json() == model.to_json()
    assert again.optimizer.get_config() == model.optimizer.get_config()


@pytest.mark.parametrize(
    "optimizer",
    [
        SGD(0.05, momentum=0.9, decay=0.01, nesterov=True),
        SGD(clipnorm_per_tensor=0.1),
        Adagrad(decay=0.1),
        RMSprop(decay=0.1),
        RMSprop(momentum=0.5, centered=True),
        Ftrl(0.1),
        Adadelta(decay=0.1),
        Adam(amsgrad=True, clipnorm=1.0),
        Adam(),
        AdamW(decay=0.1),
        Adamax(),
        Adafactor(weight_decay=0.01),
        Lamb(weight_decay=0.01),
        Lion(),
        Nadam(),
        Adam(gradient_accumulation_steps=3),  # 10 batches, so the gradients of one wait for a step
    ],
    ids=lambda opt: type(opt).__name__,
)
def test_a_loaded_model_continues_training_with_the_same_bits(tmp_path, optimizer):
    model = network(optimizer)
    model.fit(X, Y, epochs=2, **FIT)
    model.save(tmp_path / "m.h5")
    again = load_model(tmp_path / "m.h5")
    check_same(model, again)
    assert int(again.optimizer.iterations) == 10 // (optimizer.gradient_accumulation_steps or 1)
    assert model.fit(X, Y, **FIT).history == again.fit(X, Y, **FIT).history
    check_same(model, again)


def test_three_epochs_equal_two_and_one_in_a_new_process(tmp_path):
    straight = network()
    straight.fit(X, Y, epochs=3, **FIT)
    from lamella.core import names
    from lamella.core.random import set_random_seed

    names.reset_uids()
    set_random_seed(1)
    first = network()
    first.fit(X, Y, epochs=2, **FIT)
    first.save(tmp_path / "m.h5")
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    code = f"""
import numpy as np
from lamella.models import load_model
data = np.load("data.npz")
model = load_model("m.h5")
model.fit(data["x"], data["y"], epochs=3, initial_epoch=2, **{FIT!r})
model.save("done.h5")
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    check_same(straight, load_model(tmp_path / "done.h5"))


def test_saving_again_gives_the_same_bytes(tmp_path):
    model = network()
    model.fit(X, Y, **FIT)
    model.save(tmp_path / "a.h5")
    load_model(tmp_path / "a.h5").save(tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    model.save_weights(tmp_path / "w.h5")
    load_model(tmp_path / "a.h5").save_weights(tmp_path / "v.h5")
    assert (tmp_path / "w.h5").read_bytes() == (tmp_path / "v.h5").read_bytes()


def test_predictions_and_graphs(tmp_path):
    a, b = Input((4,), name="a"), Input((4,), name="b")
    shared = Dense(4, activation="tanh")
    inner = Sequential([Dense(4, input_dim=4), BatchNormalization()], name="inner")
    model = Model([a, b], [Add()([shared(a), inner(b)]), shared(b)])
    model.compile("sgd", ["mse", "mae"], loss_weights=[1.0, 0.5], metrics={"dense_1": ["mae"]})
    data = [RNG.normal(size=(7, 4)).astype("float32") for _ in range(4)]
    model.fit(data[:2], data[2:], verbose=0)
    save_model(model, tmp_path / "m.h5")
    again = load_model(tmp_path / "m.h5")
    for y, z in zip(model.predict(data[:2]), again.predict(data[:2])):
        np.testing.assert_array_equal(y, z)
    assert again.metrics_names == model.metrics_names
    assert again.evaluate(data[:2], data[2:], verbose=0) == model.evaluate(data[:2], data[2:], verbose=0)


@pytest.mark.parametrize("kind", ["str", "bytes", "Path", "stream", "h5py.File", "h5py.Group"])
@pytest.mark.parametrize("weights_only", [False, True])
def test_kinds_of_targets(tmp_path, kind, weights_only):
    model = network()
    path = tmp_path / "m.hdf5"
    save = model.save_weights if weights_only else model.save
    load = model.load_weights if weights_only else load_model
    if kind == "stream":
        stream = io.BytesIO()
        save(stream)
        stream.seek(0)
        load(stream)
    elif kind.startswith("h5py"):
        with h5py.File(path, "w") as file:
            save(file if kind == "h5py.File" else file.create_group("inside/here"))
        with h5py.File(path, "r") as file:
            load(file if kind == "h5py.File" else file["inside/here"])
    else:
        target = {"str": str, "bytes": os.fsencode, "Path": Path}[kind](path)
        save(target)
        load(target)


def test_a_model_that_never_trained_and_one_that_is_not_compiled(tmp_path):
    path = tmp_path / "m.h5"
    model = network()
    model.save(path)
    with h5py.File(path) as file:
        assert "optimizer_weights" not in file
    assert load_model(path).optimizer.get_weights() == []
    model.fit(X, Y, **FIT)
    model.save(path, include_optimizer=False)
    with pytest.warns(UserWarning, match=r"^No training configuration found in save file: the model was \*not\* compiled"):
        assert load_model(path).optimizer is None
    model.save(path)
    assert load_model(path, compile=False).optimizer is None
    plain = Sequential([Dense(2, input_dim=3)])
    plain.save(path)
    plain.load_weights(path)


def test_compiled_again_and_saved_before_a_step(tmp_path):
    """The optimizer keeps its iterations and resets its slots, in this process and after loading."""
    model = network(SGD(0.05, momentum=0.9, decay=0.1))
    model.fit(X, Y, **FIT)
    model.compile(model.optimizer, "categorical_crossentropy", metrics=["acc"])
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as file:
        assert "optimizer_weights" not in file
    again = load_model(tmp_path / "m.h5")
    assert int(again.optimizer.iterations) == 5
    # Their random streams differ, because both start now, so the compared models have no dropout.
    inputs = {"x": np.zeros_like(X), "y": Y}
    for m in (model, again):
        m.layers[3].rate = 0.0
        m.train_on_batch(**inputs)
    for left, right in ((model, again), (model.optimizer, again.optimizer)):
        for a, b in zip(left.get_weights(), right.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_an_optimizer_state_that_does_not_fit_raises(tmp_path):
    path = tmp_path / "m.h5"
    model = network()
    model.fit(X, Y, **FIT)
    model.save(path)
    with h5py.File(path, "r+") as file:
        del file["optimizer_weights/iterations:0"]
        names = file["optimizer_weights"].attrs["weight_names"]
        file["optimizer_weights"].attrs["weight_names"] = names[1:]
    with pytest.warns(UserWarning, match="^Error in loading the saved optimizer state. As a result, your model is starting"):
        again = load_model(path)
    assert [w.any() for w in again.optimizer.get_weights()] == [False] * 19


def test_custom_objects(tmp_path):
    class Twice(Dense):
        pass

    def odd_loss(y, p):
        return abs(y - p).mean(axis=-1)

    def odd_metric(y, p):
        return (y - p).max()

    model = Sequential([Twice(2, input_dim=3)])
    model.compile("sgd", odd_loss, metrics=[odd_metric])
    model.save(tmp_path / "m.h5")
    custom = {"Twice": Twice, "odd_loss": odd_loss, "odd_metric": odd_metric}
    assert load_model(tmp_path / "m.h5", custom).metrics_names == ["loss", "odd_metric"]
    for name, message in [
        ("Twice", "^Unknown layer: Twice"),
        ("odd_loss", "^Unknown loss function: odd_loss"),
        ("odd_metric", "^Unknown metric function: odd_metric"),
    ]:
        with pytest.raises(ValueError, match=message):
            load_model(tmp_path / "m.h5", {k: v for k, v in custom.items() if k != name})


def test_loading_runs_no_initializers_and_draws_no_numbers(tmp_path):
    from lamella.core.random import next_seed, set_random_seed

    network().save(tmp_path / "m.h5")
    set_random_seed(3)
    expected = next_seed("initializer")
    set_random_seed(3)
    load_model(tmp_path / "m.h5")
    assert next_seed("initializer") == expected


@pytest.mark.parametrize("suffix", [".h5", ".safetensors"])
@pytest.mark.parametrize("way", ["set_weights", "set_state"])
@pytest.mark.parametrize("optimizer", [Adam, lambda: SGD(momentum=0.9), RMSprop])
def test_optimizer_weights_set_before_the_first_step(optimizer, way, suffix, tmp_path):
    if suffix == ".safetensors":
        pytest.importorskip("safetensors")
    source = network(optimizer())
    source.fit(X, Y, **FIT)
    model = network(optimizer())
    model.set_weights(source.get_weights())
    getattr(model.optimizer, way)(getattr(source.optimizer, way.replace("set", "get"))())
    kept = model.get_training_state()
    model.save(tmp_path / f"m{suffix}")
    again = load_model(tmp_path / f"m{suffix}")
    for a, b, c in zip(
        source.optimizer.get_weights(), again.optimizer.get_weights(), kept["optimizer"]["weights"], strict=True
    ):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
    third = network(optimizer())
    third.set_training_state(kept)
    streams = [m.compiled_steps().stream for m in (source, model, again, third)]
    for stream in streams:
        stream.set_state(streams[0].get_state())
    for m in (source, model, again, third):
        m.fit(X, Y, **FIT)
        arrays = [*m.get_weights(), *m.optimizer.get_weights()]
        for a, b in zip([*source.get_weights(), *source.optimizer.get_weights()], arrays, strict=True):
            np.testing.assert_array_equal(a, b)


def test_optimizer_weights_of_another_model_raise(tmp_path):
    model = network("adam")
    model.optimizer.set_weights([np.int64(1), np.zeros(3), np.zeros(3), np.zeros(1)])
    with pytest.raises(ValueError, match="Adam: the state belongs to the arrays given first, which were 1, got 6"):
        model.save(tmp_path / "m.h5")
    assert not (tmp_path / "m.h5").exists()
