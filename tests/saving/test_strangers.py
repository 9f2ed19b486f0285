"""Harmful files: each raises at once, without running code, opening other files, or filling the memory."""

import json
import resource
import struct
import subprocess
import sys
import zlib

import h5py
import numpy as np
import pytest

from lamella import backend as K
from lamella import config
from lamella.layers import Dense, Lambda
from lamella.models import Sequential, load_model
from lamella.saving import ModelFileError
from lamella.saving.guards import isolated

# Loads each file under an audit hook; prints what was raised, what ran, and how much memory it took.
LOADER = """
import json, resource, sys
from lamella.core import keras_names, registry
from lamella.models import load_model
load_model(sys.argv[1])  # so that all modules are loaded
registry.names("layers")  # also the modules of all layers that a file may name
keras_names.modules()  # read once in a process, for the message of an unknown name
events = None
def hook(name, arguments):
    if events is not None and name.split(".")[0] in ("exec", "compile", "import", "open", "os", "subprocess", "socket", "marshal", "pickle"):
        events.append([name, repr(arguments[0])])
sys.addaudithook(hook)
for path in sys.argv[2:]:
    before, events = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, []
    try:
        load_model(path)
        error = None
    except ValueError as raised:
        error = str(raised)
    heard, events = events, None
    print(json.dumps([error, heard, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before]), flush=True)
"""


def described(config, class_name="Sequential"):
    def change(file, directory):
        text = config if isinstance(config, str) else json.dumps({"class_name": class_name, "config": config})
        file.attrs["model_config"] = text

    return change


def layers(*entries):
    return described({"name": "m", "layers": [{"class_name": name, "config": config} for name, config in entries]})


def dense(units, inputs=4, **more):
    return {"name": "d", "units": units, "batch_input_shape": [None, inputs], **more}


def weight(make):
    def change(file, directory):
        group = file["model_weights/d/d"]
        del group["kernel:0"]
        make(group, directory)

    return change


def secret(directory):
    with h5py.File(directory / "secret.h5", "w") as file:
        file["kernel"] = np.ones((4, 3), "float32")
    (directory / "secret.bin").write_bytes(bytes(48))


def external_link(group, directory):
    secret(directory)
    group["kernel:0"] = h5py.ExternalLink(str(directory / "secret.h5"), "/kernel")


def soft_link(group, directory):
    group["kernel:0"] = h5py.SoftLink("/model_weights/d/d/bias:0")


def external_storage(group, directory):
    secret(directory)
    group.create_dataset("kernel:0", (4, 3), "float32", external=[(str(directory / "secret.bin"), 0, 48)])


def virtual(group, directory):
    secret(directory)
    layout = h5py.VirtualLayout((4, 3), "float32")
    layout[:] = h5py.VirtualSource(str(directory / "secret.h5"), "kernel", (4, 3))
    group.create_virtual_dataset("kernel:0", layout)


def bomb(group, directory):
    group.create_dataset("kernel:0", (2**20, 2**20), "float32", chunks=(2**10, 2**10))


def packed_bomb(group, directory):
    group.create_dataset("kernel:0", data=np.zeros((2**12, 2**10), "float32"), compression="gzip")


def foreign_filter(group, directory):
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_chunk((4, 3))
    settings.set_filter(32000, h5py.h5z.FLAG_OPTIONAL, ())
    h5py.h5d.create(group.id, b"kernel:0", h5py.h5t.NATIVE_FLOAT, h5py.h5s.create_simple((4, 3)), settings)


def again_and_again(file, directory):
    file["model_weights/d"].attrs["weight_names"] = np.asarray([b"d/kernel:0"] * 3000)
    del file["model_weights/d/d/kernel:0"]
    file["model_weights/d/d/kernel:0"] = np.zeros((100, 100), "float32")


def hard_links(file, directory):
    """100 names of one group, which has 100 names of one array."""
    weights = file["model_weights"]
    names = [f"n{i}" for i in range(100)]
    weights.attrs["layer_names"] = weights["d"].attrs["weight_names"] = np.asarray([name.encode() for name in names])
    for name in names:
        weights["d"][name] = weights["d/d/bias:0"]
        weights[name] = weights["d"]


def in_pieces(file, directory):
    weights = file["model_weights"]
    del weights.attrs["layer_names"]
    weights.attrs["layer_names0"], weights.attrs["layer_names1"] = [b"d"], [b"d"]


def chunk_bomb(group, directory):
    group.create_dataset(
        "kernel:0", (4, 3), "float32", chunks=(2**18, 2**6), maxshape=(None, None), compression="gzip", fillvalue=0
    )
    group["kernel:0"].id.write_direct_chunk((0, 0), zlib.compress(bytes(2**26), 1))


def linked_group(file, directory):
    secret(directory)
    del file["model_weights"]
    file["model_weights"] = h5py.ExternalLink(str(directory / "secret.h5"), "/")


ATTACKS = {
    "unknown class": (layers(("Foo", {})), "Unknown layer: Foo"),
    "module": (layers(("os.system", {"command": "touch owned"})), "Unknown layer: os.system"),
    "class with module": (described('{"class_name": "system", "module": "os", "config": {"command": "touch owned"}}'), "Unknown layer: system"),
    "lambda": (layers(("Lambda", {"function": ["4wAAAAA=", None, None], "function_type": "lambda"})), "stands in the description as marshalled code of Python"),
    "lambda by name": (layers(("Lambda", {"function": "eval", "function_type": "function"})), "Unknown function in Lambda layer: eval"),
    "lambda of a class": (layers(("Lambda", {"function": "Dense", "function_type": "function"})), "Unknown function in Lambda layer: Dense"),
    "lambda that computes": (layers(("Dense", dense(3)), ("Lambda", {"function": "tile", "function_type": "function", "arguments": {"n": [1, 10**9]}})), "does not say its output_shape"),
    "arrays of objects": (layers(("Lambda", {"function": "square", "arguments": {"a": {"type": "ndarray", "value": [1], "dtype": "object"}}})), "expected the name of a dtype of numbers"),
    "activation": (layers(("Dense", dense(3, activation="eval"))), "Unknown activation function: eval"),
    "initializer": (layers(("Dense", dense(3, kernel_initializer={"class_name": "Popen", "config": {"args": "id"}}))), "Unknown initializer: Popen"),
    "registered, but no layer": (layers(("Adam", {})), "Unknown layer: Adam"),
    "deep JSON": (described("[" * 10**5), "model_config is nested too deeply"),
    "deep models": (described('{"class_name": "Sequential", "config": {"layers": [' * 280 + "]}}" * 280), "model"),
    "long JSON": (described('{"a": "' + "x" * 2**25 + '"}'), "more than the limit of 16777216"),
    "10^9 units": (layers(("Dense", dense(10**9))), "holds only 15 more"),
    "10^9 inputs": (layers(("Dense", dense(3, 10**9))), "holds only 15 more"),
    "negative units": (layers(("Dense", dense(-3))), "expected units to be a positive integer, got -3"),
    "NaN units": (layers(("Dense", dense(float("nan")))), "expected units to be a positive integer, got nan"),
    "infinite inputs": (layers(("Dense", dense(3, float("inf")))), "expected a shape"),
    "negative inputs": (layers(("Dense", dense(3, -4))), "expected a shape without negative sizes"),
    "external link": (weight(external_link), "is a link to another place, which is not followed"),
    "soft link": (weight(soft_link), "is a link to another place, which is not followed"),
    "external storage": (weight(external_storage), "stores its numbers in other files"),
    "virtual dataset": (weight(virtual), "stores its numbers in other files"),
    "shape bomb": (weight(bomb), "declares 4398046511104 bytes, more than the file can hold or may"),
    "compressed bomb": (weight(packed_bomb), "declares 16777216 bytes, more than the file can hold or may"),
    "filter to be loaded": (weight(foreign_filter), "needs filters [32000]"),
    "one array many times": (again_and_again, "names 'd/kernel:0' twice"),
    "names of layers twice": (lambda f, d: f["model_weights"].attrs.__setitem__("layer_names", [b"d"] * 100), "layer_names of '/model_weights' names 'd' twice"),
    "names of layers twice, in pieces": (in_pieces, "layer_names of '/model_weights' names 'd' twice"),
    "names of weights twice": (lambda f, d: f["model_weights/d"].attrs.__setitem__("weight_names", [b"d/bias:0"] * 2), "weight_names of '/model_weights/d' names 'd/bias:0' twice"),
    "hard links": (hard_links, "'/model_weights/n0/n1' is a second name of something that was already read"),
    "chunk larger than the array": (weight(chunk_bomb), "declares 67108864 bytes, more than the file can hold or may"),
    "linked group": (linked_group, "'//model_weights' is a link to another place"),
    "name upwards": (lambda f, d: f["model_weights"].attrs.__setitem__("layer_names", [b"../d"]), "'../d' is listed, but does not exist"),
    "absolute name": (lambda f, d: f["model_weights"].attrs.__setitem__("layer_names", [b"/model_weights/d"]), "is listed, but does not exist"),
}  # fmt: skip


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    directory = tmp_path_factory.mktemp("strangers")
    paths = []
    for i, (change, _) in enumerate(ATTACKS.values()):
        path = directory / f"{i}.h5"
        Sequential([Dense(3, input_dim=4, name="d")], name="m").save(path)
        with h5py.File(path, "r+") as file:
            change(file, directory)
        paths.append(path)
    good = directory / "good.h5"
    model = Sequential([Dense(3, input_dim=4, name="d"), Lambda(K.square)])  # which loads the functions of K
    model.compile("sgd", "mse")
    model.save(good)
    before = sorted(p.name for p in directory.iterdir())
    done = subprocess.run(
        [sys.executable, "-c", LOADER, good, *paths], stdout=subprocess.PIPE, text=True, check=True, cwd=directory, timeout=60
    )
    assert sorted(p.name for p in directory.iterdir()) == before
    return dict(zip(ATTACKS, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_harmful_file_raises(outcomes, attack):
    error, events, kilobytes = outcomes[attack]
    assert error is not None and ATTACKS[attack][1] in error
    # Only the given file is opened. h5py reads the position of that open file.
    index = list(ATTACKS).index(attack)
    assert [event for event in events if event[0] != "open" or not event[1].endswith(f"/{index}.h5'")] == []
    assert kilobytes < 100_000


def test_the_users_limit_is_used(tmp_path):
    path = tmp_path / "m.h5"
    Sequential([Dense(100, input_dim=100)]).save(path)
    config.set_max_file_bytes(40_000)
    try:
        with pytest.raises(ValueError, match="declares 40000 bytes|declares 400 bytes, more than the file can hold or may"):
            load_model(path, compile=False)
        config.set_max_file_bytes(40_400)
        load_model(path, compile=False)
    finally:
        config.set_max_file_bytes(None)
    for bad in (0, -1, 1.5, "1", True):
        with pytest.raises(ValueError, match="set_max_file_bytes: expected a positive number of bytes or None"):
            config.set_max_file_bytes(bad)


def test_compression_of_hdf5_itself_is_read(tmp_path):
    path = tmp_path / "m.h5"
    model = Sequential([Dense(30, input_dim=40, name="d")])
    model.save(path)
    with h5py.File(path, "r+") as file:
        kernel = file["model_weights/d/d/kernel:0"][()]
        del file["model_weights/d/d/kernel:0"]
        file["model_weights/d/d"].create_dataset("kernel:0", data=kernel, compression="gzip", shuffle=True, fletcher32=True)
    np.testing.assert_array_equal(load_model(path, compile=False).get_weights()[0], kernel)


def repeated(path, strings):
    """A file of weights with many names of variable length, all of which refer to the same long string."""
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.2.5"
        file.attrs["long"] = b"x" * 2**20
        names = np.array([b"%09d" % i for i in range(strings)], dtype=object)
        file.attrs.create("layer_names", names, dtype=h5py.string_dtype("ascii"))
    data = bytearray(path.read_bytes())
    # A reference is the length, the address of a heap, and the index in it.
    heaps = []
    at = data.find(b"GCOL")
    while at >= 0:
        heaps.append((int.from_bytes(data[at + 8 : at + 16], "little"), at))
        at = data.find(b"GCOL", at + 1)
    long = struct.pack("<IQI", 2**20, max(heaps)[1], 1)
    first = min(at for at in (data.find(struct.pack("<IQI", 9, heap, n)) for _, heap in heaps for n in range(1, 4)) if at >= 0)
    data[first : first + 16 * strings] = long * strings
    path.write_bytes(data)


def test_names_that_refer_to_one_long_string_do_not_fill_the_memory(tmp_path):
    path, good = tmp_path / "w.h5", tmp_path / "good.h5"
    repeated(path, 1000)
    model = Sequential([Dense(3, input_dim=4, name="d"), Lambda(K.square)])  # which loads the functions of K
    model.compile("sgd", "mse")
    model.save(good)
    done = subprocess.run([sys.executable, "-c", LOADER, good, path], stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    error, _, kilobytes = json.loads(done.stdout)
    assert error is not None and kilobytes < 100_000


def test_many_names_beside_a_long_description_are_read(tmp_path, monkeypatch):
    path = tmp_path / "w.h5"
    model = Sequential([Dense(1, input_dim=1, name=f"d{i}") for i in range(200)])
    model.save(path)
    with h5py.File(path, "r+") as file:
        names = file["model_weights"].attrs["layer_names"]
        file["model_weights"].attrs.create("layer_names", names.astype(object), dtype=h5py.string_dtype("ascii"))
        file.attrs["long"] = b"x" * 2**23
    np.testing.assert_array_equal(load_model(path, compile=False).get_weights()[0], model.get_weights()[0])
    # Without Linux's /proc, as on macOS, no process has a memory limit, so the file must be trusted.
    missing = f"import pathlib; isolated._SIZES = pathlib.Path({str(tmp_path / 'nowhere')!r}); isolated.serve("
    monkeypatch.setattr(isolated, "_START", isolated._START.replace("isolated.serve(", missing))
    with pytest.raises(ModelFileError, match="this system cannot limit the memory of a process; if you trust the file"):
        load_model(path, compile=False)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(load_model(file, compile=False).get_weights()[0], model.get_weights()[0])
    model.save(path)
    np.testing.assert_array_equal(load_model(path, compile=False, timeout=60).get_weights()[0], model.get_weights()[0])


def test_a_lower_limit_of_a_resource_stays(monkeypatch):
    """Only the administrator may raise a limit, for example that of a job on a cluster."""
    limits = {resource.RLIMIT_CPU: (10, 20), resource.RLIMIT_AS: (resource.RLIM_INFINITY,) * 2}
    monkeypatch.setattr(resource, "getrlimit", limits.__getitem__)
    monkeypatch.setattr(resource, "setrlimit", limits.__setitem__)
    for kind, most, wanted in ((resource.RLIMIT_CPU, 600, 20), (resource.RLIMIT_CPU, 5, 5), (resource.RLIMIT_AS, 7, 7)):
        isolated._lower(kind, most)
        assert limits[kind] == (wanted, wanted)
