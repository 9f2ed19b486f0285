"""Calls of keras-preprocessing 1.1.0 and what came out, to keras_preprocessing.json:

    pip install keras-preprocessing==1.1.0 numpy==1.26.4
    python tests/golden/preprocessing/make.py

A case is {"call": name, "args", "kwargs", "result"}; of a Tokenizer {"arguments", "texts", "calls": [[method, args, result]]}.
"""

import json
import random
from pathlib import Path

import numpy as np
from keras_preprocessing import sequence, text

PADDED = [
    ([[1, 2, 3], [4], [], [5, 6, 7, 8, 9]], {}),
    ([[1, 2, 3], [4], [], [5, 6, 7, 8, 9]], {"maxlen": 2}),
    ([[1, 2, 3], [4], [], [5, 6, 7, 8, 9]], {"maxlen": 4, "padding": "post", "truncating": "post", "value": -1.0}),
    ([[1, 2, 3], [4], [], [5, 6, 7, 8, 9]], {"maxlen": 4, "padding": "post", "value": 9}),
    ([[1, 2, 3], [4], [], [5, 6, 7, 8, 9]], {"maxlen": 4, "truncating": "post", "dtype": "float32", "value": 0.5}),
    ([[1.7, -2.7], [3.2]], {"maxlen": 3}),
    ([[[1, 2], [3, 4]], [[5, 6]], [[0, 1], [1, 2], [2, 3]]], {"maxlen": 2}),
    ([["a", "bc"], ["d"]], {"maxlen": 3, "dtype": "<U3", "value": "pad", "padding": "post"}),
    ([[], []], {}),
    ([], {"maxlen": 3}),
]
SKIPPED = [
    ([1, 2, 3, 4], 5, {}),
    ([1, 0, 3, 4, 2, 2, 0], 6, {"window_size": 2, "negative_samples": 0.5, "seed": 3}),
    ([5, 4, 3, 2, 1], 9, {"window_size": 1, "shuffle": False, "categorical": True}),
    ([1, 2, 3, 4, 5, 6, 7] * 3, 8, {"sampling_table": [0.5] * 8, "negative_samples": 0}),
    ([1, 2, 3, 4, 5, 6, 7] * 3, 8, {"sampling_table": [0.3] * 8, "negative_samples": 2.0, "categorical": True, "seed": 11}),
    ([0, 0], 4, {}),
]
SERIES = [
    {"length": 3},
    {"length": 4, "sampling_rate": 2, "batch_size": 3},
    {"length": 5, "sampling_rate": 2, "stride": 3, "batch_size": 2, "reverse": True},
    {"length": 2, "start_index": 4, "end_index": 15, "batch_size": 5},
    {"length": 3, "shuffle": True, "batch_size": 4, "stride": 2},
]
TEXTS = ["The cat sat on the mat.", "The dog sat on the log!", "Dogs & cats living together", "", "it's THE end; the end"]
NEW = ["the cat and the dog", "unknown words", "", "END of it's log"]
TOKENIZERS = [
    {},
    {"num_words": 4},
    {"num_words": 5, "oov_token": "<UNK>"},
    {"oov_token": "the"},
    {"lower": False, "filters": ".", "split": " "},
    {"char_level": True, "num_words": 8, "oov_token": "?"},
    {"split": "t"},
    {"document_count": 7},
]
ONE = "Hello,hello  World\tof\nwords: it's a_b! Ä Ö ß"


def plain(x):
    if isinstance(x, np.ndarray):
        return {"dtype": str(x.dtype), "shape": x.shape, "values": x.tolist()}
    if isinstance(x, (list, tuple)):
        return [plain(one) for one in x]
    return x.item() if isinstance(x, np.generic) else x


def functions():
    for sequences, kwargs in PADDED:
        yield "pad_sequences", [sequences], kwargs, sequence.pad_sequences(sequences, **kwargs)
    for size, factor in ((7, 1e-5), (50, 1e-3), (200, 1e-2)):
        yield "make_sampling_table", [size, factor], {}, sequence.make_sampling_table(size, factor)
    for words, size, kwargs in SKIPPED:
        random.seed(42)
        # The second call draws on from where the first has left the stream.
        both = [sequence.skipgrams(words, size, **kwargs) for _ in range(2)]
        yield "skipgrams", [words, size], kwargs, both
    for kwargs in ({}, {"lower": False}, {"filters": "o"}, {"split": "l"}, {"split": "ll", "filters": "W"}):
        yield "text_to_word_sequence", [ONE], kwargs, text.text_to_word_sequence(ONE, **kwargs)
    for n in (2, 10, 1000):
        yield "hashing_trick", [ONE, n, "md5"], {}, text.hashing_trick(ONE, n, "md5")


def series():
    for kwargs in SERIES:
        data = np.arange(42, dtype="float32").reshape(21, 2)
        np.random.seed(5)
        made = sequence.TimeseriesGenerator(data, np.arange(21) * 10, **kwargs)
        yield {"kwargs": kwargs, "batches": plain([made[i] for i in range(len(made))])}


def tokenizers():
    for arguments in TOKENIZERS:
        tokenizer = text.Tokenizer(**arguments)
        tokenizer.fit_on_texts(TEXTS[:3])
        tokenizer.fit_on_texts(TEXTS[3:] + [["the", "Cat", "x y"]])
        tokenizer.fit_on_sequences([[1, 2, 2], [3]])
        indices = tokenizer.texts_to_sequences(NEW)
        calls = [["texts_to_sequences", [NEW], indices], ["sequences_to_texts", [[*indices, [1, 2, 3, 90]]]]]
        calls += [
            [f"{kind}_to_matrix", [what, mode]]
            for mode in ("binary", "count", "freq", "tfidf")
            for kind, what in (("texts", NEW), ("sequences", [[1, 1, 0, 3], []]))
        ]
        calls = [[method, args, plain(getattr(tokenizer, method)(*args))] for method, args, *_ in calls]
        config = json.loads(tokenizer.to_json())["config"]
        yield {
            "arguments": arguments,
            "texts": [TEXTS[:3], TEXTS[3:] + [["the", "Cat", "x y"]]],
            "calls": calls,
            "config": config,
        }


cases = {
    "functions": [{"call": c, "args": a, "kwargs": k, "result": plain(r)} for c, a, k, r in functions()],
    "series": list(series()),
    "tokenizers": list(tokenizers()),
}
Path(__file__).with_name("keras_preprocessing.json").write_text(json.dumps(cases, separators=(",", ":")))
