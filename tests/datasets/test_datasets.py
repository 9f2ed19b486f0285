"""Data sets: files that the tests make and serve are read into the arrays that Keras 2.2.5 returns."""

import dataclasses
import gzip
import hashlib
import io
import json
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

from lamella import backend as K
from lamella import datasets
from lamella.datasets import boston_housing, cifar, cifar10, cifar100, fashion_mnist, imdb, mnist, reuters
from lamella.datasets.files import DataFileError
from lamella.utils import data_utils
from tests.file_server import serving

RNG = np.random.RandomState(0)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server of tmp_path/served, with the cache in tmp_path/cache."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(data_utils, "sleep", lambda seconds: None)
    (tmp_path / "served").mkdir()
    with serving(tmp_path / "served") as server:
        yield server


def publish(server, source, content):
    """`source` with the URLs of this server."""
    name = source.urls[0].rpartition("/")[2]
    (server.folder / name).write_bytes(content)
    kind = hashlib.md5 if len(source.file_hash) == 32 else hashlib.sha256
    return dataclasses.replace(source, urls=(f"{server.url}/{name}",), file_hash=kind(content).hexdigest())


def npz(**arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def lists(*rows):
    made = np.empty(len(rows), object)
    made[:] = rows
    return made


DIGITS = {
    "x_train": RNG.randint(0, 256, (6, 28, 28), "uint8"), "y_train": np.arange(6, dtype="uint8"),
    "x_test": RNG.randint(0, 256, (2, 28, 28), "uint8"), "y_test": np.arange(2, dtype="uint8"),
}  # fmt: skip


def same(got, wanted):
    assert got.dtype == wanted.dtype and got.flags.writeable
    np.testing.assert_array_equal(got, wanted)


def same_digits(loaded):
    (x_train, y_train), (x_test, y_test) = loaded
    for got, name in ((x_train, "x_train"), (y_train, "y_train"), (x_test, "x_test"), (y_test, "y_test")):
        same(got, DIGITS[name])


def test_mnist_is_downloaded_once(server, monkeypatch, tmp_path):
    monkeypatch.setattr(mnist, "SOURCE", publish(server, mnist.SOURCE, npz(**DIGITS)))
    for _ in range(2):
        same_digits(mnist.load_data())
    assert server.asked == ["/mnist.npz"] and (tmp_path / "cache" / "datasets" / "mnist.npz").is_file()


def test_a_users_file_is_not_replaced(tmp_path, monkeypatch):
    """Its hash is not checked, and it is not replaced, as Keras would do."""
    (tmp_path / "mine.npz").write_bytes(npz(**DIGITS))
    same_digits(mnist.load_data(tmp_path / "mine.npz"))
    monkeypatch.chdir(tmp_path)
    same_digits(mnist.load_data(path="./mine.npz"))


def test_the_cache_of_keras_is_read_without_a_server(tmp_path, monkeypatch):
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".keras" / "datasets"
    folder.mkdir(parents=True)
    (folder / "mnist.npz").write_bytes(npz(**DIGITS))
    source = dataclasses.replace(mnist.SOURCE, urls=(), file_hash=hashlib.md5(npz(**DIGITS)).hexdigest())
    with pytest.raises(DataFileError):
        mnist.load_data()  # it is not the published file, and there is no server
    monkeypatch.setattr(mnist, "SOURCE", dataclasses.replace(source, urls=("http://127.0.0.1:9/mnist.npz",)))
    same_digits(mnist.load_data())


def test_the_next_server_is_asked(server, monkeypatch):
    source = publish(server, mnist.SOURCE, npz(**DIGITS))
    gone = source.urls[0].replace("mnist", "gone")
    monkeypatch.setattr(mnist, "SOURCE", dataclasses.replace(source, urls=(gone, *source.urls)))
    same_digits(mnist.load_data())
    assert server.asked == ["/gone.npz", "/mnist.npz"]


def idx(array):
    shape = struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + shape + array.tobytes())


def fashion():
    names = [*fashion_mnist.SOURCES]
    return dict(zip(names, (idx(DIGITS[name]) for name in ("y_train", "x_train", "y_test", "x_test"))))


def test_fashion_mnist(server, monkeypatch, tmp_path):
    files = fashion()
    sources = {name: publish(server, fashion_mnist.SOURCES[name], content) for name, content in files.items()}
    monkeypatch.setattr(fashion_mnist, "SOURCES", sources)
    same_digits(fashion_mnist.load_data())
    assert sorted(path.name for path in (tmp_path / "cache" / "datasets" / "fashion-mnist").iterdir()) == sorted(files)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    same_digits(fashion_mnist.load_data(str(tmp_path)))
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(files["train-images-idx3-ubyte.gz"][:-100])
    with pytest.raises(DataFileError, match="train-images-idx3-ubyte.gz: damaged.*Delete it"):
        fashion_mnist.load_data(str(tmp_path))
    longer = gzip.compress(gzip.decompress(files["train-images-idx3-ubyte.gz"]) + b"\0")
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(longer)
    with pytest.raises(DataFileError, match="does not have 4704 bytes"):
        fashion_mnist.load_data(str(tmp_path))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(b"labels"))
    with pytest.raises(DataFileError, match="begins with b'labe'"):
        fashion_mnist.load_data(str(tmp_path))


def text2(data):
    """A text in a pickle of Python 2."""
    return b"U" + bytes([len(data)]) + data if len(data) < 256 else b"T" + struct.pack("<I", len(data)) + data


def python2(images, **labels):
    """The pickle of a CIFAR file's dict by Python 2's cPickle, protocol 2."""
    rows, columns = images.shape
    array = b"cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85U\x01b\x87Rq\x04"
    array += (
        b"(K\x01J" + struct.pack("<i", rows) + b"M" + struct.pack("<H", columns) + b"\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"
    )
    array += b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89" + text2(images.tobytes()) + b"tb"
    out = b"\x80\x02}q\x01(" + text2(b"batch_label") + text2(b"a batch") + text2(b"data") + array
    for name, values in labels.items():
        out += text2(name.encode()) + b"]r\x10\x01\x00\x00(" + b"".join(b"K" + bytes([value]) for value in values) + b"e"
    return out + b"u."


PLANES = RNG.randint(0, 256, (14, 3072), "uint8")
LABELS = RNG.randint(0, 10, 14).tolist()


def archive(folder, files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def batches(write=python2):
    parts = {f"data_batch_{i + 1}": slice(2 * i, 2 * i + 2) for i in range(5)} | {"test_batch": slice(10, 14)}
    return {name: write(PLANES[part], labels=LABELS[part]) for name, part in parts.items()}


def python3(images, **labels):
    return pickle.dumps({"data": images, **labels}, protocol=4)


def python3_for_2(images, **labels):
    return pickle.dumps({b"data": images} | {name.encode(): values for name, values in labels.items()}, protocol=2)


def same_images(loaded, axes=(0, 2, 3, 1)):
    (x_train, y_train), (x_test, y_test) = loaded
    images = PLANES.reshape(14, 3, 32, 32).transpose(axes)
    same(x_train, images[:10])
    same(x_test, images[10:])
    same(y_train, np.array(LABELS[:10], "uint8")[:, None])
    same(y_test, np.array(LABELS[10:], "int64")[:, None])


def test_cifar10(server, monkeypatch, tmp_path):
    monkeypatch.setattr(cifar10, "SOURCE", publish(server, cifar10.SOURCE, archive("cifar-10-batches-py", batches())))
    same_images(cifar10.load_data())
    unpacked = tmp_path / "cache" / "datasets" / "cifar-10-batches-py"
    (unpacked.parent / "cifar-10-batches-py.tar.gz").unlink()  # the unpacked files are enough
    K.set_image_data_format("channels_first")
    try:
        same_images(cifar10.load_data(), axes=(0, 1, 2, 3))
    finally:
        K.set_image_data_format("channels_last")
    assert len(server.asked) == 1
    x, labels = cifar.load_batch(unpacked / "data_batch_2")
    np.testing.assert_array_equal(x, PLANES[2:4].reshape(2, 3, 32, 32))
    assert labels == LABELS[2:4]


def test_an_unpacked_folder_is_found_under_a_keras_home_with_a_tilde(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", "~/cache")
    monkeypatch.setattr(cifar10, "SOURCE", dataclasses.replace(cifar10.SOURCE, urls=("http://127.0.0.1:9/x.tar.gz",)))
    unpacked = tmp_path / "cache" / "datasets" / "cifar-10-batches-py"
    unpacked.mkdir(parents=True)
    for name, content in batches().items():
        (unpacked / name).write_bytes(content)
    same_images(cifar10.load_data())


@pytest.mark.parametrize("write", [python3, python3_for_2])
def test_cifar10_pickled_by_later_pythons(write, tmp_path):
    for name, content in batches(write).items():
        (tmp_path / name).write_bytes(content)
    same_images(cifar10.load_data(path=str(tmp_path)))


def test_cifar100(server, monkeypatch):
    coarse = [label // 2 for label in LABELS]
    files = {name: python2(PLANES[s], fine_labels=LABELS[s], coarse_labels=coarse[s]) for name, s in
             (("train", slice(10)), ("test", slice(10, 14)))}  # fmt: skip
    monkeypatch.setattr(cifar100, "SOURCE", publish(server, cifar100.SOURCE, archive("cifar-100-python", files)))
    for mode, labels in (("fine", LABELS), ("coarse", coarse)):
        (x_train, y_train), (x_test, y_test) = cifar100.load_data(label_mode=mode)
        same(np.concatenate([x_train, x_test]), PLANES.reshape(14, 3, 32, 32).transpose(0, 2, 3, 1))
        same(np.concatenate([y_train, y_test]), np.array(labels)[:, None])
    with pytest.raises(ValueError, match='`label_mode` must be one of `"fine"`, `"coarse"`.'):
        cifar100.load_data("both")


def test_boston_housing(tmp_path):
    x, y = RNG.rand(11, 13), RNG.rand(11)
    (tmp_path / "boston.npz").write_bytes(npz(x=x, y=y))
    for split, seed in ((0.2, 113), (0, 113), (0.5, 4)):
        order = np.arange(11)
        np.random.RandomState(seed).shuffle(order)
        cut = int(11 * (1 - split))
        (x_train, y_train), (x_test, y_test) = boston_housing.load_data(tmp_path / "boston.npz", split, seed)
        same(x_train, x[order][:cut])
        same(y_train, y[order][:cut])
        same(x_test, x[order][cut:])
        same(y_test, y[order][cut:])
    with pytest.raises(AssertionError, match="0 <= test_split < 1, got 1"):
        boston_housing.load_data(tmp_path / "boston.npz", 1)


def rows(n):
    return [RNG.randint(1, 300, RNG.randint(1, 9)).tolist() for _ in range(n)]


TRAIN, TEST = rows(9), rows(5)
Y_TRAIN, Y_TEST = np.arange(9) % 2, np.arange(5) % 2
REVIEWS = {"x_train": lists(*TRAIN), "y_train": Y_TRAIN, "x_test": lists(*TEST), "y_test": Y_TEST}


def oracle(parts, num_words=None, skip_top=0, maxlen=None, seed=113, start_char=1, oov_char=2, index_from=3):
    """The slow version, one word after another: (texts, labels) of the parts, which are shuffled one after another."""
    rng, texts, labels = np.random.RandomState(seed), [], []
    for x, y in parts:
        order = np.arange(len(x))
        rng.shuffle(order)
        texts += [x[i] for i in order]
        labels += [y[i] for i in order]
    texts = [([] if start_char is None else [start_char]) + [word + index_from for word in text] for text in texts]
    if maxlen:
        kept = [len(text) < maxlen for text in texts]
        texts, labels = ([value for value, keep in zip(values, kept) if keep] for values in (texts, labels))
    limit = num_words or max(map(max, texts))
    if oov_char is None:
        return [[word for word in text if skip_top <= word < limit] for text in texts], labels
    return [[word if skip_top <= word < limit else oov_char for word in text] for text in texts], labels


ARGUMENTS = [
    {},
    {"num_words": 100},
    {"num_words": 100, "skip_top": 20, "seed": 5},
    {"maxlen": 6},
    {"start_char": None, "maxlen": 5},
    {"start_char": None, "index_from": 0},
    {"oov_char": None, "num_words": 150, "skip_top": 30},
    {"oov_char": None, "start_char": None, "num_words": 60, "index_from": 10},
    {"start_char": 7, "oov_char": 8, "index_from": 9, "num_words": 200},
]


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
def test_imdb_with_all_arguments(arguments, tmp_path):
    (tmp_path / "imdb.npz").write_bytes(npz(**REVIEWS))
    (x_train, y_train), (x_test, y_test) = imdb.load_data(tmp_path / "imdb.npz", **arguments)
    texts, labels = oracle([(TRAIN, Y_TRAIN), (TEST, Y_TEST)], **arguments)
    assert x_train.tolist() == texts[:9] and x_test.tolist() == texts[9:]
    assert y_train.tolist() == labels[:9] and y_test.tolist() == labels[9:]
    assert x_train.dtype == object and type(x_train[0]) is list and {type(word) for text in x_train for word in text} == {int}


@pytest.mark.parametrize("arguments", [*ARGUMENTS, {"test_split": 0.5}, {"test_split": 0.0}], ids=str)
def test_reuters_with_all_arguments(arguments, tmp_path):
    (tmp_path / "reuters.npz").write_bytes(npz(x=REVIEWS["x_train"], y=Y_TRAIN))
    (x_train, y_train), (x_test, y_test) = reuters.load_data(tmp_path / "reuters.npz", **arguments)
    rest = dict(arguments)
    split = rest.pop("test_split", 0.2)
    texts, labels = oracle([(TRAIN, Y_TRAIN)], **rest)
    cut = int(len(texts) * (1 - split))
    assert x_train.tolist() == texts[:cut] and x_test.tolist() == texts[cut:]
    assert y_train.tolist() == labels[:cut] and y_test.tolist() == labels[cut:]


def test_texts_of_the_same_length_are_lists(tmp_path):
    (tmp_path / "imdb.npz").write_bytes(npz(**REVIEWS | {"x_train": lists([4, 5], [6, 7], [8, 9]), "y_train": np.arange(3)}))
    (x_train, _), _ = imdb.load_data(tmp_path / "imdb.npz")
    assert x_train.shape == (3,) and all(type(text) is list for text in x_train)


def test_texts_and_word_indices_are_downloaded(server, monkeypatch):
    monkeypatch.setattr(imdb, "SOURCE", publish(server, imdb.SOURCE, npz(**REVIEWS)))
    monkeypatch.setattr(imdb, "WORDS", publish(server, imdb.WORDS, json.dumps({"the": 1, "fälle": 2}).encode()))
    monkeypatch.setattr(reuters, "WORDS", publish(server, reuters.WORDS, b'{"the": 2}'))
    assert len(imdb.load_data()[0][0]) == 9
    assert imdb.get_word_index() == {"the": 1, "fälle": 2} and reuters.get_word_index() == {"the": 2}
    assert server.asked == ["/imdb.npz", "/imdb_word_index.json", "/reuters_word_index.json"]


def test_keywords_of_keras_1(tmp_path):
    (tmp_path / "imdb.npz").write_bytes(npz(**REVIEWS))
    with pytest.warns(UserWarning, match="`nb_words` argument in `load_data` has been renamed") as given:
        (x, _), _ = imdb.load_data(tmp_path / "imdb.npz", nb_words=50)
    assert given[0].filename == __file__ and max(map(max, x)) < 50
    for module in (imdb, reuters):
        with pytest.raises(TypeError, match="Unrecognized keyword arguments: {'words': 3}"):
            module.load_data(words=3)
    with pytest.raises(ValueError, match="shorter than maxlen=1, no sequence was kept. Increase maxlen."):
        imdb.load_data(tmp_path / "imdb.npz", maxlen=1)


def test_without_a_network_the_error_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(data_utils, "sleep", lambda seconds: None)
    source = dataclasses.replace(imdb.SOURCE, urls=("http://127.0.0.1:9/imdb.npz",))
    monkeypatch.setattr(imdb, "SOURCE", source)
    with pytest.raises(DataFileError) as caught:
        imdb.load_data()
    said = str(caught.value)
    assert f"{tmp_path}/datasets/imdb.npz does not exist" in said and "refused" in said and source.file_hash in said
    assert "Download http://127.0.0.1:9/imdb.npz elsewhere and save it with this name" in said and "as path=" in said
    assert isinstance(caught.value, OSError)


def test_another_hash_is_refused(server, monkeypatch, tmp_path):
    source = publish(server, mnist.SOURCE, npz(**DIGITS))
    (server.folder / "mnist.npz").write_bytes(b"something else")
    monkeypatch.setattr(mnist, "SOURCE", source)
    with pytest.raises(DataFileError, match=f"expected the hash {source.file_hash}.*save it with this name"):
        mnist.load_data()
    assert not (tmp_path / "cache" / "datasets" / "mnist.npz").exists()


def test_a_damaged_file_in_the_cache_is_downloaded_again(server, monkeypatch, tmp_path):
    monkeypatch.setattr(mnist, "SOURCE", publish(server, mnist.SOURCE, npz(**DIGITS)))
    (tmp_path / "cache" / "datasets").mkdir(parents=True)
    (tmp_path / "cache" / "datasets" / "mnist.npz").write_bytes(npz(**DIGITS)[:-9])
    same_digits(mnist.load_data())


@pytest.mark.parametrize(
    "content",
    [b"", b"no zip", npz(**DIGITS)[:-300], npz(x_train=np.zeros(3)), npz(**DIGITS | {"x_train": lists(3, 4)})],
    ids=["empty", "other", "cut", "lacks arrays", "objects"],
)
def test_a_damaged_file_of_the_user_is_refused(content, tmp_path):
    path = tmp_path / "mnist.npz"
    path.write_bytes(content)
    with pytest.raises(
        DataFileError, match=f"{path}: damaged, or not a file of this data set .*pass the path of another file as path="
    ):
        mnist.load_data(path)


def test_every_data_set_is_listed():
    listed = {name for name, module in vars(datasets).items() if hasattr(module, "load_data")}
    files = {path.stem for path in Path(datasets.__file__).parent.glob("*.py") if "\ndef load_data(" in path.read_text()}
    assert listed == files and len(listed) >= 7
