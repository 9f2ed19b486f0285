"""Training on data that is read in batches gives the same bits as on data in memory, with bounded memory; validation batches."""

import subprocess
import sys

import numpy as np
import pytest

from lamella.callbacks import Callback, TensorBoard
from lamella.layers import Concatenate, Dense, Input
from lamella.models import Model, Sequential
from lamella.optimizers import SGD
from lamella.utils import HDF5Matrix, Sequence, set_random_seed

h5py = pytest.importorskip("h5py")
RNG = np.random.default_rng(0)
X = RNG.integers(0, 5, (50, 6)).astype("u1") * (RNG.random((50, 6)) < 0.5)
Y = RNG.integers(0, 3, 50)
W = RNG.random(50)


class Csr:
    """The part of a sparse matrix of SciPy that lamella uses."""

    def __init__(self, filled):
        self.filled, self.shape, self.dtype, self.most = filled, filled.shape, filled.dtype, [0]

    def tocsr(self):
        return self

    def __getitem__(self, rows):
        part = Csr(self.filled[rows])
        part.most = self.most
        return part

    def toarray(self):
        self.most[0] = max(self.most[0], len(self.filled))
        return self.filled


def mapped(path, array):
    array.tofile(path)
    return np.memmap(path, array.dtype, "r", shape=array.shape)


def stored(path, array):
    with h5py.File(path, "w") as file:
        file.create_dataset("d", data=array, chunks=(7, *array.shape[1:]))
    return path


def sparse(path, array):
    scipy_sparse = pytest.importorskip("scipy.sparse")
    return scipy_sparse.csc_matrix(array) if array.ndim == 2 else array


KINDS = {
    "memmap": mapped,
    "asarray": lambda path, array: np.asarray(mapped(path, array)),
    "h5py": lambda path, array: h5py.File(stored(path, array))["d"],
    "matrix": lambda path, array: HDF5Matrix(stored(path, array), "d"),
    "csr": lambda path, array: Csr(array) if array.ndim == 2 else array,
    "scipy": sparse,
}


@pytest.fixture(params=KINDS)
def on_disk(request, tmp_path):
    """Arrays in another form."""
    numbers = iter(range(99))
    return lambda array: KINDS[request.param](str(tmp_path / f"{next(numbers)}"), array)


def classes():
    set_random_seed(2)
    model = Sequential([Dense(4, activation="relu", input_shape=(6,)), Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["acc"])
    return model


def assert_same(make, fit, there, here):
    a = make()
    logs = fit(a, *there).history
    b = make()  # made after the first fit, because the seed of shuffling is drawn at the first fit
    assert logs == fit(b, *here).history
    assert all(np.array_equal(v, w) for v, w in zip(a.get_weights(), b.get_weights()))
    return a


FITS = [
    dict(shuffle=True), dict(shuffle=False), dict(shuffle="batch"), dict(validation_split=0.3),
    dict(class_weight={0: 1.0, 1: 2.0, 2: 0.5}), dict(class_weight={0: 1.0, 1: 2.0, 2: 0.5}, validation_split=0.3),
    dict(batch_size=None, steps_per_epoch=2),
]  # fmt: skip


@pytest.mark.parametrize("arguments", FITS, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_fit_evaluate_and_predict(on_disk, arguments, weighted):
    def fit(model, x, y, w):
        given = {"batch_size": 8, **arguments}
        return model.fit(x, y, epochs=2, sample_weight=w if weighted else None, validation_data=None, verbose=0, **given)

    x, y, w = on_disk(X), on_disk(Y), on_disk(W)
    model = assert_same(classes, fit, (x, y, w), (X, Y, W))
    assert model.evaluate(x, y, sample_weight=w, verbose=0) == model.evaluate(X, Y, sample_weight=W, verbose=0)
    assert np.array_equal(model.predict(x, batch_size=8), model.predict(X, batch_size=8))


def test_single_batches_and_validation_data(on_disk):
    x, y, w = on_disk(X), on_disk(Y), on_disk(W)
    model, other = classes(), classes()
    assert model.train_on_batch(x, y, w) == other.train_on_batch(X, Y, W)
    assert model.test_on_batch(x, y, w) == other.test_on_batch(X, Y, W)
    assert np.array_equal(model.predict_on_batch(x), other.predict_on_batch(X))
    seen = Callback()
    there = model.fit(X, Y, shuffle=False, validation_data=(x, y, w), callbacks=[seen], verbose=0).history
    assert there == other.fit(X, Y, shuffle=False, validation_data=(X, Y, W), verbose=0).history
    shown = seen.validation_data[0]
    assert np.array_equal(shown[:], X) if hasattr(x, "tocsr") else shown is x


def test_several_inputs_and_one_hot_targets(on_disk):
    def two():
        set_random_seed(2)
        a, b = Input((6,), name="a"), Input((1,), name="b")
        model = Model([a, b], Dense(3, activation="softmax", name="out")(Concatenate()([a, b])))
        model.compile(SGD(0.1), "categorical_crossentropy")
        return model

    one_hot = np.eye(3)[Y]
    fit = lambda model, x, y: model.fit(x, y, batch_size=8, verbose=0, class_weight={0: 1, 1: 2, 2: 3})
    assert_same(two, fit, ({"a": on_disk(X), "b": W}, on_disk(one_hot)), ({"a": X, "b": W}, one_hot))
    assert_same(two, fit, ([on_disk(X), on_disk(W)], one_hot), ([X, W], one_hot))


@pytest.mark.parametrize("form", ["coo", "csc", "csr", "dok", "lil"])
def test_every_form_of_a_sparse_matrix(form):
    scipy_sparse = pytest.importorskip("scipy.sparse")
    model = classes()
    assert np.array_equal(model.predict(scipy_sparse.csr_matrix(X).asformat(form)), model.predict(X))


def test_tensorboard_reads_validation_data_of_any_kind(on_disk, tmp_path):
    pytest.importorskip("tensorboardX")
    model, found = classes(), []

    class Board(TensorBoard):
        def _histogram(self, tag, values, epoch):
            found.append((tag, values.copy()))

    for x, y in ((on_disk(X), on_disk(Y)), (X, Y)):
        model.set_weights(classes().get_weights())
        model.optimizer.lr = 0.0
        board = Board(str(tmp_path / "logs"), histogram_freq=1, batch_size=32, write_grads=True)
        model.fit(X, Y, validation_data=(x, y), callbacks=[board], verbose=0)
    half = len(found) // 2
    assert half == 11  # 4 weights, 3 outputs, 4 gradients
    for (tag, there), (_, here) in zip(found[:half], found[half:]):
        assert np.array_equal(there, here), tag


class Stored(Sequence):
    def __init__(self, x, y):
        self.x, self.y = HDF5Matrix(x, "d"), HDF5Matrix(y, "d")

    def __len__(self):
        return 5

    def __getitem__(self, index):
        rows = slice(10 * index, 10 * index + 10)
        return self.x[rows], self.y[rows]


@pytest.mark.parametrize("staff", [(0, False), (2, False), (2, True)], ids=str)
def test_workers_read_a_matrix(tmp_path, staff):
    paths = [stored(str(tmp_path / name), array) for name, array in (("x", X), ("y", Y))]
    workers, processes = staff
    given = dict(workers=workers, use_multiprocessing=processes)
    logs = classes().fit(Stored(*paths), shuffle=False, verbose=0, **given).history
    assert logs == classes().fit(X, Y, batch_size=10, shuffle=False, verbose=0).history


def test_a_sparse_matrix_is_filled_batch_by_batch():
    x = Csr(X)
    model = classes()
    model.fit(x, Y, batch_size=8, shuffle=False, validation_split=0.5, verbose=0)
    model.predict(x, batch_size=5)
    assert x.most == [8]


def test_callbacks_read_the_validation_split_as_an_array(tmp_path):
    seen, model = Callback(), classes()
    model.fit(mapped(str(tmp_path / "x"), X), Y, validation_split=0.2, callbacks=[seen], verbose=0)
    x = seen.validation_data[0]
    assert x.shape == (10, 6) and np.array_equal(x, X[40:]) and np.array_equal(x[3], X[43])
    assert np.array_equal(model.predict(x), model.predict(X[40:]))


# Faults --------------------------------------------------------------------------------------------------


def test_lengths_and_shapes_are_checked_before_anything_is_read(on_disk):
    model = classes()
    with pytest.raises(ValueError, match="Found 50 input samples and 49 target samples"):
        model.fit(on_disk(X), on_disk(Y[:49]), verbose=0)
    with pytest.raises(ValueError, match=r"Got 50 input samples and 20 target samples|sample_weight cannot be broadcast"):
        model.fit(on_disk(X), Y, sample_weight=on_disk(W[:20]), verbose=0)
    with pytest.raises(ValueError, match=r"expected dense_\d_input to have shape \(6,\) but got array with shape \(5,\)"):
        model.fit(on_disk(X[:, :5].copy()), Y, verbose=0)


@pytest.mark.parametrize("kind", ["memmap", "h5py", "matrix"])
@pytest.mark.parametrize("shuffle", [False, True])
def test_errors_of_bad_values_have_their_place_in_the_data(tmp_path, kind, shuffle):
    def put(name, array, place, value):
        array = array.astype("f8")
        array[place] = value
        return KINDS[kind](str(tmp_path / name), array)

    fit = lambda *data, **more: classes().fit(*data, batch_size=8, shuffle=shuffle, verbose=0, **more)
    with pytest.raises(ValueError, match="class labels from 0 to 2, got 3 at sample 33"):
        fit(X, put("a", Y, 33, 3))
    with pytest.raises(ValueError, match="whole class labels, got nan at sample 49"):
        fit(X, put("b", Y, 49, np.nan), validation_split=0.1)
    with pytest.raises(ValueError, match="sample_weight: expected finite numbers"):
        fit(X, Y, sample_weight=put("c", W, 20, np.inf))
    with pytest.raises(ValueError, match=r"The classes \{2\} exist in the data but not in `class_weight`"):
        fit(X, put("d", Y, 0, 2), class_weight={0: 1.0, 1: 1.0})


# Memory --------------------------------------------------------------------------------------------------

MEMORY = """
import sys
import numpy as np, h5py
from lamella.layers import Dense
from lamella.models import Sequential
from lamella.utils import HDF5Matrix

kind, path = sys.argv[1:]
n, width = 50_000, 4000  # 200 MB of uint8
if kind == "memmap":
    x = np.memmap(path, "u1", "w+", shape=(n, width))
elif kind == "float32":
    x = np.memmap(path, "f4", "w+", shape=(n, width // 4))
else:
    with h5py.File(path, "w") as file:  # chunks that were never written need no disk space
        file.create_dataset("x", (n, width), "u1", chunks=(64, width))
    x = HDF5Matrix(path, "x")
y = np.zeros((n, 1), "f4")

def anonymous():
    line = next(line for line in open("/proc/self/status") if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024

model = Sequential([Dense(1, input_shape=x.shape[1:])])
model.compile("sgd", "mse")
model.fit(x[:512], y[:512], batch_size=256, verbose=0)
before = anonymous()
model.fit(x, y, batch_size=256, shuffle="batch" if kind == "hdf5" else True, validation_split=0.1, verbose=0)
after_fit = anonymous()
assert model.predict(x, batch_size=256).shape == (n, 1)
print(after_fit - before, anonymous() - after_fit)
"""


@pytest.mark.parametrize("kind", ["memmap", "float32", "hdf5"])
def test_a_large_file_is_not_read_into_memory(tmp_path, kind):
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, kind, str(tmp_path / "big")], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    for grown in map(float, done.stdout.split()):
        assert grown < 30, done.stdout


# validation_data from batches ----------------------------------------------------------------------------


class Batches(Sequence):
    def __len__(self):
        return 5

    def __getitem__(self, index):
        rows = slice(10 * index, 10 * index + 10)
        return X[rows], Y[rows]


def forever():
    while True:
        yield from Batches()


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_fit_on_arrays_validates_on_a_sequence_or_a_generator(workers):
    wanted = classes().fit(X, Y, batch_size=10, epochs=2, validation_data=(X, Y), verbose=0).history
    for data, steps in ((Batches(), None), (Batches(), 5), (forever(), 5)):
        model = classes()
        found = model.fit(
            X, Y, batch_size=10, epochs=2, validation_data=data, validation_steps=steps, workers=workers, verbose=0
        ).history
        assert found["loss"] == wanted["loss"]
        np.testing.assert_allclose(found["val_loss"], wanted["val_loss"], rtol=1e-6)
        np.testing.assert_allclose(found["val_acc"], wanted["val_acc"], rtol=1e-6)


def test_a_validation_generator_continues_in_the_next_epoch():
    model = classes()
    model.optimizer.lr = 0.0
    found = model.fit(X, Y, epochs=3, validation_data=forever(), validation_steps=2, verbose=0).history["val_loss"]
    wanted = [model.evaluate(X[rows], Y[rows], batch_size=10, verbose=0)[0] for rows in (slice(0, 20), slice(20, 40))]
    wanted.append((model.evaluate(X[40:], Y[40:], verbose=0)[0] + model.evaluate(X[:10], Y[:10], verbose=0)[0]) / 2)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_an_exhausted_validation_generator():
    given = dict(epochs=2, validation_steps=5, verbose=0)
    gone = "validation_data: the generator gave no batch at all, expected 5"
    early = "validation_data: the generator ended after 3 of 5 batches; .* validation_steps \\* epochs batches"
    with pytest.raises(ValueError, match=gone), pytest.warns(UserWarning, match=early):
        classes().fit(X, Y, validation_data=iter(list(Batches())[:3]), **given)
    with pytest.raises(ValueError, match=gone), pytest.warns(UserWarning, match=early):
        classes().fit_generator(forever(), 5, validation_data=iter(list(Batches())[:3]), **given)


def test_a_validation_generator_needs_steps():
    model = classes()
    before = model.get_weights()
    with pytest.raises(ValueError, match="`validation_steps=None` is only valid for a generator based on the `keras.utils.Seq"):
        model.fit(X, Y, validation_data=forever(), verbose=0)
    with pytest.raises(ValueError, match="expected validation_steps to be at least 1, got 0"):
        model.fit(X, Y, validation_data=Batches(), validation_steps=0, verbose=0)
    with pytest.raises(ValueError, match="Can only use `validation_steps` when doing step-wise training"):
        model.fit(X, Y, validation_data=(X, Y), validation_steps=2, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights()))
