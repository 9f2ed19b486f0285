"""TensorBoard: the event files, read with the protocol buffers of tensorboard."""

import struct
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from lamella.callbacks import LambdaCallback, TensorBoard
from lamella.callbacks.events import images_of
from lamella.layers import Conv2D, Dense, Dropout, Flatten, Input, add
from lamella.models import Model, Sequential

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(10, 3)).astype("f4"), RNG.normal(size=(10, 1)).astype("f4")


@pytest.fixture(autouse=True)
def library():
    pytest.importorskip("tensorboardX")


def events(log_dir):
    """The events in the only file of a directory. A record is the length, its checksum, the bytes, their checksum."""
    from tensorboardX.proto.event_pb2 import Event

    (path,) = Path(log_dir).glob("events.out.tfevents.*")
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        (length,) = struct.unpack("<Q", data[at : at + 8])
        found.append(Event.FromString(data[at + 12 : at + 12 + length]))
        at += 16 + length
    return found


def values(log_dir, kind="simple_value"):
    """{tag: [(step, value)]} of the summaries of one kind."""
    found = {}
    for event in events(log_dir):
        for value in event.summary.value:
            if value.HasField(kind):
                found.setdefault(value.tag, []).append((event.step, getattr(value, kind)))
    return found


def small():
    net = Sequential([Dense(4, input_shape=(3,), activation="tanh"), Dropout(0.5), Dense(1)])
    net.compile("sgd", "mse", metrics=["mae"])
    return net


def fit(callback, net=None, **arguments):
    net = net or small()
    return net, net.fit(X, Y, verbose=0, callbacks=[callback], **arguments).history


def test_scalars_by_epoch_and_the_graph(tmp_path):
    net, history = fit(TensorBoard(tmp_path / "logs"), epochs=3, validation_data=(X, Y))
    found = values(tmp_path / "logs")
    assert set(found) == {"loss", "mean_absolute_error", "val_loss", "val_mean_absolute_error"}
    for name, column in found.items():
        assert [step for step, _ in column] == [0, 1, 2]
        np.testing.assert_allclose([value for _, value in column], history[name], rtol=1e-6)
    assert not values(tmp_path / "logs", "histo")
    graph = graph_in(tmp_path / "logs")
    assert graph == [("dense_1", "Dense", []), ("dropout_1", "Dropout", ["dense_1"]), ("dense_2", "Dense", ["dropout_1"])]


def graph_in(log_dir):
    from tensorboardX.proto.graph_pb2 import GraphDef

    (raw,) = [event.graph_def for event in events(log_dir) if event.graph_def]
    return [(node.name, node.op, list(node.input)) for node in GraphDef.FromString(raw).node]


def test_a_graph_of_branches_and_none(tmp_path):
    a = Input((3,), name="a")
    net = Model(a, add([Dense(2, name="b")(a), Dense(2, name="c")(a)], name="d"))
    net.compile("sgd", "mse")
    net.fit(X, np.ones((10, 2)), verbose=0, callbacks=[TensorBoard(tmp_path / "with")])
    assert graph_in(tmp_path / "with") == [
        ("a", "InputLayer", []), ("b", "Dense", ["a"]), ("c", "Dense", ["a"]), ("d", "Add", ["b", "c"])
    ]  # fmt: skip
    net.fit(X, np.ones((10, 2)), verbose=0, callbacks=[TensorBoard(tmp_path / "without", write_graph=False)])
    assert not any(event.graph_def for event in events(tmp_path / "without"))


@pytest.mark.parametrize(
    "update_freq, steps", [("batch", [4, 8, 10, 14, 18, 20]), (6, [8, 14, 20]), (1, [4, 8, 10, 14, 18, 20])]
)
def test_logs_of_batches_by_samples_seen(tmp_path, update_freq, steps):
    losses = []
    spy = LambdaCallback(on_batch_end=lambda batch, logs: losses.append(logs["loss"]))
    net = small()
    history = net.fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=[spy, TensorBoard(tmp_path, update_freq=update_freq)])
    column = values(tmp_path)["loss"]
    by_epoch = [(10, history.history["loss"][0]), (20, history.history["loss"][1])]
    by_batch = [(s, losses[[4, 8, 10, 14, 18, 20].index(s)]) for s in steps]
    want = sorted(by_batch + by_epoch, key=lambda pair: pair[0])
    assert [step for step, _ in column] == [step for step, _ in want]
    np.testing.assert_allclose([value for _, value in column], [value for _, value in want], rtol=1e-6)


def test_histograms_of_weights_outputs_and_gradients(tmp_path):
    seen = []
    net = small()
    spy = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append([w.copy() for w in net.get_weights()]))
    board = TensorBoard(tmp_path, histogram_freq=2, batch_size=4, write_grads=True)
    net.fit(X, Y, epochs=3, verbose=0, validation_data=(X, Y), callbacks=[spy, board])
    found = values(tmp_path, "histo")
    names = ["dense_1/kernel_0", "dense_1/bias_0", "dense_2/kernel_0", "dense_2/bias_0"]
    outs = ["dense_1_out", "dropout_1_out", "dense_2_out"]
    assert set(found) >= {*names, *outs, *(f"{n}_grad" for n in names)}
    assert all([step for step, _ in column] == [0, 2] for column in found.values())
    for name, weight in zip(names, seen[2]):
        check(found[name][1][1], weight)
    check(found["dense_2_out"][1][1], net.predict(X))
    # The gradients of the loss mean((xw + b - y)^2), computed slowly.
    w1, b1, w2, b2 = [w.astype("f8") for w in seen[2]]
    hidden = np.tanh(X @ w1 + b1)
    dy = 2 * (hidden @ w2 + b2 - Y) / len(X)
    dh = dy @ w2.T * (1 - hidden**2)
    for name, gradient in zip(names, [X.T @ dh, dh.sum(0), hidden.T @ dy, dy.sum(0)]):
        check(found[f"{name}_grad"][1][1], gradient)


@pytest.mark.filterwarnings("ignore:Output .b. missing from loss dictionary")
def test_gradients_of_an_output_without_loss_are_zero(tmp_path):
    inputs = Input((3,))
    net = Model(inputs, [Dense(1, name="a")(inputs), Dense(2, name="b")(inputs)])
    net.compile("sgd", {"a": "mse"})
    board = TensorBoard(tmp_path, histogram_freq=1, write_grads=True)
    net.fit(X, {"a": Y}, epochs=1, verbose=0, validation_data=(X, {"a": Y}), callbacks=[board])
    found = values(tmp_path, "histo")
    check(found["b/kernel_0_grad"][0][1], np.zeros((3, 2)))
    check(found["a/bias_0_grad"][0][1], 2 * (net.predict(X)[0] - Y).mean(0))


def check(histogram, values):
    assert histogram.num == values.size == sum(histogram.bucket)
    rounded = dict(rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose([histogram.min, histogram.max], [values.min(), values.max()], **rounded)
    np.testing.assert_allclose([histogram.sum, histogram.sum_squares], [values.sum(), (values**2).sum()], **rounded)


def test_images_of_weights(tmp_path):
    image = Input((4, 4, 1))
    net = Model(image, Dense(2)(Flatten()(Conv2D(5, 3)(image))))
    net.compile("sgd", "mse")
    x, y = np.ones((4, 4, 4, 1)), np.ones((4, 2))
    board = TensorBoard(tmp_path, histogram_freq=1, write_images=True)
    net.fit(x, y, verbose=0, validation_data=(x, y), callbacks=[board])
    found = {tag: (v[0][1].height, v[0][1].width) for tag, v in values(tmp_path, "image").items()}
    kernels = {f"conv2d_1/kernel_0/image/{i}": (3, 3) for i in range(3)}
    assert found == {
        **kernels, "conv2d_1/bias_0/image": (5, 1), "dense_1/kernel_0/image": (2, 20), "dense_1/bias_0/image": (2, 1)
    }  # fmt: skip


def test_grey_values_of_images():
    ((_, plain),) = images_of("w", np.array([[0.0, 1.0, 2.0]]))
    ((_, signed),) = images_of("w", np.array([[-1.0], [0.0], [0.5]]))
    assert plain.tolist() == [[0], [128], [255]] and signed.tolist() == [[0], [127], [190]]
    assert not list(images_of("w", np.ones((3, 3, 2, 4))))
    assert [name for name, _ in images_of("w", np.zeros(1))] == []


def test_embeddings_with_labels(tmp_path):
    (tmp_path / "labels.tsv").write_text("word\tkind\n" + "".join(f"w{i}\tk{i % 2}\n" for i in range(10)))
    board = TensorBoard(
        tmp_path, embeddings_freq=2, embeddings_layer_names=["dense_1"], embeddings_data=X, embeddings_metadata="labels.tsv"
    )
    net, _ = fit(board, epochs=3)
    config = (tmp_path / "projector_config.pbtxt").read_text()
    assert config.count("embeddings {") == 2 and 'tensor_path: "00002/dense_1/tensors.tsv"' in config
    rows = np.loadtxt(tmp_path / "00002" / "dense_1" / "tensors.tsv")
    np.testing.assert_allclose(rows, net.activations_on_batch(X)["dense_1"], rtol=1e-6)
    labels = (tmp_path / "00002" / "dense_1" / "metadata.tsv").read_text().splitlines()
    assert labels[:2] == ["word\tkind", "w0\tk0"] and len(labels) == 11


@pytest.mark.parametrize(
    "arguments, text",
    [
        (dict(histogram_freq=1), "If printing histograms, validation_data must be provided, and cannot be a generator"),
        (dict(embeddings_freq=1), "To visualize embeddings, embeddings_data must be provided"),
        (dict(embeddings_freq=1, embeddings_data=X), "the model has no Embedding layer"),
        (dict(embeddings_freq=1, embeddings_data=X, embeddings_layer_names=["no"]), "No such layer: no"),
    ],
)
def test_wrong_arguments_raise_before_training(tmp_path, arguments, text):
    net = small()
    before = net.get_weights()
    with pytest.raises(ValueError, match=text):
        net.fit(X, Y, verbose=0, callbacks=[TensorBoard(tmp_path, **arguments)])
    assert all(np.array_equal(a, b) for a, b in zip(before, net.get_weights()))


def test_wrong_constructor_arguments_raise_or_warn():
    for bad in ("epochs", 0, -3):
        with pytest.raises(ValueError, match=f"expected update_freq to be .* got {bad!r}"):
            TensorBoard(update_freq=bad)
    with pytest.warns(UserWarning, match="write_images need histograms, but histogram_freq is 0"):
        TensorBoard(write_images=True)


def test_labels_are_counted(tmp_path):
    (tmp_path / "few").write_text("one\ntwo\n")
    labelled = TensorBoard(
        tmp_path / "a", embeddings_freq=1, embeddings_layer_names=["dense_1"], embeddings_data=X,
        embeddings_metadata={"dense_1": str(tmp_path / "few")},
    )  # fmt: skip
    with pytest.raises(ValueError, match="expected 10 labels in the metadata of 'dense_1', got 2"):
        fit(labelled)


def test_weights_that_are_not_finite_warn(tmp_path):
    net = small()
    net.set_weights([np.full(w.shape, np.nan, "f4") for w in net.get_weights()])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(TensorBoard(tmp_path, histogram_freq=1), net, validation_data=(X, Y))
    texts = [str(warning.message) for warning in caught if "TensorBoard" in str(warning.message)]
    assert (
        "TensorBoard: dense_1/kernel_0 has no histogram in epoch 1, as none of its values is finite" in texts
        and len(texts) == 7
    )


def test_without_the_library_training_does_not_begin(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"TensorBoard requires tensorboardX: pip install 'lamella\[tensorboard\]'"):
        fit(TensorBoard(tmp_path))
