"""All arguments of fit, evaluate, predict and related methods: the result of each form, and the text of each error."""

import warnings

import numpy as np
import pytest

from lamella import backend as K
from lamella.callbacks import Callback, EarlyStopping
from lamella.layers import LSTM, BatchNormalization, Dense, Input, Layer
from lamella.models import Model, Sequential
from lamella.optimizers import SGD

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 3)).astype("f4")
Y = RNG.normal(size=(6, 1)).astype("f4")
LABELS = np.array([0, 1, 2, 1, 0, 1])


def one(loss="mse", **compiled):
    model = Sequential([Dense(1, input_shape=(3,), name="out")])
    model.compile(SGD(lr=0.0), loss, **compiled)
    return model


def two(**compiled):
    a, b = Input((3,), name="left"), Input((2,), name="right")
    outputs = [Dense(1, name="number")(a), Dense(3, name="class", activation="softmax")(b)]
    model = Model([a, b], outputs)
    model.compile(SGD(lr=0.0), ["mse", "sparse_categorical_crossentropy"], **compiled)
    return model


X2 = RNG.normal(size=(6, 2)).astype("f4")


def squares(model):
    return ((model.predict(X) - Y) ** 2)[:, 0]


def both(model):
    """The loss of each row of each output."""
    p, q = model.predict([X, X2])
    return ((p - Y) ** 2)[:, 0], -np.log(q[np.arange(6), LABELS])


class Frame:
    """The part of a pandas DataFrame or Series that lamella uses."""

    def __init__(self, values):
        self.values = values
        self.iloc = self
        self.shape = values.shape

    def __len__(self):
        return len(self.values)


class Sparse:
    def __init__(self, values):
        self.filled = values
        self.shape = values.shape

    def toarray(self):
        return self.filled


# x and y -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "x", [X, [X], (X,), X.tolist(), {"out_input": X}, Frame(X), {"out_input": Frame(X)}, Sparse(X), X.astype("f8")]
)
@pytest.mark.parametrize("y", [Y, Y[:, 0], [Y], Y[:, 0].tolist(), {"out": Y}, Frame(Y[:, 0]), {"out": Frame(Y)}])
def test_forms_of_one_input_and_target(x, y):
    model = one()
    wanted = squares(model).mean()
    assert model.fit(x, y, verbose=0).history["loss"] == [pytest.approx(wanted, rel=1e-5)]
    for value in (model.evaluate(x, y, verbose=0), model.train_on_batch(x, y), model.test_on_batch(x, y)):
        assert value == pytest.approx(wanted, rel=1e-5)
    for predicted in (model.predict(x), model.predict_on_batch(x)):
        np.testing.assert_array_equal(predicted, model.predict(X))


@pytest.mark.parametrize("x", [[X, X2], (X, X2), {"right": X2, "left": X}, {"left": Frame(X), "right": Sparse(X2), "more": 0}])
@pytest.mark.parametrize(
    "y", [[Y, LABELS], (Y[:, 0], LABELS[:, None]), {"class": LABELS, "number": Y}, {"class": Frame(LABELS), "number": Frame(Y)}]
)
def test_forms_of_several_inputs_and_targets(x, y):
    model = two()
    first, second = (rows.mean() for rows in both(model))
    for values in (model.evaluate(x, y, verbose=0), model.train_on_batch(x, y), model.test_on_batch(x, y)):
        np.testing.assert_allclose(values, [first + second, first, second], rtol=1e-5)
    history = model.fit(x, y, validation_data=(x, y), verbose=0).history
    assert history["val_class_loss"] == [pytest.approx(second, rel=1e-5)]
    for came, wanted in zip(model.predict(x), model.predict([X, X2])):
        np.testing.assert_array_equal(came, wanted)


def test_a_real_data_frame():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abc"), index=range(6, 0, -1))
    model = one()
    wanted = (squares(model) * [1, 2, 3, 4, 5, 6]).mean()
    weights = pandas.Series(np.arange(1.0, 7.0), index=range(6))
    for x, y in ((frame, pandas.Series(Y[:, 0])), ({"out_input": frame}, {"out": pandas.DataFrame(Y)})):
        assert model.evaluate(x, y, sample_weight=weights, verbose=0) == pytest.approx(wanted, rel=1e-5)


def test_columns_of_several_dtypes():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": X[:, 0], "b": [True, False] * 3, "c": pandas.array([1, 2, 3, 4, 5, 6], dtype="Int64")})
    plain = np.stack([X[:, 0], [1, 0] * 3, [1, 2, 3, 4, 5, 6]], axis=1)
    model = one()
    np.testing.assert_array_equal(model.predict(frame), model.predict(plain))
    labels = pandas.Series([0, 1, 2, 1, 0, 1], dtype="Int64")
    wanted = model.evaluate(X, np.asarray(labels, float), verbose=0)
    assert model.evaluate(X, labels, verbose=0) == wanted


NO_NUMBERS = [
    (["x"] * 6, "got dtype object .*, of which number 0 is 'x'"),
    (["1", "2", "3 m", "1", "2", "3"], "of which number 0 is '1'"),
    ([0.0, None, 1, 2, 3, "b"], "of which number 1 is None"),
    ([1.0, 2.0, 3j, 1.0, 1.0, 1.0], "got dtype complex128"),
    (list(X), r"whose cells are arrays: np.stack\(list\(array\)\) makes an array of numbers"),
    ([[1.0] * (3 + i % 3) for i in range(6)], r"whose cells are arrays of several lengths, \[3, 4, 5\]: pad them to one"),
]  # fmt: skip


@pytest.mark.parametrize("cells, words", NO_NUMBERS)
def test_a_column_that_is_not_numbers_is_named(cells, words):
    pandas = pytest.importorskip("pandas")
    column = pandas.Series(cells, dtype=None if isinstance(cells[2], complex) else object)
    frame = pandas.DataFrame({"a": X[:, 0], "b": column, "c": X[:, 1]})
    model = one()
    before = model.get_weights()
    for call in (model.predict, lambda x: model.fit(x, Y, verbose=0), lambda x: model.evaluate({"out_input": x}, Y)):
        with pytest.raises(TypeError, match=f"^input 'out_input', column 'b': expected numbers .*{words}"):
            call(frame)
        with pytest.raises(TypeError, match=f"^input 'out_input', column 'b': expected numbers .*{words}"):
            call(frame["b"])
    with pytest.raises(TypeError, match=f"^target 'out', column 'b': expected numbers .*{words}"):
        model.fit(X, frame["b"], verbose=0)
    with pytest.raises(TypeError, match=f"^sample_weight, column 'b': expected numbers .*{words}"):
        model.fit(X, Y, sample_weight=frame["b"], verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights()))


def test_columns_of_dates_strings_and_categories_are_named():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abc"))
    model = one()
    colours = pandas.Categorical(["red", "green", "red", "red", "green", "red"])
    for wrong, words in (
        (pandas.date_range("2020", periods=6), "expected numbers that convert to float32, got dtype datetime64"),
        (pandas.Series(["x"] * 6), "of which number 0 is 'x'"),
        (colours, r"got categories such as \['green', 'red'\]; column.cat.codes are numbers"),
    ):
        with pytest.raises(TypeError, match=f"^input 'out_input', column 'b': .*{words}"):
            model.predict(frame.assign(b=wrong))
        with pytest.raises(TypeError, match=f"^target 'out', column 'b': .*{words}"):
            model.evaluate(X, frame.assign(b=wrong)["b"], verbose=0)
    for c in (X[:, 2], [True, False] * 3):  # a missing number is NaN, in inputs and in y
        missing = frame.assign(b=pandas.array([None, 1, 2, 3, 4, 5], dtype="Int64"), c=c)
        assert np.isnan(model.predict(missing)).ravel().tolist() == [True] + [False] * 5
        with pytest.raises(ValueError, match="target 'out': expected finite numbers, got nan at sample 0"):
            model.evaluate(X, missing["b"], verbose=0)
    codes = pandas.Series(colours).cat.codes
    np.testing.assert_array_equal(model.predict(frame.assign(b=codes)), model.predict(np.stack([X[:, 0], codes, X[:, 2]], 1)))
    numbers = pandas.Categorical([3, 1, 3, 3, 1, 3])  # categories that are numbers are used as numbers
    np.testing.assert_array_equal(
        model.predict(frame.assign(b=numbers)), model.predict(np.stack([X[:, 0], [3, 1, 3, 3, 1, 3], X[:, 2]], 1))
    )


def objects(cells):
    array = np.empty(len(cells), object)
    array[:] = cells
    return array


@pytest.mark.parametrize(
    "array, words",
    [
        (objects(list(X)), r"whose cells are arrays: np.stack\(list\(array\)\) makes"),
        (objects([[1.0] * (3 + i % 3) for i in range(6)]), "whose cells are arrays of several lengths"),
        (np.array([[1.0, 2.0, 3.0]] * 5 + [[1.0, 2.0, "b"]], dtype=object), "of which number 17 is 'b'"),
    ],
)
def test_errors_of_object_arrays_say_how_to_convert_them(array, words):
    model = one()
    for call in (model.predict, model.predict_on_batch, lambda x: model.fit(x, Y, verbose=0), model.layers[0]):
        with pytest.raises(TypeError, match=f"got dtype object from an array of shape .*{words}"):
            call(array)
    np.testing.assert_array_equal(model.predict(np.stack(list(objects(list(X))))), model.predict(X))


# As in Keras: df.values of a data frame with floats and booleans is such an array.
def test_arrays_of_objects_that_are_numbers():
    cells = np.array([[1, True, 2.5], [np.float32(2), False, np.int64(3)], [0, 1, np.bool_(True)]], object)
    plain = cells.astype(float)
    model = Sequential([Dense(2, input_shape=(3,), kernel_initializer="ones")])
    model.compile(SGD(lr=0.1), "mse")
    np.testing.assert_array_equal(model.predict(cells), [[4.5, 4.5], [5, 5], [2, 2]])
    assert model.evaluate(cells, np.ones((3, 2), object), verbose=0) == pytest.approx(9.75)
    np.testing.assert_array_equal(model.layers[0](cells), model.predict(plain))
    labels, weights = np.array([0, 1, 1], object), np.array([1, 2.0, True], object)
    losses = []
    for x, y, w in ((cells, labels, weights), (plain, labels.astype(int), weights.astype(float))):
        classes = Sequential([Dense(2, input_shape=(3,), activation="softmax", kernel_initializer="ones")])
        classes.compile(SGD(lr=0.1), "sparse_categorical_crossentropy")
        losses.append(classes.fit(x, y, sample_weight=w, epochs=2, shuffle=False, verbose=0).history["loss"])
    assert losses[0] == losses[1] and losses[0][0] == pytest.approx(np.log(2) * 4 / 3)
    np.testing.assert_array_equal(K.eval(K.variable(cells)), plain)
    with pytest.raises(ValueError, match="expected whole class labels, got 0.5"):
        classes.evaluate(cells, np.array([0, 0.5, 1], object), verbose=0)


def test_numbers_in_a_list_are_one_input():
    model = Sequential([Dense(1, input_shape=(1,), use_bias=False, kernel_initializer="ones")])
    model.compile(SGD(lr=0.0), "mse")
    assert model.fit([1.0, 2.0, 3.0], [2, 2, 2], verbose=0).history["loss"] == [pytest.approx(2 / 3, rel=1e-6)]


@pytest.mark.parametrize(
    "y, text",
    [
        (np.zeros((6, 2)), "Error when checking target: expected number to have shape (1,) but got array with shape (2,)"),
        (np.zeros((6, 1, 1)), "Error when checking target: expected number to have 2 dimensions, but got array with shape (6, 1, 1)"),
        (np.zeros(5), "All target arrays (y) should have the same number of samples. Got array shapes: [(5, 1), (6, 1)]"),
    ],
)  # fmt: skip
def test_targets_of_another_shape(y, text):
    with pytest.raises(ValueError) as raised:
        two().fit([X, X2], [y, LABELS])
    assert str(raised.value) == text


def test_more_errors_of_shapes():
    for x, y, text in [
        (X[:, :2], Y, "Error when checking input: expected out_input to have shape (3,) but got array with shape (2,)"),
        (X[:5], Y, "Input arrays should have the same number of samples as target arrays. Found 5 input samples and 6 target samples."),
        ({"in": X}, Y, 'No data provided for "out_input". Need data for each key in: [\'out_input\']'),
    ]:  # fmt: skip
        with pytest.raises(ValueError) as raised:
            one().fit(x, y)
        assert str(raised.value) == text


def test_a_custom_loss_accepts_targets_of_any_shape():
    model = one(lambda y, p: (p - y[:, 1:]) ** 2)
    targets = np.concatenate([np.full((6, 1), 9.0), Y], axis=1)
    assert model.evaluate(X, targets, verbose=0) == pytest.approx(squares(model).mean(), rel=1e-5)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_targets_that_are_not_finite_raise(bad):
    y = Y.copy()
    y[4] = bad
    for method in (one().fit, one().evaluate, one().train_on_batch):
        with pytest.raises(ValueError, match=f"target 'out': expected finite numbers, got {bad} at sample 4"):
            method(X, y)


# batch_size ----------------------------------------------------------------------------------------------


def fixed():
    inputs = Input(batch_shape=(2, 3))
    model = Model(inputs, Dense(1)(inputs))
    model.compile(SGD(lr=0.0), "mse")
    return model


class Sizes(Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(logs["size"])

    def on_test_batch_end(self, batch, logs=None):
        self.seen.append(logs["size"])

    def on_predict_batch_end(self, batch, logs=None):
        self.seen.append(batch)


def test_a_fixed_batch_size_is_used_and_required_by_fit():
    model, sizes = fixed(), Sizes()
    model.fit(X, Y, verbose=0, callbacks=[sizes])
    model.evaluate(X, Y, verbose=0, callbacks=[sizes], batch_size=2)
    model.predict(X, callbacks=[sizes])
    assert sizes.seen == [2] * 6 + [0, 1, 2]
    text = "The `batch_size` argument value 3 is incompatible with the specified batch size of your Input Layer: 2"
    with pytest.raises(ValueError) as raised:
        model.fit(X, Y, batch_size=3)
    assert str(raised.value) == text


def test_a_fixed_batch_size_is_free_without_training_and_states():
    """As in the real Keras 2.2.5, run side by side."""
    model, sizes = fixed(), Sizes()
    wanted = model.predict(X), model.evaluate(X, Y, verbose=0)
    np.testing.assert_array_equal(model.predict(X, batch_size=4, callbacks=[sizes]), wanted[0])
    assert model.evaluate(X, Y, batch_size=4, verbose=0, callbacks=[sizes]) == pytest.approx(wanted[1], rel=1e-6)
    assert sizes.seen == [0, 1, 4, 2]
    stateful = Sequential([LSTM(1, stateful=True, batch_input_shape=(2, 3, 1))])
    with pytest.raises(ValueError, match="`batch_size` argument value 3 is incompatible with the specified batch size"):
        stateful.predict(np.ones((6, 3, 1)), batch_size=3)


@pytest.mark.parametrize(
    "size, error", [(0, ValueError), (-1, ValueError), (2.0, TypeError), ("2", TypeError), (True, TypeError)]
)
def test_batch_sizes_that_are_refused(size, error):
    model = one()
    for method, arguments in ((model.fit, (X, Y)), (model.evaluate, (X, Y)), (model.predict, (X,))):
        with pytest.raises(error, match="expected batch_size to be"):
            method(*arguments, batch_size=size)


class Remembers(Layer):
    stateful = True


def test_a_stateful_model_accepts_only_full_batches():
    model = Sequential([Remembers(input_shape=(3,)), Dense(1)])
    model.compile(SGD(lr=0.0), "mse")
    assert model.stateful and not one().stateful
    text = "In a stateful network, you should only pass inputs with a number of samples that can be divided by the batch size. Found: 6 samples"
    for method in (model.fit, model.evaluate):
        with pytest.raises(ValueError) as raised:
            method(X, Y, batch_size=4)
        assert str(raised.value) == text
    with pytest.raises(ValueError) as raised:
        model.predict(X, batch_size=4)
    assert str(raised.value) == f"{text}. Batch size: 4."
    assert len(model.predict(X, batch_size=8)) == len(model.predict(X, batch_size=3)) == 6  # one batch, or only full batches
    model.fit(X, Y, batch_size=3, verbose=0)


# Steps ---------------------------------------------------------------------------------------------------


def test_with_steps_each_step_takes_the_whole_arrays():
    model, sizes = one(), Sizes()
    model.fit(X, Y, steps_per_epoch=3, epochs=2, verbose=0, callbacks=[sizes])
    assert sizes.seen == [6] * 6
    wanted = squares(model).mean()
    assert model.evaluate(X, Y, steps=2, verbose=0) == pytest.approx(wanted, rel=1e-5)
    np.testing.assert_array_equal(model.predict(X, steps=2), np.concatenate([model.predict(X)] * 2))
    history = model.fit(X, Y, steps_per_epoch=1, validation_data=(X, Y), validation_steps=2, verbose=0).history
    assert history["val_loss"] == [pytest.approx(wanted, rel=1e-5)]


@pytest.mark.parametrize(
    "arguments, text",
    [
        ({"steps_per_epoch": 2, "batch_size": 2}, "If steps_per_epoch is set, the `batch_size` must be None."),
        ({"validation_steps": 2, "validation_data": (X, Y)}, "Can only use `validation_steps` when doing step-wise training, i.e. `steps_per_epoch` must be set."),
        ({"steps_per_epoch": 2, "validation_data": (X, Y)}, "Must specify `validation_steps` to perform validation when doing step-wise training."),
        ({"steps_per_epoch": 2, "validation_steps": 2}, "validation_steps=2 needs validation_data or validation_split"),
        ({"steps_per_epoch": 0}, "expected steps_per_epoch to be at least 1, got 0"),
        ({"steps_per_epoch": 1, "validation_steps": 0, "validation_data": (X, Y)}, "expected validation_steps to be at least 1, got 0"),
    ],
)  # fmt: skip
def test_steps_of_fit_that_are_refused(arguments, text):
    with pytest.raises(ValueError) as raised:
        one().fit(X, Y, **arguments)
    assert str(raised.value) == text


def test_steps_of_evaluate_and_predict_that_are_refused():
    model = one()
    for method, arguments in ((model.evaluate, (X, Y)), (model.predict, (X,))):
        with pytest.raises(ValueError, match="^If steps is set, the `batch_size` must be None.$"):
            method(*arguments, steps=2, batch_size=2)
        with pytest.raises(ValueError, match="expected steps to be at least 1, got 0"):
            method(*arguments, steps=0)


# Weights -------------------------------------------------------------------------------------------------

WEIGHTS = np.array([0.5, 0.0, 2.0, 0.0, 4.0, 1.0])


@pytest.mark.parametrize(
    "weights", [WEIGHTS, WEIGHTS[:, None], WEIGHTS.tolist(), tuple(WEIGHTS), [WEIGHTS], {"out": WEIGHTS}, Frame(WEIGHTS)]
)
def test_forms_of_sample_weight(weights):
    model = one()
    wanted = (squares(model) * WEIGHTS).sum() / 4
    for value in (
        model.fit(X, Y, sample_weight=weights, verbose=0).history["loss"][0], model.evaluate(X, Y, sample_weight=weights, verbose=0),
        model.train_on_batch(X, Y, sample_weight=weights), model.test_on_batch(X, Y, sample_weight=weights),
    ):  # fmt: skip
        assert value == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("form", [lambda w: [w, None], lambda w: {"number": w}, lambda w: {"number": w, "class": None}])
def test_sample_weight_of_several_outputs(form):
    model = two()
    first, second = both(model)
    wanted = [(first * WEIGHTS).sum() / 4, second.mean()]
    values = model.evaluate([X, X2], [Y, LABELS], sample_weight=form(WEIGHTS), verbose=0)
    np.testing.assert_allclose(values, [sum(wanted), *wanted], rtol=1e-5)


BY_CLASS = {0: 1.0, 1: 0.5, 2: 4.0}


@pytest.mark.parametrize("form", [[None, BY_CLASS], {"class": BY_CLASS}])
def test_class_weight_of_several_outputs(form):
    model = two()
    first, second = both(model)
    by_class = np.array([BY_CLASS[c] for c in LABELS])
    wanted = [first.mean(), (second * by_class).mean()]
    values = model.train_on_batch([X, X2], [Y, LABELS], class_weight=form)
    np.testing.assert_allclose(values, [sum(wanted), *wanted], rtol=1e-5)
    # Both weights are multiplied, only for that output.
    values = model.train_on_batch([X, X2], [Y, LABELS], class_weight=form, sample_weight={"class": WEIGHTS})
    assert values[2] == pytest.approx((second * by_class * WEIGHTS).sum() / 4, rel=1e-5)
    assert values[1] == pytest.approx(first.mean(), rel=1e-5)


def test_class_weight_by_the_one_outputs_name():
    model = Sequential([Dense(3, activation="softmax", input_shape=(3,), name="out")])
    model.compile(SGD(lr=0.0), "sparse_categorical_crossentropy")
    losses = [model.train_on_batch(X, LABELS, class_weight=form) for form in (BY_CLASS, {"out": BY_CLASS}, [BY_CLASS])]
    assert losses[0] == losses[1] == losses[2]


@pytest.mark.parametrize(
    "arguments, error, text",
    [
        ({"class_weight": "auto"}, TypeError, "The model has multiple outputs, so `class_weight` should be either a list or a dict. Provided `class_weight` type not understood: str"),
        ({"class_weight": np.ones(3)}, TypeError, "The model has multiple outputs, so `class_weight` should be either a list or a dict. Provided `class_weight` type not understood: ndarray"),
        ({"class_weight": {"class": "even"}}, TypeError, "expected class_weight to be a dict of class -> weight, a list or array of weights, or 'balanced', got 'even'"),
        ({"class_weight": BY_CLASS}, ValueError, "`class_weight` names outputs that the model does not have: [0, 1, 2]. Its outputs: ['number', 'class']"),
        ({"class_weight": [BY_CLASS]}, ValueError, "Provided `class_weight` was a list of 1 elements, but the model has 2 outputs. You should provide one `class_weight` array per model output."),
        ({"class_weight": {"class": {0: 1.0, 1: 1.0}}}, ValueError, "`class_weight` must contain all classes in the data. The classes {2} exist in the data but not in `class_weight`."),
        ({"class_weight": {"class": {0: "a", 1: 1, 2: 1}}}, TypeError, "class_weight: expected numbers that convert to float32, got dtype <U21 from list"),
        ({"sample_weight": (WEIGHTS, WEIGHTS)}, TypeError, "The model has multiple outputs, so `sample_weight` should be either a list or a dict. Provided `sample_weight` type not understood: tuple"),
        ({"sample_weight": [WEIGHTS[:5], None]}, ValueError, "Found a sample_weight array with shape (5,) for an input with shape (6, 1). sample_weight cannot be broadcast."),
        ({"sample_weight": {"class": np.ones((6, 2))}}, ValueError, 'Found a sample_weight array with shape (6, 2). In order to use timestep-wise sample weights, you should specify sample_weight_mode="temporal" in compile(). If you just mean to use sample-wise weights, make sure your sample_weight array is 1D.'),
        ({"sample_weight": [WEIGHTS * np.nan, None]}, ValueError, "sample_weight: expected finite numbers, got NaN or infinity"),
    ],
)  # fmt: skip
def test_weights_that_are_refused(arguments, error, text):
    model = two()
    for method in (model.fit, model.train_on_batch):
        with pytest.raises(error) as raised:
            method([X, X2], [Y, LABELS], **arguments)
        assert str(raised.value) == text


SEVERAL = [
    [[1, 1, 0], [0, 1, 0]], [[0, 1, 0], [0, 0, 0]], [[0, 1, 0], [1, 1, 1]], [[1, 0, 0], [0.9, 0.8, 0.1]],
    [[0.5, 0.5, 0], [0, 1, 0]], [[-1, 1, 1], [1, -1, -1]], [[1.2, -0.2, 0.3], [0.1, 0.2, 0.3]],
]  # fmt: skip


@pytest.mark.parametrize("labels", SEVERAL)
def test_class_weight_with_several_labels_per_sample_raises(labels):
    model = Sequential([Dense(3, activation="sigmoid", input_shape=(3,))])
    model.compile(SGD(lr=0.1), "mse")
    x, y = np.tile(X[:2], (2, 1)), np.tile(np.array(labels), (2, 1))
    first = next(i for i, row in enumerate(labels) if sorted(row)[-1] == sorted(row)[-2] or sum(row) != 1)
    before = model.get_weights()
    calls = [
        lambda: model.train_on_batch(x, y, class_weight=BY_CLASS),
        lambda: model.fit(x, y, class_weight=BY_CLASS, verbose=0),
        lambda: model.fit_generator(iter([(x, y)]), 1, class_weight=BY_CLASS, verbose=0),
    ]
    for call in calls:
        with pytest.raises(
            ValueError, match=f"`class_weight` needs one class per sample, .* of sample {first} is .*sample_weight"
        ):
            call()
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights()))


@pytest.mark.parametrize("rows", [
    np.eye(3)[LABELS], 2 * np.eye(3)[LABELS] - 1, 0.85 * np.eye(3, dtype="f4")[LABELS] + np.float32(0.05), np.eye(3, dtype=bool)[LABELS],
])  # fmt: skip
def test_class_weight_of_signed_and_smoothed_rows(rows):
    model = Sequential([Dense(3, activation="softmax", input_shape=(3,))])
    model.compile(SGD(lr=0.0), "mse")
    each = ((model.predict(X) - rows) ** 2).mean(axis=1)
    wanted = (each * [BY_CLASS[c] for c in LABELS]).mean()
    assert model.train_on_batch(X, rows, class_weight=BY_CLASS) == pytest.approx(wanted, rel=1e-5)


def test_the_loss_that_the_error_recommends_weights_each_label():
    weights = np.array([1.0, 5.0, 1.0], "f4")
    y = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 0]], "f4")
    model = Sequential([Dense(3, activation="sigmoid", input_shape=(3,))])
    model.compile(SGD(lr=0.0), lambda y, p: K.mean(K.binary_crossentropy(y, p) * weights, axis=-1))
    p = model.predict(X[:3]).astype(float)
    wanted = (-(y * np.log(p) + (1 - y) * np.log(1 - p)) * weights).mean()
    assert model.train_on_batch(X[:3], y) == pytest.approx(wanted, rel=1e-5)


def test_class_weight_of_images_is_refused():
    inputs = Input((4, 3))
    model = Model(inputs, Dense(3, activation="softmax")(inputs))
    model.compile("sgd", "categorical_crossentropy")
    with pytest.raises(ValueError, match="^`class_weight` not supported for 3\\+ dimensional targets.$"):
        model.fit(np.zeros((2, 4, 3)), np.zeros((2, 4, 3)), class_weight=BY_CLASS)


# Validation ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data, count", [((X,), 1), ((X, Y, WEIGHTS, Y), 4), ([], 0)])
def test_validation_data_of_another_length(data, count):
    with pytest.raises(ValueError) as raised:
        one().fit(X, Y, validation_data=data)
    assert str(raised.value) == (
        "When passing validation_data, it must contain 2 (x_val, y_val) or 3 (x_val, y_val, val_sample_weights) items, "
        f"however it contains {count} items"
    )


@pytest.mark.parametrize("data", [{"x": X, "y": Y}, X, 3, "xy"])
def test_validation_data_that_is_not_a_tuple_raises(data):
    with pytest.raises(ValueError, match="^When passing validation_data, it must contain 2"):
        one().fit(X, Y, validation_data=data)


@pytest.mark.parametrize(
    "freq, epochs",
    [
        (1, [1, 2, 3, 4]),
        (3, [3]),
        ([2, 4], [2, 4]),
        ((1,), [1]),
        ({3, 9}, [3]),
        (range(2, 4), [2, 3]),
        (np.array([4]), [4]),
        ([], []),
    ],
)
def test_forms_of_validation_freq(freq, epochs):
    seen = []

    class Spy(Callback):
        def on_epoch_end(self, epoch, logs=None):
            if "val_loss" in logs:
                seen.append(epoch + 1)

    one().fit(X, Y, epochs=4, validation_data=(X, Y), validation_freq=freq, verbose=0, callbacks=[Spy()])
    assert seen == epochs


@pytest.mark.parametrize(
    "freq, error",
    [(0, ValueError), (-2, ValueError), ("12", TypeError), (1.5, TypeError), (None, TypeError), (True, TypeError)],
)
def test_validation_freqs_that_are_refused(freq, error):
    with pytest.raises(error, match="validation_freq"):
        one().fit(X, Y, validation_data=(X, Y), validation_freq=freq)


# callbacks, epochs, verbose, names of Keras 1 -------------------------------------------------------------


@pytest.mark.parametrize(
    "callbacks, shown", [(EarlyStopping(), "EarlyStopping"), ("abc", "str"), ([Callback(), 3], "3"), ([EarlyStopping], "class")]
)
def test_callbacks_that_are_refused(callbacks, shown):
    model = one()
    for method, arguments in ((model.fit, (X, Y)), (model.evaluate, (X, Y)), (model.predict, (X,))):
        with pytest.raises(TypeError, match=f"callbacks: expected a list of callbacks, got .*{shown}"):
            method(*arguments, callbacks=callbacks)


def test_a_tuple_of_callbacks_is_accepted():
    sizes = Sizes()
    one().fit(X, Y, callbacks=(sizes,), verbose=0)
    assert sizes.seen == [6]


@pytest.mark.parametrize("epochs", [1.0, "2", None, True])
def test_epochs_that_are_not_integers_raise(epochs):
    for name in ("epochs", "initial_epoch"):
        with pytest.raises(TypeError, match=f"expected {name} to be an integer, got {epochs!r}"):
            one().fit(X, Y, **{name: epochs})


def test_names_of_keras_1():
    with pytest.warns(UserWarning) as caught:
        history = one().fit(X, Y, nb_epoch=3, verbose=0)
    assert [str(w.message) for w in caught] == ["The `nb_epoch` argument in `fit` has been renamed `epochs`."]
    assert caught[0].filename == __file__ and len(history.epoch) == 3
    with pytest.raises(TypeError, match="Unrecognized keyword arguments: {'nb_worker': 2}"):
        one().fit(X, Y, nb_worker=2)
    inputs = Input((3,))
    with pytest.warns(UserWarning, match=r"Update your `Model` call to the Keras 2 API: `Model\(inputs=.*, outputs=.*\)`"):
        model = Model(input=inputs, output=Dense(2)(inputs))
    assert model.predict(X).shape == (6, 2)


def test_what_is_printed_before_training(capsys):
    one().fit(X, Y, validation_data=(X[:2], Y[:2]), verbose=2)
    assert capsys.readouterr().out.startswith("Train on 6 samples, validate on 2 samples\n")
    one().fit(X, Y, verbose=0)
    assert capsys.readouterr().out == ""


# One batch, classes and probabilities -----------------------------------------------------------------------


def test_methods_before_compile():
    model = Sequential([Dense(1, input_shape=(3,))])
    for method, arguments in [
        (model.fit, (X, Y)), (model.evaluate, (X, Y)), (model.train_on_batch, (X, Y)), (model.test_on_batch, (X, Y)),
    ]:  # fmt: skip
        with pytest.raises(RuntimeError, match="^You must compile your model before using it.$"):
            method(*arguments)
    assert model.predict(X).shape == model.predict_on_batch(X).shape == (6, 1)


def test_classes_and_probabilities():
    many = Sequential([Dense(3, activation="softmax", input_shape=(3,))])
    np.testing.assert_array_equal(many.predict_classes(X), many.predict(X).argmax(axis=1))
    np.testing.assert_array_equal(many.predict_proba(X, batch_size=4), many.predict(X))
    single = Sequential([Dense(1, activation="sigmoid", input_shape=(3,))])
    classes = single.predict_classes(X, 4, 0)
    assert classes.shape == (6, 1) and classes.dtype == np.int32
    np.testing.assert_array_equal(classes, single.predict(X) > 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        single.predict_proba(X)
        one().predict_classes(X)
    with pytest.warns(UserWarning) as caught:
        one().predict_proba(100 * X)
    assert [str(w.message) for w in caught] == [
        "Network returning invalid probability values. The last layer might not normalize predictions into probabilities "
        "(like softmax or sigmoid would)."
    ]
    assert caught[0].filename == __file__


# Messages that were unclear -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["momentum", "epsilon"])
@pytest.mark.parametrize("value, error", [("a", TypeError), (None, TypeError), ([0.5], TypeError), (float("nan"), ValueError)])
def test_batch_normalization_refuses_values_that_are_not_numbers(name, value, error):
    with pytest.raises(error) as raised:
        BatchNormalization(**{name: value})
    assert str(raised.value) == f"Layer batch_normalization_1, {name}: expected a finite number, got {value!r}"


CALLS = [
    lambda m, v: m.fit(X, Y, verbose=v), lambda m, v: m.evaluate(X, Y, verbose=v), lambda m, v: m.predict(X, verbose=v),
    lambda m, v: m.fit_generator(iter([(X, Y)]), 1, verbose=v), lambda m, v: m.evaluate_generator(iter([(X, Y)]), 1, verbose=v),
    lambda m, v: m.predict_generator(iter([X]), 1, verbose=v), lambda m, v: m.fit(iter([(X, Y)]), steps_per_epoch=1, verbose=v),
    lambda m, v: m.evaluate(iter([(X, Y)]), steps=1, verbose=v), lambda m, v: m.predict(iter([X]), steps=1, verbose=v),
]  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_verbose_is_0_1_2_or_auto(call, capsys):
    model = one()
    before = model.get_weights()
    for wrong in (3, -1, 1.0, "1", None, "yes", [1]):
        with pytest.raises(ValueError, match='^expected verbose to be 0, 1, 2 or "auto", got '):
            call(model, wrong)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights())) and capsys.readouterr().out == ""
    lines = {}
    for verbose in (0, False, 1, True, "auto", np.int64(1)):
        call(model, verbose)
        lines[repr(verbose)] = capsys.readouterr().out.count("/step")
    assert list(lines.values()) == [0, 0, 1, 1, 1, 1]


def test_callbacks_get_verbose_as_a_number():
    seen = []
    spy = Callback()
    spy.on_train_begin = lambda logs=None: seen.append(spy.params["verbose"])
    one().fit(X, Y, verbose="auto", callbacks=[spy])
    one().fit(X, Y, verbose=True, callbacks=[spy])
    assert seen == [1, 1] and {type(v) for v in seen} == {int}


@pytest.mark.parametrize("shuffle", ["rows", "yes", None, 2, np.ones(2)])
def test_an_unknown_shuffle_raises_for_all_kinds_of_data(shuffle):
    model = one()
    for call in (
        lambda: model.fit(X, Y, shuffle=shuffle, verbose=0), lambda: model.fit(X, Y, steps_per_epoch=1, shuffle=shuffle, verbose=0),
        lambda: model.fit(iter([(X, Y)]), steps_per_epoch=1, shuffle=shuffle, verbose=0),
        lambda: model.fit_generator(iter([(X, Y)]), 1, shuffle=shuffle, verbose=0),
    ):  # fmt: skip
        with pytest.raises(ValueError, match='^expected shuffle to be True, False or "batch", got'):
            call()


def test_callbacks_know_the_samples_of_arrays_that_each_step_uses_whole():
    seen = []
    spy = Callback()
    spy.on_train_begin = spy.on_test_begin = spy.on_predict_begin = lambda logs=None: seen.append(dict(spy.params))
    one().fit(X, Y, steps_per_epoch=2, verbose=0, callbacks=[spy])
    one().evaluate(X, Y, steps=2, verbose=0, callbacks=[spy])
    one().predict(X, steps=3, callbacks=[spy])
    assert [p["samples"] for p in seen] == [6, 6, 6] and [p["steps"] for p in seen] == [2, 2, 3]
    assert [p["batch_size"] for p in seen] == [None, None, None]
