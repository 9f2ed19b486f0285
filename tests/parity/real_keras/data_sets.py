"""load_data and get_word_index of keras.datasets with random arguments, on small files of random contents in a cache of their own."""

import functools
import gzip
import json
import os
import pickle
from pathlib import Path

import numpy as np
from parts import attempt, one_of
from typed import typed

DECIDED = {
    (".result[1]", "['float64', (0,)", "['lists', (0,)"): "no lists are an array of objects, too",
    (".result[1]", "['int64', (1, ", "['lists', (1,)"): "and one list is, which NumPy makes a matrix",
}
SETS = "imdb reuters boston mnist fashion cifar100 words cifar10".split()


class Numpy:
    """NumPy as it was: an array of lists of different lengths has objects."""

    def __getattr__(self, name):
        return getattr(np, name)

    @staticmethod
    def array(value):
        return np.array(value) if len({np.shape(v) for v in value}) < 2 else lists(value)


def lists(values):
    array = np.empty(len(values), object)
    array[:] = values
    return array


def texts(random, count):
    """Lists of indices of words; frequent words have small ones."""
    return lists([(random.geometric(0.1, random.randint(1, 12))).tolist() for _ in range(count)])


def of_texts(random, name):
    count = int(random.randint(5, 30))
    parts = {"x": texts(random, count), "y": random.randint(0, 3, count)}
    if name == "imdb":
        parts = {f"{k}_{part}": v for part in ("train", "test") for k, v in (("x", texts(random, count)), ("y", parts["y"]))}
    np.savez(f"datasets/{name}.npz", **parts)
    some = {
        "num_words": one_of(random, None, 5, 12, 100),
        "skip_top": one_of(random, 0, 2, 6),
        "maxlen": one_of(random, None, 0, 4, 8, 1),
        "seed": one_of(random, 113, 1, 2019),
        "start_char": one_of(random, 1, None, 7),
        "oov_char": one_of(random, 2, None, 0),
        "index_from": one_of(random, 3, 0, 10),
    }
    if name == "reuters":
        some["test_split"] = one_of(random, 0.2, 0.5, 0.0)
    if random.rand() < 0.1:
        some["nb_words"] = 9
    return {key: value for key, value in some.items() if random.rand() < 0.5}


def write(random, name):
    """Writes the files of a data set; returns random arguments for load_data."""
    if name in ("imdb", "reuters"):
        return of_texts(random, name)
    if name == "boston":
        count = int(random.randint(4, 20))
        np.savez("datasets/boston_housing.npz", x=random.standard_normal((count, 13)), y=random.standard_normal(count))
        return {key: value for key, value in (("test_split", 0.4), ("seed", 3)) if random.rand() < 0.5}
    if name == "mnist":
        parts = {f"x_{part}": random.randint(0, 256, (n, 28, 28)).astype("uint8") for part, n in (("train", 5), ("test", 3))}
        np.savez("datasets/mnist.npz", y_train=np.arange(5), y_test=np.arange(3, dtype="uint8"), **parts)
    elif name == "fashion":
        os.makedirs("datasets/fashion-mnist", exist_ok=True)
        for part, count in (("train", 4), ("t10k", 2)):
            for kind, shape in (("labels-idx1", (count,)), ("images-idx3", (count, 28, 28))):
                head = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">i4").tobytes()
                numbers = random.randint(0, 10, shape).astype("uint8").tobytes()
                Path(f"datasets/fashion-mnist/{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(head + numbers))
    elif name == "words":
        for each in ("imdb", "reuters"):
            Path(f"datasets/{each}_word_index.json").write_text(
                json.dumps({f"w{i}": int(random.randint(99)) for i in range(9)})
            )
    else:
        return of_cifar(random, name)
    return {}


def of_cifar(random, name):
    folder = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}[name]
    os.makedirs(f"datasets/{folder}", exist_ok=True)
    Path(f"datasets/{folder}.tar.gz").touch()  # what Keras has unpacked
    count = 10000 if name == "cifar10" else 4
    for part in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"] if name == "cifar10" else ["train", "test"]:
        x = np.resize(random.randint(0, 256, 3072 * 4).astype("uint8"), (count, 3072))
        labels = np.resize(random.randint(0, 10, 7), count).tolist()
        batch = {b"data": x, b"labels": labels, b"fine_labels": labels, b"coarse_labels": [n // 5 for n in labels]}
        with open(f"datasets/{folder}/{part}", "wb") as file:
            pickle.dump(batch, file, protocol=2)
    return {} if name == "cifar10" or random.rand() < 0.3 else {"label_mode": one_of(random, "fine", "coarse", "wrong")}


def described(array):
    """An array with its layout; of a large one a part."""
    if array.dtype == object:
        return ["lists", array.shape, [typed(list(row)) for row in array]]
    return [array.dtype.name, array.shape, array[:9], float(array.sum())]


def program(name, seed):
    def run():
        from keras import backend as K
        from keras import datasets
        from keras.utils import data_utils

        random = np.random.RandomState(seed)
        os.environ["KERAS_HOME"] = os.getcwd()
        os.makedirs("datasets", exist_ok=True)
        arguments = write(random, name)
        before, data_utils.validate_file = data_utils.validate_file, lambda *_, **__: True
        try:
            if name == "words":
                return [attempt(datasets.imdb.get_word_index), attempt(datasets.reuters.get_word_index)]
            module = {"boston": "boston_housing", "fashion": "fashion_mnist"}.get(name, name)
            module = getattr(datasets, module)
            if name in ("imdb", "reuters") and hasattr(module, "np"):
                module.np = Numpy()
            if "cifar" in name:
                K.set_image_data_format(one_of(random, "channels_last", "channels_first"))
            load = functools.partial(module.load_data, **arguments)
            return [arguments, attempt(lambda: [[described(np.asarray(part)) for part in pair] for pair in load()])]
        finally:
            data_utils.validate_file = before

    return run


def cases(random, count):
    for i in range(count):
        name = SETS[i % 7] if i % 28 != 27 else "cifar10"
        yield f"{i}:{name}", program(name, int(random.randint(2**31)))
