"""All arguments of compile: each form with its numbers, each error with its text. Source: Keras 2.2.5."""

import warnings

import numpy as np
import pytest

from lamella import backend as K
from lamella.callbacks import LambdaCallback
from lamella.layers import Dense, Input
from lamella.models import Model, Sequential, load_model
from lamella.optimizers import SGD

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 3)).astype("f4")
A, B = RNG.normal(size=(6, 1)).astype("f4"), RNG.normal(size=(6, 2)).astype("f4")


def one(**compiled):
    model = Sequential([Dense(1, input_shape=(3,))])
    model.compile(**{"optimizer": SGD(lr=0.0), "loss": "mse", **compiled})
    return model


def two(**compiled):
    inputs = Input((3,))
    model = Model(inputs, [Dense(1, name="a")(inputs), Dense(2, name="b")(inputs)])
    model.compile(**{"optimizer": SGD(lr=0.0), "loss": "mse", **compiled})
    return model


def errors(model):
    """Mean squared and absolute errors of each output, by NumPy."""
    return [(float(((p - y) ** 2).mean()), float(np.abs(p - y).mean())) for p, y in zip(model.predict(X), (A, B))]


# optimizer -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "optimizer, lr",
    [("sgd", 0.01), ("SGD", 0.01), (SGD(lr=0.25), 0.25), ({"class_name": "SGD", "config": {"lr": 0.5}}, 0.5)],
)
def test_forms_of_the_optimizer(optimizer, lr):
    model = one(optimizer=optimizer)
    w, b = model.get_weights()
    model.train_on_batch(X, A)
    residual = X @ w + b - A
    np.testing.assert_allclose(model.get_weights()[0], w - lr * 2 * X.T @ residual / 6, rtol=1e-5, atol=1e-7)


def test_an_unknown_optimizer():
    with pytest.raises(ValueError, match="Unknown optimizer: sgdx"):
        one(optimizer="sgdx")
    with pytest.raises(ValueError, match="Could not interpret optimizer identifier: 3"):
        one(optimizer=3)


def test_recompiling_with_the_same_optimizer_keeps_iterations_and_resets_slots():
    optimizer = SGD(lr=0.1, momentum=0.9)
    model = one(optimizer=optimizer)
    model.train_on_batch(X, A)
    model.compile(optimizer, "mse")
    assert int(np.asarray(optimizer.iterations)) == 1
    w, b = model.get_weights()
    model.train_on_batch(X, A)
    residual = X @ w + b - A
    # With the old momentum the step would be larger.
    np.testing.assert_allclose(model.get_weights()[0], w - 0.1 * 2 * X.T @ residual / 6, rtol=1e-5)
    assert int(np.asarray(optimizer.iterations)) == 2


# loss ----------------------------------------------------------------------------------------------------


def absolute(y, p):
    return abs(p - y)


@pytest.mark.parametrize(
    "loss, columns",
    [
        ("mse", (0, 0)), (["mse", "mae"], (0, 1)), ({"a": "mae", "b": "mse"}, (1, 0)), (absolute, (1, 1)),
        ({"a": absolute, "b": "MSE"}, (1, 0)), (["mean_squared_error", absolute], (0, 1)),
    ],
)  # fmt: skip
def test_forms_of_the_loss(loss, columns):
    model = two(loss=loss)
    first, second = (e[c] for e, c in zip(errors(model), columns))
    assert model.metrics_names == ["loss", "a_loss", "b_loss"]
    np.testing.assert_allclose(model.evaluate(X, [A, B], verbose=0), [first + second, first, second], rtol=1e-5)


def test_an_output_whose_loss_is_none():
    with pytest.warns(UserWarning, match='Output "a" missing from loss dictionary. We assume this was done on') as caught:
        assert two(loss={"b": "mse"}).metrics_names == ["loss", "b_loss"]
    assert caught[0].filename == __file__
    model = two(loss=[None, "mse"])
    assert model.metrics_names == ["loss", "b_loss"]
    wanted = errors(model)[1][0]
    np.testing.assert_allclose(model.evaluate(X, B, verbose=0), [wanted, wanted], rtol=1e-5)
    np.testing.assert_allclose(model.evaluate(X, {"b": B}, verbose=0), [wanted, wanted], rtol=1e-5)
    with pytest.raises(ValueError, match="Error when checking model target: the list of Numpy arrays that you are passing"):
        model.evaluate(X, [A, B], verbose=0)


@pytest.mark.parametrize(
    "loss, error, text",
    [
        ("msex", ValueError, "Unknown loss function: msex (did you mean 'mse'?)"),
        (3, ValueError, "Could not interpret loss function identifier: 3"),
        (["mse"], ValueError, "When passing a list as loss, it should have one entry per model outputs. The model has 2 outputs, but you passed loss=['mse']"),
        ({"c": "mse"}, ValueError, "Unknown entry in loss dictionary: \"c\". Only expected the following keys: ['a', 'b']"),
        (None, ValueError, "The model cannot be compiled because it has no loss to optimize."),
        ([None, None], ValueError, "The model cannot be compiled because it has no loss to optimize."),
    ],
)  # fmt: skip
def test_losses_that_are_refused(loss, error, text):
    model = two()
    before = model.metrics_names
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(error) as raised:
            model.compile("sgd", loss)
    assert str(raised.value) == text
    assert model.metrics_names == before and model.loss == "mse"  # unchanged


# loss_weights --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights, a, b", [(None, 1, 1), ([0.5, 2], 0.5, 2), ({"a": 3.0}, 3, 1), ({"b": np.float32(0)}, 1, 0)])
def test_forms_of_the_loss_weights(weights, a, b):
    model = two(loss_weights=weights)
    first, second = (e[0] for e in errors(model))
    # Only the total is weighted.
    wanted = [a * first + b * second, first, second]
    np.testing.assert_allclose(model.evaluate(X, [A, B], verbose=0), wanted, rtol=1e-5)
    np.testing.assert_allclose(model.train_on_batch(X, [A, B]), wanted, rtol=1e-5)


def test_one_loss_weight_scales_the_step():
    steps = []
    for weights in (None, [0.5]):
        model = one(optimizer=SGD(lr=0.1), loss_weights=weights)
        model.set_weights([np.ones((3, 1)), np.zeros(1)])
        model.train_on_batch(X, A)
        steps.append(model.get_weights()[0] - 1)
    np.testing.assert_allclose(steps[1], 0.5 * steps[0], rtol=1e-4)


@pytest.mark.parametrize("by_name", [False, True])
def test_current_values_of_variables_are_used_as_loss_weights(by_name, tmp_path):
    a, b = K.variable(1.0), K.variable(0.0)
    model = two(optimizer=SGD(lr=0.1), loss_weights={"a": a, "b": b} if by_name else [a, b])
    for first, second in ((1.0, 0.0), (0.0, 1.0), (0.25, 2.0)):
        K.set_value(a, first)
        K.set_value(b, second)
        expected = sum(w * e[0] for w, e in zip((first, second), errors(model)))
        assert model.evaluate(X, [A, B], verbose=0)[0] == pytest.approx(expected, rel=1e-5)
        assert model.test_on_batch(X, [A, B])[0] == pytest.approx(expected, rel=1e-5)
        before = model.get_weights()
        wanted = [before[i] - 0.1 * g for i, g in enumerate(by_hand(model, first, second))]
        assert model.train_on_batch(X, [A, B])[0] == pytest.approx(expected, rel=1e-5)
        for got, w in zip(model.get_weights(), wanted):
            np.testing.assert_allclose(got, w, rtol=1e-5, atol=1e-6)
    model.save(tmp_path / "m.h5")
    assert load_model(tmp_path / "m.h5").loss_weights == ({"a": 0.25, "b": 2.0} if by_name else [0.25, 2.0])


def by_hand(model, first, second):
    """Gradients of first * mse(a) + second * mse(b)."""
    found = []
    for p, y, counts in zip(model.predict(X), (A, B), (first, second)):
        dp = counts * 2 * (p - y) / y.size
        found += [X.T @ dp, dp.sum(axis=0)]
    return found


def test_a_callback_anneals_the_loss_weights():
    weight = K.variable(1.0)
    model = one(loss_weights=[weight])
    halve = LambdaCallback(on_epoch_end=lambda epoch, logs: K.set_value(weight, K.get_value(weight) / 2))
    history = model.fit(X, A, epochs=3, verbose=0, callbacks=[halve], validation_data=(X, A)).history
    whole = model.evaluate(X, A, verbose=0) / 0.125
    np.testing.assert_allclose(history["loss"], [whole, whole / 2, whole / 4], rtol=1e-5)
    np.testing.assert_allclose(history["val_loss"], [whole, whole / 2, whole / 4], rtol=1e-5)


@pytest.mark.parametrize(
    "weights, error, text",
    [
        ((1.0, 2.0), TypeError, "Could not interpret loss_weights argument: (1.0, 2.0) - expected a list or a dict."),
        ([1.0], ValueError, "When passing a list as loss_weights, it should have one entry per model output. The model has 2 outputs, but you passed loss_weights=[1.0]"),
        ({"c": 1.0}, ValueError, "Unknown entry in loss_weights dictionary: \"c\". Only expected the following keys: ['a', 'b']"),
        (["x", 1.0], TypeError, "loss_weights of output 'a': expected a finite number, got 'x'"),
        ({"b": None}, TypeError, "loss_weights of output 'b': expected a finite number, got None"),
        ([1.0, float("nan")], ValueError, "loss_weights of output 'b': expected a finite number, got nan"),
    ],
)  # fmt: skip
def test_loss_weights_that_are_refused(weights, error, text):
    with pytest.raises(error) as raised:
        two(loss_weights=weights)
    assert str(raised.value) == text


def test_a_loss_weight_that_is_a_vector_is_refused():
    with pytest.raises(TypeError, match="loss_weights of output 'b': expected a finite number, got <Variable .* shape=.1,."):
        two(loss_weights=[1.0, K.variable([1.0])])


# metrics, weighted_metrics -------------------------------------------------------------------------------


def mine(y, p):
    return np.abs(p - y).max(axis=-1)


@pytest.mark.parametrize(
    "metrics, weighted, names",
    [
        (None, None, []), ([], {}, []), (["mae"], None, ["a_mean_absolute_error", "b_mean_absolute_error"]),
        ({"b": "mae"}, None, ["b_mean_absolute_error"]), ({"a": ["mae", mine], "b": mine}, None, ["a_mean_absolute_error", "a_mine", "b_mine"]),
        (["mae"], ["mae"], ["a_mean_absolute_error", "a_weighted_mean_absolute_error", "b_mean_absolute_error", "b_weighted_mean_absolute_error"]),
        (["mae", "mae", "mae"], None, ["a_mean_absolute_error", "a_mean_absolute_error_1", "a_mean_absolute_error_2", "b_mean_absolute_error", "b_mean_absolute_error_1", "b_mean_absolute_error_2"]),
        (None, {"b": ["acc"]}, ["b_weighted_acc"]),
    ],
)  # fmt: skip
def test_names_of_metrics_with_several_outputs(metrics, weighted, names):
    model = two(metrics=metrics, weighted_metrics=weighted)
    assert model.metrics_names == ["loss", "a_loss", "b_loss", *names]
    values = dict(zip(model.metrics_names, model.evaluate(X, [A, B], verbose=0)))
    for output, p, y in zip("ab", model.predict(X), (A, B)):
        for name, value in values.items():
            if name.startswith(output) and "mean_absolute_error" in name:
                assert value == pytest.approx(np.abs(p - y).mean(), rel=1e-5)
            if name == f"{output}_mine":
                assert value == pytest.approx(np.abs(p - y).max(axis=-1).mean(), rel=1e-5)


@pytest.mark.parametrize(
    "metrics, names",
    [
        (["mse", "mse"], ["mean_squared_error", "mean_squared_error_1"]),
        ([mine, "acc", "acc"], ["mine", "acc", "acc_1"]),
        (["accuracy"], ["acc"]),
    ],
)
def test_names_of_metrics_with_one_output(metrics, names):
    assert one(metrics=metrics).metrics_names == ["loss", *names]
    assert one(weighted_metrics=metrics).metrics_names == ["loss", *(f"weighted_{name}" for name in names)]


def test_weighted_metrics_see_class_weights_and_plain_ones_do_not():
    model = Sequential([Dense(3, activation="softmax", input_shape=(3,))])
    model.compile(SGD(lr=0.0), "sparse_categorical_crossentropy", metrics=["acc"], weighted_metrics=["acc"])
    labels, by_class = np.array([0, 1, 2, 1, 1, 0]), {0: 2.0, 1: 0.0, 2: 0.5}
    hits = model.predict(X).argmax(axis=1) == labels
    each = np.array([by_class[c] for c in labels])
    _, plain, weighted = model.train_on_batch(X, labels, class_weight=by_class)
    assert plain == pytest.approx(hits.mean()) and weighted == pytest.approx((hits * each).sum() / 3)


def test_metrics_that_are_refused():
    for wrong in ("acc", ("acc",), 3):
        for argument in ("metrics", "weighted_metrics"):
            with pytest.raises(TypeError) as raised:
                one(**{argument: wrong})
            assert (
                str(raised.value) == f"Type of `metrics` argument not understood. Expected a list or dictionary, found: {wrong}"
            )
    with pytest.raises(ValueError, match="Unknown metric function: nothing"):
        one(metrics=["nothing"])
    with pytest.raises(ValueError, match="Could not interpret metric function identifier: 3"):
        one(metrics=[3])
    with pytest.warns(UserWarning) as caught:
        two(metrics={"c": "mae"})
    assert [str(w.message) for w in caught] == [
        "Invalid layer name for metric computations: ['c']. Available names are ['a', 'b']."
    ]
    assert caught[0].filename == __file__


# sample_weight_mode --------------------------------------------------------------------------------------


def over_time(**compiled):
    inputs = Input((4, 3))
    model = Model(inputs, [Dense(2, name="t")(inputs), Dense(1, name="u")(inputs)])
    model.compile(SGD(lr=0.0), "mse", **compiled)
    return model


@pytest.mark.parametrize("mode", ["temporal", ["temporal", None], {"t": "temporal", "u": None}])
def test_forms_of_sample_weight_mode(mode):
    x, t, u = RNG.normal(size=(5, 4, 3)), RNG.normal(size=(5, 4, 2)), RNG.normal(size=(5, 4, 1))
    steps, rows = RNG.integers(0, 3, size=(5, 4)).astype(float), np.array([1.0, 0, 2, 0, 3])
    model = over_time(sample_weight_mode=mode)
    p, q = model.predict(x)
    first = ((p - t) ** 2).mean(-1)
    second = ((q - u) ** 2).mean(-1)
    wanted = [(first * steps).sum() / np.count_nonzero(steps)]
    if mode == "temporal":
        wanted.append((second * steps).sum() / np.count_nonzero(steps))
        weights = [steps, steps]
    else:
        wanted.append((second.mean(axis=1) * rows).sum() / 3)
        weights = {"t": steps, "u": rows}
    values = model.evaluate(x, [t, u], sample_weight=weights, verbose=0)
    np.testing.assert_allclose(values, [sum(wanted), *wanted], rtol=1e-5)


@pytest.mark.parametrize(
    "mode, text",
    [
        ({"t": "temporal"}, 'Output "u" missing from sample_weight_modes dictionary'),
        ({"v": None}, "Unknown entry in sample_weight_mode dictionary: \"v\". Only expected the following keys: ['t', 'u']"),
        (["temporal"], "When passing a list as sample_weight_mode, it should have one entry per model output. The model has 2 outputs, but you passed sample_weight_mode=['temporal']"),
        ("time", '"sample_weight_mode should be None or "temporal". Found: time'),
    ],
)  # fmt: skip
def test_modes_that_are_refused(mode, text):
    with pytest.raises(ValueError) as raised:
        over_time(sample_weight_mode=mode)
    assert str(raised.value) == text


# The rest ------------------------------------------------------------------------------------------------


def test_unknown_arguments():
    with pytest.raises(TypeError, match="unexpected keyword argument 'run_eagerly'"):
        one(run_eagerly=True)


def test_compile_arguments_of_an_unbuilt_model_are_used_in_its_first_fit():
    # Keras loses sample_weight_mode and weighted_metrics in this case.
    model = Sequential([Dense(2)])
    model.compile(SGD(lr=0.0), "mse", metrics=["mae"], sample_weight_mode="temporal", weighted_metrics=["mae"])
    x, y = RNG.normal(size=(5, 4, 3)), RNG.normal(size=(5, 4, 2))
    weights = np.arange(20.0).reshape(5, 4)
    model.fit(x, y, sample_weight=weights, verbose=0)
    p = model.predict(x)
    assert model.metrics_names == ["loss", "mean_absolute_error", "weighted_mean_absolute_error"]
    squared, error = ((p - y) ** 2).mean(-1), np.abs(p - y).mean(-1)
    wanted = [(squared * weights).sum() / 19, error.mean(), (error * weights).sum() / 19]
    np.testing.assert_allclose(model.evaluate(x, y, sample_weight=weights, verbose=0), wanted, rtol=1e-5)


def test_trainable_is_read_at_compile():
    model = Sequential([Dense(2, input_shape=(3,), name="first"), Dense(1)])
    model.compile(SGD(lr=0.1), "mse")
    model.layers[0].trainable = False
    frozen = model.get_weights()
    text = "Discrepancy between trainable weights and collected trainable weights, did you set `model.trainable` without"
    for train in (model.fit, model.train_on_batch):
        with pytest.warns(UserWarning, match=text) as caught:
            train(X, A)
        assert len(caught) == 1 and caught[0].filename == __file__
    assert not np.array_equal(frozen[0], model.get_weights()[0])
    model.compile(SGD(lr=0.1), "mse")
    frozen = model.get_weights()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.train_on_batch(X, A)
    np.testing.assert_array_equal(frozen[0], model.get_weights()[0])
    assert not np.array_equal(frozen[2], model.get_weights()[2])


@pytest.mark.parametrize(
    ("compiled", "expected", "kernel"),
    [
        ({"loss": {"d": "mse"}}, [13.0, 4.0, 9.0], [[1.04], [2.06]]),
        ({"loss": "mse", "loss_weights": {"d": 2.0}}, [26.0, 4.0, 9.0], [[1.08], [2.12]]),
        ({"loss": "mse", "metrics": {"d": "mae"}}, [13.0, 4.0, 9.0, 2.0, 3.0], [[1.04], [2.06]]),
    ],
)
def test_entries_of_a_layer_count_for_all_its_outputs(compiled, expected, kernel):
    """The numbers are from the real Keras 2.2.5, where all outputs of a layer have one name."""
    a, b, dense = Input((2,)), Input((2,)), Dense(1, name="d")
    model = Model([a, b], [dense(a), dense(b)])
    dense.set_weights([np.array([[1.0], [2.0]]), np.zeros(1)])
    model.compile("sgd", **compiled)
    assert model.train_on_batch([np.eye(2)[:1], np.eye(2)[1:]], [np.array([3.0]), np.array([5.0])]) == pytest.approx(expected)
    np.testing.assert_allclose(dense.get_weights()[0], kernel, rtol=1e-6)


ROWS = np.arange(12).reshape(4, 3).astype("f4") / 10
TARGETS = np.arange(8).reshape(4, 2).astype("f4") / 8
WEIGHTS = np.array([1.0, 2.0, 0.5, 1.0])


def shared(loss, trained=(0, 1), **compiled):
    a, b = Input((3,), name="a"), Input((3,), name="b")
    dense = Dense(2, name="d", kernel_initializer="ones", use_bias=False)
    outputs = [dense(a), dense(b)]
    model = Model([a, b], [outputs[i] for i in trained])
    model.compile(SGD(0.1), loss, **compiled)
    return model


@pytest.mark.parametrize(
    ("loss", "weighted", "trained", "weighted_kernel", "tested"),
    [
        ("mse", [12.541, 2.065], [4.0044, 2.0022, 2.0022], [0.3933, 0.2906, 0.1879], [3.8082, 1.9041, 1.9041]),
        (["mse", "mae"], [4.8338, 3.6628], [3.2147, 2.0022, 1.2125], [0.7713, 0.725, 0.6788], [3.1463, 1.9041, 1.2422]),
        ({"d": "mae"}, [4.1719, 3.7333], [2.425, 1.2125, 1.2125], [0.865, 0.8312, 0.7975], [2.4844, 1.2422, 1.2422]),
    ],
)
def test_data_of_a_layer_is_that_of_all_its_outputs(loss, weighted, trained, weighted_kernel, tested):
    """The numbers are from the real Keras 2.2.5."""
    y, w = {"d": TARGETS}, {"d": WEIGHTS}
    model = shared(loss)
    fitted = model.fit([ROWS, 2 * ROWS], y, sample_weight=w, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_allclose(fitted.history["loss"], weighted, rtol=1e-4)
    np.testing.assert_allclose(model.get_weights()[0][:, 0], weighted_kernel, rtol=1e-3)
    model = shared(loss)
    assert model.evaluate({"a": ROWS, "b": ROWS}, y, verbose=0) == pytest.approx(trained, rel=1e-4)
    assert model.test_on_batch([ROWS, ROWS], y, sample_weight=w) == pytest.approx(tested, rel=1e-4)
    batches = iter([([ROWS, ROWS], y, w)])
    assert model.evaluate_generator(batches, 1) == pytest.approx(tested, rel=1e-4)
    assert model.train_on_batch([ROWS, ROWS], {"d": TARGETS, "other": ROWS}) == pytest.approx(trained, rel=1e-4)


def test_further_entries_of_data_of_a_layer():
    """The numbers of mse and weights are from the real Keras 2.2.5."""
    fitted = shared("mse").fit([ROWS, 2 * ROWS], {"d": TARGETS}, validation_data=([ROWS, ROWS], {"d": TARGETS}), verbose=0)
    assert fitted.history["val_loss"] == [pytest.approx(0.3125, abs=1e-4)]
    # An output's own entry comes first, and an output without a loss needs none.
    y = {"d": TARGETS, "d_1": TARGETS + 1}
    assert shared("mae").test_on_batch([ROWS, ROWS], y)[1:] == pytest.approx([1.2125, 0.65], rel=1e-4)
    model = shared([None, "mae"])
    assert model.test_on_batch([ROWS, ROWS], {"d": TARGETS}, {"d": WEIGHTS})[0] == pytest.approx(1.2422, rel=1e-4)
    assert shared(["mse"], [1]).test_on_batch([ROWS, ROWS], {"d": TARGETS}) == pytest.approx(2.0022, rel=1e-4)
    with pytest.raises(ValueError, match='No data provided for "d"'):
        shared("mse").train_on_batch([ROWS, ROWS], {"e": TARGETS})
    model = shared("mse", target_tensors={"d": K.constant(TARGETS)})
    assert model.train_on_batch([ROWS, ROWS], None) == pytest.approx([4.0044, 2.0022, 2.0022], rel=1e-4)
    one_hot = np.eye(2)[[0, 1, 1, 0]]
    weighted = shared("mae").test_on_batch([ROWS, ROWS], {"d": one_hot}, sample_weight={"d": np.array([1.0, 3.0, 3.0, 1.0])})
    model = shared("mae")
    by_class = model.fit([ROWS, ROWS], {"d": one_hot}, class_weight={"d": {0: 1.0, 1: 3.0}}, verbose=0)
    assert by_class.history["loss"] == [pytest.approx(weighted[0], rel=1e-6)]
