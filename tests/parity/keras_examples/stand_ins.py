"""Small stand-ins for the data sets, archives and pictures that the examples read, in the forms in which they are published."""

import io
import itertools
import json
import pickle
import tarfile

import numpy as np
from PIL import Image

RNG = np.random.default_rng(0)
WORDS = ["".join(RNG.choice(list("abcdefghijklmnopqrstuvwxyz"), RNG.integers(3, 9))) for _ in range(3000)]


def fill_cache(home):
    """Keras's cache of data sets, once."""
    folder = home / "datasets"
    if folder.exists():
        return
    (folder / "cifar-10-batches-py").mkdir(parents=True)
    x, y = _digits(600)
    x_test, y_test = _digits(300)
    np.savez(folder / "mnist.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        rows = RNG.integers(0, 256, (32, 3072), dtype="uint8")
        _pickle(folder / "cifar-10-batches-py" / name, {b"data": rows, b"labels": [i % 10 for i in range(32)]})
    x, x_test = _reviews(128), _reviews(64)
    labels = [RNG.integers(0, 2, n) for n in (128, 64)]
    np.savez(folder / "imdb.npz", x_train=x, x_test=x_test, y_train=labels[0], y_test=labels[1])
    np.savez(folder / "reuters.npz", x=_reviews(200), y=np.arange(200) % 46)
    for name in ("imdb_word_index.json", "reuters_word_index.json"):
        (folder / name).write_text(json.dumps({word: i for i, word in enumerate(dict.fromkeys(WORDS), 1)}))
    (folder / "nietzsche.txt").write_text("Supposing that truth is a woman what then? is there not ground. " * 60)
    _archive(folder / "babi-tasks-v1-2.tar.gz", _stories())
    pairs = [f"{a[:4]} {b[:4]}" for a, b in itertools.pairwise(WORDS)]
    texts = {"wordlist_mono_clean.txt": "\n".join(WORDS), "wordlist_bi_clean.txt": "\n".join(pairs)}
    _archive(folder / "wordlists.tgz.tar.gz", texts)


def accept_them():
    """Whatever their hashes; and networks keep the random weights that they have."""
    from lamella.applications import weights
    from lamella.models import Model
    from lamella.utils import data_utils

    data_utils.validate_file = lambda *_, **__: True
    weights.WeightFile.fetch = lambda *_: "the published weights"
    load_weights = Model.load_weights

    def load(self, filepath, *rest, **more):
        return None if filepath == "the published weights" else load_weights(self, filepath, *rest, **more)

    Model.load_weights = load


def files_of(name):
    """Write what a script reads in its directory; its arguments."""
    from pathlib import Path

    if name in ("lstm_seq2seq", "cnn_seq2seq", "lstm_seq2seq_restore"):
        Path("fra-eng").mkdir(exist_ok=True)
        Path("fra-eng/fra.txt").write_text("\n".join(f"Go {i:03}.\tVa {i:03} !" for i in range(300)))
    if name == "pretrained_word_embeddings":
        Path("glove.6B").mkdir(exist_ok=True)
        rows = (f"{word} " + " ".join(f"{v:.3f}" for v in RNG.normal(size=100)) for word in WORDS[:500])
        Path("glove.6B/glove.6B.100d.txt").write_text("\n".join(rows) + "\n")
        for group in ("alt.a", "comp.b"):
            Path("20_newsgroup", group).mkdir(parents=True, exist_ok=True)
            for i in range(40):
                text = "From: somebody\n\n" + " ".join(RNG.choice(WORDS[:400], 80))
                Path("20_newsgroup", group, str(10000 + i)).write_text(text)
    if name == "neural_doodle":
        mask = np.zeros((64, 64, 3), "uint8")
        mask[:32], mask[:, 32:] = 255, (255, 0, 0)
        for which in ("style", "target"):
            Image.fromarray(mask).save(f"{which}_mask.png")
        _picture("style.png", 64)
        return (
            "--nlabels 3 --style-image style.png --style-mask style_mask.png --target-mask target_mask.png "
            "--target-image-prefix out"
        ).split()
    if name == "class_activation_maps":
        _picture("dog.jpg", 224)
        return []
    if name == "deep_dream":
        _picture("a.jpg", 120)
        return ["a.jpg", "out"]
    if name == "neural_style_transfer":
        _picture("a.jpg", 64)
        _picture("b.jpg", 64)
        return ["a.jpg", "b.jpg", "out", "--iter", "1"]
    return []


def _digits(rows):
    """Images whose bright column says which digit it is."""
    y = (np.arange(rows) % 10).astype("uint8")
    x = RNG.integers(0, 60, (rows, 28, 28), dtype="uint8")
    x[np.arange(rows), :, 2 * y + 4] = 255
    return x, y


def _reviews(rows):
    reviews = np.empty(rows, object)
    for i in range(rows):
        reviews[i] = [int(word) for word in RNG.integers(1, 900, RNG.integers(20, 120))]
    return reviews


def _stories():
    story = (
        "1 Mary moved to the bathroom.\n2 John went to the hallway.\n3 Where is Mary? \tbathroom\t1\n"
        "4 Daniel went back to the hallway.\n5 Sandra moved to the garden.\n6 Where is Daniel? \thallway\t4\n"
    )
    return {
        f"tasks_1-20_v1-2/{language}/{task}_{part}.txt": story * 40
        for language in ("en", "en-10k")
        for task in ("qa1_single-supporting-fact", "qa2_two-supporting-facts")
        for part in ("train", "test")
    }


def _archive(path, texts):
    with tarfile.open(path, "w:gz") as archive:
        for name, text in texts.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))


def _pickle(path, value):
    path.write_bytes(pickle.dumps(value, 2))


def _picture(name, size):
    Image.fromarray(RNG.integers(0, 256, (size, size, 3), dtype="uint8")).save(name)
