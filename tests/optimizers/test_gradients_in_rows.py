"""The gradient of an Embedding as rows: the bits are those of whole arrays, and only the rows of a batch are computed."""

import copy

import numpy as np
import pytest

from lamella import ops
from lamella import optimizers as rules
from lamella.constraints import MaxNorm
from lamella.core.rows_gradient import RowsGradient
from lamella.core.variable import Variable
from lamella.layers import Dense, Embedding, Flatten, Input, add
from lamella.models import Model, Sequential
from lamella.ops.tape import Tape

ROWS, COLUMNS = 50, 7

SPARSE = {
    "sgd": lambda: rules.SGD(0.1),
    "sgd with decay": lambda: rules.SGD(0.1, decay=0.5),
    "sgd clipped by value": lambda: rules.SGD(0.1, clipvalue=0.25),
    "adagrad": lambda: rules.Adagrad(0.1),
    "adagrad clipped by value": lambda: rules.Adagrad(0.1, clipvalue=0.25),
}
DENSE = {
    "sgd of rate -1": lambda: rules.SGD(-1.0),
    "sgd of an endless rate": lambda: rules.SGD(1e39),
    "sgd with momentum": lambda: rules.SGD(0.1, momentum=0.9),
    "sgd clipped by norm": lambda: rules.SGD(0.1, clipnorm=0.5),
    "sgd clipped by each norm": lambda: rules.SGD(0.1, clipnorm_per_tensor=0.5),
    "sgd that accumulates": lambda: rules.SGD(0.1, gradient_accumulation_steps=2),
    "adagrad without epsilon": lambda: rules.Adagrad(0.1, epsilon=0.0),
    "rmsprop": lambda: rules.RMSprop(),
    "rmsprop with momentum": lambda: rules.RMSprop(momentum=0.5, centered=True),
    "ftrl": lambda: rules.Ftrl(0.1),
    "adadelta": lambda: rules.Adadelta(),
    "adam": lambda: rules.Adam(),
    "adamw": lambda: rules.AdamW(),
    "adamax": lambda: rules.Adamax(),
    "nadam": lambda: rules.Nadam(),
}
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def drawn(seed, dtype):
    """The gradient of a table, in one or two parts, and the gradient of an ordinary array."""
    rng = np.random.default_rng(seed)
    parts = []
    for count in (9, 5)[: 1 + seed % 2]:
        dy = rng.normal(size=(count, COLUMNS)).astype(dtype)
        dy[0] = 0  # a row that was taken may have gradient 0
        dy[1, 0] = -0.0
        parts.append((rng.integers(0, ROWS, count), dy))
    return RowsGradient((ROWS, COLUMNS), parts), rng.normal(size=(3,)).astype(dtype)


@pytest.mark.parametrize("rows", [9, 500, 5000])  # many rows are sorted, few are marked
def test_rows_that_were_taken_are_ascending_and_summed_in_order(rows):
    rng = np.random.default_rng(rows)
    indices = [rng.integers(0, rows, n) for n in (20, 11)]
    dys = [rng.integers(-9, 9, (len(i), 2, 3)).astype("float32") for i in indices]
    gradient = RowsGradient((rows, 2, 3), [(i, dy.reshape(-1, 6)) for i, dy in zip(indices, dys)])
    wanted = np.zeros((rows, 2, 3), "float32")
    for i, dy in zip(indices, dys):
        np.add.at(wanted, i, dy)
    taken, sums = gradient.touched()
    np.testing.assert_array_equal(taken, np.unique(np.concatenate(indices)))
    np.testing.assert_array_equal(sums, wanted[taken])
    np.testing.assert_array_equal(gradient.dense(), wanted)


def start(dtype):
    rng = np.random.default_rng(99)
    table = rng.normal(size=(ROWS, COLUMNS)).astype(dtype)
    table[:, 1], table[:, 2] = 0.0, -0.0
    return [table, rng.normal(size=3).astype(dtype)]


def bits(arrays):
    return [np.asarray(a).tobytes() for a in arrays]


@dtypes
def test_a_gradient_in_rows_is_the_sum_of_its_rows(dtype):
    for seed in range(6):
        gradient, _ = drawn(seed, dtype)
        wanted = 0
        for indices, dy in gradient.parts:
            part = np.zeros((ROWS, COLUMNS), dtype)
            for row, each in zip(indices, dy):
                part[row] += each
            wanted = part + wanted
        np.testing.assert_array_equal(gradient.dense(), wanted)
        indices, rows = gradient.touched()
        assert indices.tolist() == sorted({int(i) for part, _ in gradient.parts for i in part})
        assert rows.tobytes() == gradient.dense()[indices].tobytes()
        assert gradient.shape == (ROWS, COLUMNS) and gradient.dtype == np.dtype(dtype)


@dtypes
def test_sums_with_gradients_in_rows_have_the_bits_of_whole_arrays(dtype):
    one, two = drawn(0, dtype)[0], drawn(2, dtype)[0]
    whole = np.random.default_rng(5).normal(size=(ROWS, COLUMNS)).astype(dtype)
    whole[0] = -0.0
    assert isinstance(one + two, RowsGradient) and len((one + two).parts) == 2
    for found, wanted in [
        ((one + two).dense(), one.dense() + two.dense()),
        (one + whole, one.dense() + whole),
        (whole + one, whole + one.dense()),
    ]:
        assert type(found) is np.ndarray and found.tobytes() == wanted.tobytes()


@dtypes
@pytest.mark.parametrize("name", [*SPARSE, *DENSE])
def test_each_rule_steps_to_the_bits_of_the_whole_gradient(name, dtype):
    make = (SPARSE | DENSE)[name]
    by_rows, by_array = make(), make()
    one, other = start(dtype), start(dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for seed in range(5):
            rows, plain = drawn(seed, dtype)
            assert by_rows.step(one, [rows, plain]) == by_array.step(other, [rows.dense(), plain])
            assert bits(one) == bits(other), seed
            if seed % 2:
                assert bits(by_rows.get_weights()) == bits(by_array.get_weights())
    assert by_rows.get_state().keys() == by_array.get_state().keys()
    assert bits(by_rows.get_state().values()) == bits(by_array.get_state().values())


@pytest.mark.parametrize("name", [*SPARSE, *DENSE])
def test_only_rules_that_skip_zeros_step_on_rows(name, monkeypatch):
    made = []
    whole = RowsGradient.dense
    monkeypatch.setattr(RowsGradient, "dense", lambda self: made.append(self) or whole(self))
    params = start("float32")
    with np.errstate(over="ignore", invalid="ignore"):
        (SPARSE | DENSE)[name]().step(params, [drawn(0, "float32")[0], drawn(0, "float32")[1]])
    assert bool(made) == (name in DENSE)


def test_moments_of_sgd_can_be_read_after_a_step_on_rows_and_a_copy():
    params, optimizer = start("float32"), rules.SGD(0.5)
    rows, plain = drawn(3, "float32")
    optimizer.step(params, [rows, plain])
    for each in (copy.deepcopy(optimizer), optimizer):
        np.testing.assert_array_equal(each.get_weights()[1], -0.5 * rows.dense())


def test_a_custom_rule_gets_whole_arrays():
    seen = []

    class Calls(rules.SGD):
        def calls(self, params, grads, iterations, bounds):
            seen.extend(grads)
            return super().calls(params, grads, iterations, bounds)

    class Update(rules.Adagrad):
        def update(self, params, grads, iterations, bounds):
            for p, g in zip(params, self.read(grads, bounds)):
                p -= g
            seen.extend(grads)

    class Step(rules.SGD):
        def step(self, params, grads):
            seen.extend(grads)
            return super().step(params, [np.sign(g) for g in grads])

    for cls in (Calls, Update, Step):
        model = embedding_model()
        model.compile(cls(0.1), "mse")
        model.train_on_batch(np.array([[1, 2], [1, 3]]), np.ones((2, 1)))
    assert len(seen) == 9 and all(type(g) is np.ndarray for g in seen)


def embedding_model(**arguments):
    model = Sequential([Embedding(ROWS, COLUMNS, input_length=2, **arguments), Flatten(), Dense(1)])
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    return model


def shared_table():
    x, z = Input((2,)), Input((2,))
    table = Embedding(ROWS, COLUMNS)
    return Model([x, z], Dense(1)(Flatten()(add([table(x), table(z)]))))


@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "adam"])
@pytest.mark.parametrize(
    "make",
    [
        embedding_model,
        lambda: embedding_model(embeddings_regularizer="l2"),
        lambda: embedding_model(embeddings_constraint=MaxNorm(0.5)),
        shared_table,
    ],
    ids=["plain", "regularized", "constrained", "shared"],
)
def test_fit_gives_the_weights_of_whole_gradients(make, optimizer, monkeypatch):
    rng = np.random.default_rng(4)
    x, y = rng.integers(0, ROWS, (12, 2)), rng.normal(size=(12, 1))
    trained = []
    for in_rows in (True, False):
        model = make()
        model.set_weights([np.random.default_rng(6).normal(size=w.shape) for w in model.get_weights()])
        model.compile(optimizer, "mse")
        if not in_rows:
            tape_gradients = Tape.gradients
            monkeypatch.setattr(Tape, "gradients", lambda self, loss, in_rows=False: tape_gradients(self, loss))
        model.fit([x] * len(model.inputs), y, batch_size=4, epochs=2, shuffle=False, verbose=0)
        trained.append(bits(model.get_weights() + model.optimizer.get_weights()))
    assert trained[0] == trained[1]


def test_a_step_on_rows_does_not_change_other_rows():
    model = embedding_model()
    model.compile(rules.Adagrad(0.1), "mse")
    table = model.layers[0].embeddings.value
    before = table.copy()
    model.train_on_batch(np.array([[1, 2], [1, 3]]), np.ones((2, 1)))
    moved = (table != before).any(axis=1)
    assert moved.nonzero()[0].tolist() == [1, 2, 3]


def test_the_tape_gives_rows_only_on_request_and_if_they_are_few():
    table = Variable(np.random.default_rng(0).normal(size=(6, 2)))
    for count, in_rows, kind in [(5, True, RowsGradient), (5, False, np.ndarray), (6, True, np.ndarray)]:
        tape = Tape([table])
        with tape:
            loss = ops.sum(ops.multiply(ops.take(table, indices=np.arange(count) % 4), 2.0))
        (found,) = tape.gradients(loss, in_rows=in_rows)
        assert type(found) is kind
        whole = found.dense() if in_rows and kind is RowsGradient else found
        np.testing.assert_array_equal(whole[:, 0], 2.0 * np.bincount(np.arange(count) % 4, minlength=6))


def test_a_computed_table_gets_its_gradient_as_an_array():
    """Only Variables get gradients in rows. A computed table passes its gradient on as an array."""
    weight = Variable(np.random.default_rng(0).normal(size=(6, 2)))
    tape = Tape([weight])
    with tape:
        loss = ops.sum(ops.take(ops.multiply(weight, 3.0), indices=np.array([4, 4])))
    (found,) = tape.gradients(loss, in_rows=True)
    assert type(found) is np.ndarray and found[4].tolist() == [6.0, 6.0] and found[:4].tolist() == [[0.0, 0.0]] * 4
