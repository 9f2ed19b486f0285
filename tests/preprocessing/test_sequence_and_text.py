"""Results for sequences and texts are those of keras-preprocessing 1.1.0, recorded by tests/golden/preprocessing/make.py."""

import json
import pickle
import random
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from lamella.preprocessing import sequence, text

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "preprocessing" / "keras_preprocessing.json").read_text())


def plain(x):
    if isinstance(x, np.ndarray):
        return {"dtype": str(x.dtype), "shape": list(x.shape), "values": x.tolist()}
    if isinstance(x, (list, tuple)):
        return [plain(one) for one in x]
    return x


@pytest.mark.parametrize("case", GOLDEN["functions"], ids=lambda case: case["call"])
def test_functions_give_keras_numbers(case):
    function = getattr(sequence, case["call"], None) or getattr(text, case["call"])
    if case["call"] == "skipgrams":
        random.seed(42)
        result = [function(*case["args"], **case["kwargs"]) for _ in range(2)]
    else:
        result = function(*case["args"], **case["kwargs"])
    assert plain(result) == case["result"]


@pytest.mark.parametrize("kind", ["array", "list", "frame"])
@pytest.mark.parametrize("case", GOLDEN["series"], ids=lambda case: str(case["kwargs"]))
def test_windows_over_a_series_are_those_of_keras(case, kind):
    data, targets = np.arange(42, dtype="float32").reshape(21, 2), np.arange(21) * 10
    if kind == "list":
        data, targets = list(data), targets.tolist()
    if kind == "frame":
        pandas = pytest.importorskip("pandas")
        days = pandas.date_range("2019-01-01", periods=21)
        data, targets = pandas.DataFrame(data, index=days), pandas.Series(targets, index=days)
    np.random.seed(5)
    generator = sequence.TimeseriesGenerator(data, targets, **case["kwargs"])
    assert plain(list(generator)) == case["batches"]


@pytest.mark.parametrize("case", GOLDEN["tokenizers"], ids=lambda case: str(case["arguments"]))
def test_a_tokenizer_counts_and_numbers_as_keras_does(case):
    tokenizer = text.Tokenizer(**case["arguments"])
    for texts in case["texts"]:
        tokenizer.fit_on_texts(iter(texts))
    tokenizer.fit_on_sequences([[1, 2, 2], [3]])
    config = tokenizer.get_config()
    read = {name: json.loads(config.pop(name)) for name in ("word_docs", "index_docs")}
    wanted = dict(case["config"])
    assert read == {name: json.loads(wanted.pop(name)) for name in read}  # they are in the order of a set
    assert config == wanted
    for again in (tokenizer, text.tokenizer_from_json(tokenizer.to_json(indent=1)), pickle.loads(pickle.dumps(tokenizer))):
        for method, args, result in case["calls"]:
            assert plain(getattr(again, method)(*args)) == result, method


def test_a_tokenizer_of_keras_json_can_be_fitted_further():
    case = GOLDEN["tokenizers"][2]
    tokenizer = text.tokenizer_from_json(json.dumps({"class_name": "Tokenizer", "config": case["config"]}))
    assert tokenizer.texts_to_sequences(case["calls"][0][1][0]) == case["calls"][0][2]
    count = tokenizer.document_count
    tokenizer.fit_on_texts(["new new new new new new new new new"])
    assert tokenizer.index_word[2] == "new" and tokenizer.word_docs["new"] == 1 and tokenizer.document_count == count + 1


def test_pickles_of_older_tokenizers_are_read(monkeypatch):
    """Scripts store a Tokenizer as a pickle. Pickles of Keras 2.0 do not have three attributes."""
    state = {
        "word_counts": {"a": 2, "b": 1}, "word_docs": {"a": 1, "b": 1}, "filters": "", "split": " ", "lower": True,
        "num_words": None, "document_count": 1, "index_docs": {1: 1, 2: 1}, "word_index": {"a": 1, "b": 2},
    }  # fmt: skip

    old = text.Tokenizer.__new__(text.Tokenizer)
    vars(old).update(state)
    pickled = pickle.dumps(old, protocol=0).replace(b"clamella.preprocessing.text", b"ckeras_preprocessing.text")
    for name in ("keras_preprocessing", "keras_preprocessing.text"):
        monkeypatch.setitem(sys.modules, name, text)
    assert b"keras_preprocessing.text" in pickled
    read = pickle.loads(pickled)
    assert type(read) is text.Tokenizer
    assert read.texts_to_sequences(["b a c"]) == [[2, 1]] and read.sequences_to_texts([[2, 1]]) == ["b a"]


def test_hashes_of_python_and_of_the_user():
    words = ["some", "words", "some"]
    assert text.one_hot("Some words, some!", 50) == [hash(word) % 49 + 1 for word in words]
    assert text.hashing_trick("Some words, some!", 50) == text.one_hot("Some words, some!", 50)
    assert text.hashing_trick("Some words, some!", 4, len) == [2, 3, 2]


def test_a_series_from_json_begins_at_the_same_step():
    data, targets = np.arange(30.0).reshape(10, 3), np.arange(10)
    generator = sequence.TimeseriesGenerator(data, targets, 2, start_index=3, end_index=8, batch_size=2, stride=2, reverse=True)
    again = sequence.timeseries_generator_from_json(generator.to_json())
    assert again.get_config() == generator.get_config() and again.data == data.tolist()
    assert plain(list(again)) == plain(list(generator)) and len(again) == 1
    assert again.start_index == 5
    with pytest.raises(TypeError, match="Data not JSON Serializable: Object of type complex"):
        sequence.TimeseriesGenerator([1j, 2j, 3j], [1, 2, 3], 1).to_json()
    with pytest.raises(TypeError, match="Targets not JSON Serializable"):
        sequence.TimeseriesGenerator([1, 2, 3], [1j, 2j, 3j], 1).to_json()


def test_an_index_is_within_the_epoch():
    generator = sequence.TimeseriesGenerator(np.arange(10), np.arange(10), 2, batch_size=3)
    assert len(generator) == 3 and generator[-1][1].tolist() == generator[2][1].tolist() == [8, 9]
    for index in (3, -4):
        with pytest.raises(IndexError, match="expected an index below 3"):
            generator[index]


def test_texts_of_different_lengths_are_padded():
    for dtype in (object, "object"):
        x = sequence.pad_sequences([["long text"], ["a", "b"]], dtype=dtype, value="-")
        assert x.tolist() == [["-", "long text"], ["a", "b"]]


def test_padding_to_length_0():
    assert sequence.pad_sequences([[1, 2], []], maxlen=0).shape == (2, 0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: sequence.pad_sequences(3), ValueError, "`sequences` must be iterable."),
        (lambda: sequence.pad_sequences([[1], 2]), ValueError, "list of iterables. Found non-iterable: 2"),
        (
            lambda: sequence.pad_sequences([[1]], maxlen=-1),
            ValueError,
            "pad_sequences: expected maxlen to be .* >= 0 or None, got -1",
        ),
        (lambda: sequence.pad_sequences([[1]], maxlen=1.5), ValueError, "expected maxlen to be a whole number .* got 1.5"),
        (lambda: sequence.pad_sequences([[1]], padding="left"), ValueError, 'Padding type "left" not understood'),
        (lambda: sequence.pad_sequences([[1]], truncating="x"), ValueError, 'Truncating type "x" not understood'),
        (lambda: sequence.pad_sequences([["a"]], value="b"), ValueError, "You should set `dtype=object`"),
        (
            lambda: sequence.pad_sequences([[[1, 2]], [[1]]]),
            ValueError,
            r"sample \(1,\) of sequence at position 1 is different from expected shape \(2,\)",
        ),
        (lambda: sequence.skipgrams([1, 2], 1), ValueError, "expected vocabulary_size >= 2"),
        (lambda: sequence.TimeseriesGenerator([1, 2], [1], 1), ValueError, "Data length is 2 while target length is 1"),
        (
            lambda: sequence.TimeseriesGenerator([1, 2], [1, 2], 2),
            ValueError,
            "`start_index.length=2 > end_index=1` is disallowed",
        ),
        (lambda: sequence.TimeseriesGenerator([1, 2], [1, 2], 1, end_index=2), ValueError, "end_index < 2"),
        (
            lambda: sequence.TimeseriesGenerator([1, 2], [1, 2], 1, start_index=-1),
            ValueError,
            "0 <= start_index .* got -1 and 1",
        ),
        (lambda: sequence.TimeseriesGenerator([1, 2], [1, 2], 1, stride=0), ValueError, "expected stride >= 1, got 0"),
        (lambda: text.text_to_word_sequence(float("nan")), TypeError, "expected a text, got float nan"),
        (lambda: text.one_hot("a", 1), ValueError, "expected n >= 2"),
        (lambda: text.hashing_trick("a", 5, "sha1"), ValueError, "expected a function, \"md5\" or None, got 'sha1'"),
        (lambda: text.Tokenizer(words=3), TypeError, "Unrecognized keyword arguments: {'words': 3}"),
        (lambda: text.Tokenizer().sequences_to_matrix([[1]]), ValueError, "Specify a dimension"),
        (lambda: text.Tokenizer(5).sequences_to_matrix([[1]], "tfidf"), ValueError, "before using tfidf mode"),
        (lambda: text.Tokenizer(5).sequences_to_matrix([[1]], "sum"), ValueError, "Unknown vectorization mode"),
    ],
)
def test_wrong_arguments_raise(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_warnings():
    with pytest.warns(UserWarning, match="has been renamed `num_words`") as given:
        assert text.Tokenizer(nb_words=7).num_words == 7
    assert given[0].filename == __file__
    with pytest.warns(UserWarning, match="fit_on_texts: got one text"):
        text.Tokenizer().fit_on_texts("abc")


def test_unknown_words_are_dropped_before_a_fit():
    assert text.Tokenizer(oov_token="?").texts_to_sequences(["a b"]) == [[]]
    assert isinstance(text.Tokenizer().word_docs, defaultdict)


def test_long_sequences_are_removed_with_their_labels():
    from lamella.preprocessing.sequence import _remove_long_seq  # scripts for Keras import it under this name

    assert _remove_long_seq(3, [[1], [1, 2, 3], [1, 2], []], "abcd") == ([[1], [1, 2], []], ["a", "c", "d"])
