"""Bad input to compile, fit, evaluate and predict raises a clear error, and does not change the model or the data."""

import hashlib

import numpy as np
import pytest

from lamella.callbacks import Callback
from lamella.layers import LSTM, Dense, Input, Layer
from lamella.models import Model, Sequential

X = np.random.default_rng(0).normal(size=(6, 3)).astype("f4")
LABELS = np.array([0, 1, 2, 0, 1, 2])
ONE_HOT = np.eye(3, dtype="f4")[LABELS]


def model(loss="categorical_crossentropy", units=3):
    m = Sequential([Dense(units, activation="softmax", input_shape=(3,), name="out")])
    m.compile("adam", loss, metrics=["acc"])
    return m


def with_nan(a):
    a = a.astype("f8")
    a.flat[1] = np.nan
    return a


TARGETS = [
    ("sparse_categorical_crossentropy", LABELS + 1, ValueError, "class labels from 0 to 2, got 3 at sample 2"),
    ("sparse_categorical_crossentropy", LABELS - 1, ValueError, "class labels from 0 to 2, got -1 at sample 0"),
    ("sparse_categorical_crossentropy", LABELS + 0.5, ValueError, "whole class labels, got 0.5 at sample 0"),
    ("sparse_categorical_crossentropy", with_nan(LABELS), ValueError, "whole class labels, got nan at sample 1"),
    (
        "sparse_categorical_crossentropy",
        ONE_HOT,
        ValueError,
        r"expected out to have shape \(1,\) but got array with shape \(3,\)",
    ),
    (
        "categorical_crossentropy",
        LABELS,
        ValueError,
        r"target array of shape \(6, 1\) while using as loss `categorical_crossentropy`",
    ),
    ("categorical_crossentropy", with_nan(ONE_HOT), ValueError, "target 'out': expected finite numbers, got nan at sample 0"),
    (
        "categorical_crossentropy",
        ONE_HOT[:, :2],
        ValueError,
        r"checking target: expected out to have shape \(3,\) but got array with shape \(2,\)",
    ),
    ("mse", ONE_HOT[:, :2], ValueError, r"checking target: expected out to have shape \(3,\) but got array with shape \(2,\)"),
    ("mae", ONE_HOT[:, :2], ValueError, r"expected out to have shape \(3,\) but got array with shape \(2,\)"),
    ("mse", ONE_HOT[:5], ValueError, "Found 6 input samples and 5 target samples"),
    ("mse", np.full(ONE_HOT.shape, "x", object), TypeError, "target 'out'.*got dtype object"),
    ("mse", np.full(ONE_HOT.shape, "x"), TypeError, "target 'out'.*got dtype <U"),
    ("mse", ONE_HOT.astype(complex), TypeError, "target 'out'.*got dtype complex128"),
    ("mse", [ONE_HOT, ONE_HOT], ValueError, r"Expected to see 1 array\(s\), but instead got the following list of 2 arrays"),
    ("mse", None, ValueError, "checking model target: no data was given"),
    ("mse", {"other": ONE_HOT}, ValueError, r'No data provided for "out". Need data for each key in: \[\'out\'\]'),
]


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
@pytest.mark.parametrize("loss, y, error, words", TARGETS, ids=range(len(TARGETS)))
def test_targets(method, loss, y, error, words):
    m = model(loss)
    before = m.get_weights()
    with pytest.raises(error, match=words):
        getattr(m, method)(X, y)
    assert all(np.array_equal(a, b) for a, b in zip(before, m.get_weights()))
    assert m.optimizer.get_weights() == [] and m.history is None


INPUTS = [
    (X[:, :2], ValueError, r"Error when checking input: expected .* to have shape \(3,\) but got array with shape \(2,\)"),
    (X[:, :, None], ValueError, r"Error when checking input: expected .* to have 2 dimensions, but got array with shape \(6, 3, 1\)"),
    (np.full(X.shape, "x", object), TypeError, "input.*got dtype object"),
    (np.full(X.shape, "x"), TypeError, "input.*got dtype <U"),
    (X.astype(complex), TypeError, "input.*got dtype complex128"),
    (X.astype("M8[s]"), TypeError, "input.*got dtype datetime64"),
    ([X, X], ValueError, r"Expected to see 1 array\(s\), but instead got the following list of 2 arrays"),
    (None, ValueError, "checking model input: no data was given"),
    ("text", TypeError, "data should be a Numpy array, or list/dict of Numpy arrays. Found: text"),
    ([[1.0, 2.0, 3.0], [1.0, 2.0]], TypeError, "checking model input"),
]  # fmt: skip


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict", "predict_on_batch", "train_on_batch", "test_on_batch"])
@pytest.mark.parametrize("x, error, words", INPUTS, ids=range(len(INPUTS)))
def test_inputs(method, x, error, words):
    m = model()
    with pytest.raises(error, match=words):
        getattr(m, method)(*([x] if method.startswith("predict") else [x, ONE_HOT]))
    assert m.optimizer.get_weights() == []


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
def test_empty_arrays(method):
    with pytest.raises(ValueError, match="expected at least one sample"):
        getattr(model(), method)(X[:0], ONE_HOT[:0])


@pytest.mark.parametrize("method", ["predict", "predict_on_batch"])
def test_predictions_for_no_sample_have_no_rows(method):
    rows = getattr(model(), method)(X[:0])
    assert rows.shape == (0, *ONE_HOT.shape[1:]) and rows.dtype == "float32"
    assert model().predict_proba(X[:0]).shape == (0, 3) and model().predict_classes(X[:0]).shape == (0,)
    a, b = Input((3,)), Input((None, 2))
    several = Model([a, b], [Dense(4)(a), LSTM(5, return_sequences=True)(b), Dense(1)(a)])
    shapes = [y.shape for y in getattr(several, method)([np.empty((0, 3)), np.empty((0, 7, 2))])]
    assert shapes == [(0, 4), (0, 0, 5), (0, 1)]
    with pytest.raises(ValueError, match="to have shape \\(3,\\) but got array with shape \\(4,\\)"):
        getattr(Sequential([Dense(2, input_shape=(3,))]), method)(np.empty((0, 4)))


WEIGHTS = [
    (dict(sample_weight=np.ones(5)), ValueError, r"sample_weight array with shape \(5,\) for an input with shape \(6, 3\). sample_weight cannot be broadcast"),
    (dict(sample_weight=np.ones((6, 3))), ValueError, r"Found a sample_weight array with shape \(6, 3\). In order to use timestep"),
    (dict(sample_weight=with_nan(np.ones(6))), ValueError, "sample_weight: expected finite numbers"),
    (dict(sample_weight=["a"] * 6), TypeError, "sample_weight"),
    (dict(class_weight=[1.0, 2.0]), ValueError, r"must contain all classes in the data. The classes \{2\} exist"),
    (dict(class_weight="even"), TypeError, "class_weight to be a dict of class -> weight, .* got 'even'"),
    (dict(class_weight={0: 1.0, 1: 2.0}), ValueError, r"must contain all classes in the data. The classes \{2\} exist"),
    (dict(class_weight={0: 1.0, 1: np.nan, 2: 1.0}), ValueError, "class_weight: expected finite"),
]  # fmt: skip


@pytest.mark.parametrize("arguments, error, words", WEIGHTS, ids=range(len(WEIGHTS)))
def test_weights(arguments, error, words):
    m = model()
    for method in (m.fit, m.train_on_batch):
        with pytest.raises(error, match=words):
            method(X, ONE_HOT, **arguments)
    assert m.optimizer.get_weights() == []


ARGUMENTS = [
    (dict(batch_size=0), ValueError, "batch_size to be at least 1, got 0"),
    (dict(batch_size=2.5), TypeError, "batch_size to be an integer, got 2.5"),
    (dict(validation_data=(X,)), ValueError, "it must contain 2 .* items, however it contains 1 items"),
    (dict(validation_data=(X, ONE_HOT[:, :2])), ValueError, "shape"),
    (dict(validation_data=(X, with_nan(ONE_HOT))), ValueError, "got nan"),
    (dict(validation_split=0.01), None, ""),
    (dict(validation_split=0.99), ValueError, "leaves no samples"),
    (dict(validation_split="0.2"), TypeError, "validation_split"),
    (dict(validation_freq=0), ValueError, "validation_freq"),
    (dict(validation_freq="2", validation_split=0.5), TypeError, "validation_freq to be an integer or .* got '2'"),
    (dict(validation_freq=2.5, validation_split=0.5), TypeError, "validation_freq to be an integer or .* got 2.5"),
    (dict(validation_freq=np.int64(0)), ValueError, "validation_freq"),
    (dict(validation_steps=2), ValueError, "Can only use `validation_steps` when doing step-wise training"),
    (dict(batch_size=2, steps_per_epoch=2), ValueError, "the `batch_size` must be None"),
    (dict(shuffle="rows"), ValueError, 'shuffle to be True, False or "batch"'),
    (dict(epochs="3"), TypeError, "epochs to be an integer"),
    (dict(nb_epochs=3), TypeError, "Unrecognized keyword arguments: .*nb_epochs"),
    (dict(callbacks=[object()]), TypeError, "callbacks: expected a list of callbacks, got .<object object"),
]  # fmt: skip


@pytest.mark.parametrize("arguments, error, words", ARGUMENTS, ids=range(len(ARGUMENTS)))
def test_arguments_of_fit(arguments, error, words):
    m = model()
    if error is None:
        assert m.fit(X, ONE_HOT, verbose=0, **arguments).epoch == [0]
        return
    with pytest.raises(error, match=words):
        m.fit(X, ONE_HOT, verbose=0, **arguments)
    assert m.optimizer.get_weights() == []


@pytest.mark.parametrize("fraction", [1.0, 20, -0.1])
def test_a_validation_split_that_does_nothing_is_warned_about(fraction):
    """As in Keras, which says nothing, all samples are trained on."""
    with pytest.warns(UserWarning, match=f"validation_split={fraction} is ignored: expected a fraction between 0 and 1"):
        assert "val_loss" not in model().fit(X, ONE_HOT, validation_split=fraction, verbose=0).history


def test_nb_epoch_is_accepted_with_a_warning():
    with pytest.warns(UserWarning, match="`nb_epoch` argument in `fit` has been renamed"):
        assert model().fit(X, ONE_HOT, nb_epoch=2, verbose=0).epoch == [0, 1]


def test_compile_missing():
    m = Sequential([Dense(3, input_shape=(3,))])
    for method in (m.fit, m.evaluate, m.train_on_batch, m.test_on_batch):
        with pytest.raises(RuntimeError, match="^You must compile your model before using it.$"):
            method(X, ONE_HOT)
    assert m.predict(X).shape == (6, 3)


def test_a_compiled_model_without_a_shape_names_the_reason():
    m = Sequential([Dense(3)])
    m.compile("sgd", "mse")
    with pytest.raises(ValueError, match="This model has not yet been built"):
        m.metrics_names
    with pytest.raises(ValueError, match="This model has not yet been built"):
        m.evaluate(None, ONE_HOT)
    assert m.evaluate(X, ONE_HOT, verbose=0) > 0 and m.metrics_names == ["loss"]


COMPILE = [
    (("nope", "mse"), {}, ValueError, "Unknown optimizer: nope"),
    (("sgd", "nope"), {}, ValueError, "Unknown loss function: nope"),
    (("sgd", "mse"), dict(metrics=["nope"]), ValueError, "Unknown metric function: nope"),
    (("sgd", "mse"), dict(metrics="mae"), TypeError, "Type of `metrics` argument not understood"),
    (("sgd", None), {}, ValueError, "has no loss to optimize"),
    (("sgd", ["mse", "mse"]), {}, ValueError, "has 1 outputs, but you passed loss="),
    (("sgd", {"x": "mse"}), {}, ValueError, 'Unknown entry in loss dictionary: "x"'),
    (("sgd", "mse"), dict(loss_weights=(1.0,)), TypeError, "Could not interpret loss_weights argument"),
    (("sgd", "mse"), dict(loss_weights=[1.0, 2.0]), ValueError, "passed loss_weights="),
    (("sgd", "mse"), dict(loss_weights={"x": 1.0}), ValueError, 'Unknown entry in loss_weights dictionary: "x"'),
    (("sgd", "mse"), dict(sample_weight_mode="spatial"), ValueError, 'None or "temporal". Found: spatial'),
    (("sgd", "mse"), dict(target_tensors=[1]), TypeError, "target_tensors"),
    (("sgd", 3), {}, ValueError, "Could not interpret loss function identifier: 3"),
    ((3, "mse"), {}, ValueError, "Could not interpret optimizer identifier: 3"),
]  # fmt: skip


@pytest.mark.parametrize("positional, named, error, words", COMPILE, ids=range(len(COMPILE)))
def test_a_refused_compile_does_not_change_the_model(positional, named, error, words):
    m = model()
    before, wanted = m.optimizer, m.evaluate(X, ONE_HOT, verbose=0)
    with pytest.raises(error, match=words):
        m.compile(*positional, **named)
    assert m.optimizer is before and m.evaluate(X, ONE_HOT, verbose=0) == wanted


def test_several_outputs():
    inputs = Input((3,))
    m = Model(inputs, [Dense(1, name="a")(inputs), Dense(1, name="b")(inputs)])
    m.compile("sgd", "mse")
    y = X[:, :1]
    for given, words in [
        (y, r"Expected to see 2 array\(s\), but instead got the following list of 1 arrays"),
        ({"a": y}, 'No data provided for "b"'),
        ([y, y[:3]], "All target arrays .y. should have the same number of samples"),
    ]:
        with pytest.raises(ValueError, match=words):
            m.fit(X, given)
    with pytest.raises(TypeError, match="multiple outputs, so `sample_weight` should be either a list or a dict"):
        m.fit(X, [y, y], sample_weight=np.ones(6))
    with pytest.raises(ValueError, match="`sample_weight` was a list of 3 elements, but the model has 2 outputs"):
        m.fit(X, [y, y], sample_weight=[None] * 3)


def test_targets_of_a_custom_loss_are_not_checked():
    m = Sequential([Dense(1, input_shape=(3,))])
    m.compile("sgd", lambda y, p: (p - np.nan_to_num(y[:, :1])) ** 2)
    y = np.full((6, 2), np.nan)
    wanted = float((m.predict(X) ** 2).mean())
    assert m.evaluate(X, y, verbose=0) == pytest.approx(wanted, rel=1e-5)


def test_a_loss_or_metric_that_returns_nothing_is_named():
    def forgetful(y, p):
        (p - y) ** 2

    m = Sequential([Dense(1, input_shape=(3,))])
    m.compile("sgd", forgetful)
    before = m.get_weights()
    for method in (m.train_on_batch, m.test_on_batch):
        with pytest.raises(TypeError, match="the loss of 'dense_[0-9]+' returned NoneType, expected numbers"):
            method(X, X[:, :1])
    assert all(np.array_equal(a, b) for a, b in zip(before, m.get_weights()))
    m.compile("sgd", "mse", metrics=[forgetful])
    with pytest.raises(TypeError, match="metric 'forgetful' returned NoneType, expected numbers"):
        m.test_on_batch(X, X[:, :1])


def test_a_loss_without_gradient_raises():
    m = Sequential([Dense(1, input_shape=(3,))])
    m.compile("sgd", lambda y, p: np.zeros(len(y), "f4"))
    before = m.get_weights()
    with pytest.raises(ValueError, match="`None` for gradient"):
        m.train_on_batch(X, X[:, :1])
    assert all(np.array_equal(a, b) for a, b in zip(before, m.get_weights()))


class Raises(Callback):
    def __init__(self, hook):
        super().__init__()
        setattr(self, hook, self.fail)
        self.ended = 0

    def fail(self, *args):
        raise KeyError("mine")

    def on_train_end(self, logs=None):
        self.ended += 1


@pytest.mark.parametrize("hook", ["on_train_begin", "on_epoch_begin", "on_batch_begin", "on_batch_end", "on_epoch_end"])
def test_fit_raises_the_error_of_a_callback(hook):
    m, callback = model(), Raises(hook)
    with pytest.raises(KeyError, match="mine"):
        m.fit(X, ONE_HOT, verbose=0, callbacks=[callback])
    assert callback.ended == 1
    m.fit(X, ONE_HOT, verbose=0)  # the model can still be trained


def layouts(a):
    """The same numbers in every memory layout of NumPy."""
    read_only = a.copy()
    read_only.flags.writeable = False
    unaligned = np.frombuffer(b"\0" + a.tobytes(), np.uint8)[1:].view(a.dtype).reshape(a.shape)
    wide = np.zeros((a.shape[0] * 2, a.shape[1] * 3), a.dtype)
    wide[::2, ::3] = a
    return {
        "clean": a, "fortran": np.asfortranarray(a), "strided": wide[::2, ::3], "backwards": a[::-1, ::-1].copy()[::-1, ::-1],
        "read-only": read_only, "big-endian": a.astype(a.dtype.newbyteorder(">")), "unaligned": unaligned,
        "float64": a.astype("f8"), "list": a.tolist(), "subclass": a.view(type("Mine", (np.ndarray,), {})),
        "unmasked": np.ma.array(a),
    }  # fmt: skip


@pytest.mark.parametrize("layout", layouts(X))
def test_every_layout_gives_the_result_of_a_clean_copy(layout):
    results = []
    for name in ("clean", layout):
        m = model()
        m.set_weights([np.linspace(-1, 1, 9).reshape(3, 3), np.zeros(3)])
        x, y = layouts(X)[name], layouts(ONE_HOT)[name]
        kept = np.array(x)
        m.fit(x, y, epochs=2, batch_size=4, shuffle=False, verbose=0, sample_weight=np.ones(6, ">f8")[::-1])
        results.append([*m.get_weights(), m.predict(x), np.array(m.evaluate(x, y, verbose=0))])
        assert np.array_equal(np.array(x), kept)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(*results))


@pytest.mark.parametrize("dtype", ["bool", "u1", "i2", "i8", "f2", "f8"])
def test_other_numbers_are_converted(dtype):
    m = model()
    x = (np.abs(X) > 0.5).astype(dtype)
    np.testing.assert_array_equal(m.predict(x), m.predict(x.astype("f4")))


def test_the_same_array_as_input_and_target():
    m = Sequential([Dense(3, input_shape=(3,))])
    m.compile("sgd", "mse")
    kept = X.copy()
    m.fit(X, X, verbose=0)
    assert np.array_equal(X, kept)


def test_outputs_never_share_memory_with_inputs():
    from lamella.layers import Reshape

    m = Sequential([Reshape((3, 1), input_shape=(3,))])
    for out in (m.predict(X), m.predict_on_batch(X)):
        assert not np.shares_memory(out, X) and np.array_equal(out[..., 0], X)


def test_a_layer_that_works_in_place_cannot_reach_the_users_array():
    class InPlace(Layer):
        def call(self, inputs):
            inputs[:] = 2
            return inputs

    m = Sequential([InPlace(input_shape=(3,))])
    kept = X.copy()
    for method in (m.predict, m.predict_on_batch):
        with pytest.raises(ValueError, match="read-only"):
            method(X)
    assert np.array_equal(X, kept)


def digest(*arrays):
    return [hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest() for a in arrays]


def test_broadcast_arrays_train_as_copies_and_are_not_changed():
    """With stride 0, a write to one element would change all of them."""
    x, y, w = (np.broadcast_to(a, (6, *a.shape)) for a in (X[0], ONE_HOT[0], np.float32(0.5)))
    assert x.strides[0] == 0
    before = digest(x, y, w)
    results = []
    for arrays in ((x, y, w), (x.copy(), y.copy(), w.copy())):
        m = model()
        m.set_weights([np.linspace(-1, 1, 9).reshape(3, 3), np.zeros(3)])
        m.fit(arrays[0], arrays[1], batch_size=4, sample_weight=arrays[2], validation_split=0.5, shuffle=False, verbose=0)
        m.train_on_batch(arrays[0], arrays[1])
        results.append([*m.get_weights(), m.predict(arrays[0]), m.predict_on_batch(arrays[0])])
    assert all(a.tobytes() == b.tobytes() for a, b in zip(*results))
    assert digest(x, y, w) == before


@pytest.mark.parametrize("shuffle", [True, False, "batch"])
def test_no_method_writes_to_the_users_arrays(shuffle):
    x, y, w = X.copy(), ONE_HOT.copy(), np.linspace(0.5, 1.5, 6)
    before = digest(x, y, w)
    m = model()
    m.fit(
        x, y, batch_size=4, epochs=2, shuffle=shuffle, sample_weight=w, class_weight={0: 1.0, 1: 2.0, 2: 3.0},
        validation_data=(x, y, w), verbose=0,
    )  # fmt: skip
    m.fit(iter([(x, y, w)] * 2), steps_per_epoch=2, verbose=0)
    m.evaluate(x, y, sample_weight=w, verbose=0)
    m.train_on_batch(x, y, w)
    m.test_on_batch(x, y, w)
    m.predict(x, batch_size=4)
    m.predict_on_batch(x)
    m.gradients_on_batch(x, y)
    assert digest(x, y, w) == before


NUMBERS = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", ">i2", ">i8", ">f2", ">f4", ">f8"]


@pytest.mark.parametrize("dtype", NUMBERS)
def test_numbers_of_any_dtype_train_as_the_same_numbers_of_floatx(dtype):
    """As inputs, one-hot targets, labels and weights."""
    whole = np.arange(18).reshape(6, 3) % 2
    labels = np.array([0, 1, 0, 1, 1, 0])

    def trained(loss, x, y, w):
        m = model(loss)
        m.set_weights([np.linspace(-1, 1, 9).reshape(3, 3), np.zeros(3)])
        m.fit(x, y, batch_size=4, sample_weight=w, shuffle=False, verbose=0)
        return [*m.get_weights(), m.predict(x)]

    for loss, y in (("mse", whole), ("sparse_categorical_crossentropy", labels)):
        got = trained(loss, whole.astype(dtype), y.astype(dtype), labels.astype(dtype))
        wanted = trained(loss, whole.astype("f4"), y.astype("f4"), labels.astype("f4"))
        assert all(a.tobytes() == b.tobytes() and a.dtype == "f4" for a, b in zip(got, wanted))


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict", "predict_on_batch", "train_on_batch", "test_on_batch"])
def test_masked_arrays_and_single_numbers_raise_with_their_name(method):
    def call(x, y=ONE_HOT):
        getattr(model(), method)(*([x] if method.startswith("predict") else [x, y]))

    hidden = np.ma.array(X, mask=np.arange(18).reshape(6, 3) == 7)
    with pytest.raises(ValueError, match="input 'out_input': 1 of 18 entries are masked"):
        call(hidden)
    with pytest.raises(ValueError, match=r"checking input: expected an array of samples, but got array with shape \(\)"):
        call(np.array(3.0, "f4"))
    if not method.startswith("predict"):
        with pytest.raises(ValueError, match="target 'out': 1 of 18 entries are masked"):
            call(X, np.ma.array(ONE_HOT, mask=hidden.mask))
        with pytest.raises(ValueError, match=r"checking target: expected an array of samples, but got array with shape \(\)"):
            call(X, np.array(3.0, "f4"))
    if method in ("fit", "train_on_batch"):
        with pytest.raises(ValueError, match="sample_weight: 1 of 6 entries are masked"):
            getattr(model(), method)(X, ONE_HOT, sample_weight=np.ma.array(np.ones(6), mask=np.arange(6) == 2))
