"""keras.preprocessing.text and .sequence, under both names of the package."""

import json
import random as python_random

import numpy as np
from on_tensors import attempt

DECIDED = {}

WORDS = "the The cat's sat on a mat, mat. Ünïcode it's a-b x1 <OOV> tab\there \n".split(" ")


def package(of_keras, name):
    import importlib

    return importlib.import_module(f"{'keras.preprocessing' if of_keras else 'keras_preprocessing'}.{name}")


def texts(random, count):
    return [" ".join(random.choice(WORDS, random.randint(0, 9))) for _ in range(count)]


def padded(random):
    rows = [random.randint(1, 9, random.randint(0, 6)).tolist() for _ in range(random.randint(1, 6))]
    named = {"maxlen": [None, 3, 5][random.randint(3)], "padding": ["pre", "post"][random.randint(2)]}
    named |= {"truncating": ["pre", "post"][random.randint(2)], "value": [0, -1.5, 7][random.randint(3)]}
    named |= {"dtype": ["int32", "float32", "int64"][random.randint(3)]}
    return f"pad_sequences {named}", lambda keras: package(keras, "sequence").pad_sequences(rows, **named)


def sampled(random):
    size, factor, seed = int(random.randint(5, 20)), float(random.uniform(1e-5, 1e-2)), int(random.randint(99))
    sequence = random.randint(0, size, random.randint(2, 12)).tolist()
    named = {"window_size": int(random.randint(1, 5)), "negative_samples": float(random.choice([0, 0.5, 1, 2]))}
    named |= {"shuffle": bool(random.rand() < 0.5), "categorical": bool(random.rand() < 0.5), "seed": seed}
    table = random.rand() < 0.5

    def run(keras):
        module = package(keras, "sequence")
        probabilities = module.make_sampling_table(size, factor)
        python_random.seed(seed)
        pairs = module.skipgrams(sequence, size, sampling_table=probabilities * 50 if table else None, **named)
        return [probabilities, *pairs, *attempt(lambda: module._remove_long_seq(4, [[1, 2], [3, 4, 5, 6]], [0, 1]))]

    return f"skipgrams {named} {size, sequence}", run


def windows(random):
    data = random.standard_normal((random.randint(12, 30), 2))
    named = {
        "length": int(random.randint(1, 6)),
        "sampling_rate": int(random.randint(1, 3)),
        "stride": int(random.randint(1, 3)),
    }
    named |= {
        "batch_size": int(random.randint(1, 6)),
        "reverse": bool(random.rand() < 0.5),
        "shuffle": bool(random.rand() < 0.5),
    }
    named |= {"start_index": int(random.randint(0, 3)), "end_index": None if random.rand() < 0.5 else 11}

    def run(keras):
        generator = package(keras, "sequence").TimeseriesGenerator(data, data[:, 0], **named)
        np.random.seed(3)
        config = {k: v for k, v in generator.get_config().items() if k not in ("data", "targets", "start_index")}
        return [
            len(generator),
            [list(generator[i]) for i in range(len(generator))],
            config,
            list(json.loads(generator.to_json())),
        ]

    return f"TimeseriesGenerator {named}", run


def tokenized(random):
    corpus, others = texts(random, 4), texts(random, 3)
    named = {"num_words": [None, 4, 7][random.randint(3)], "lower": bool(random.rand() < 0.5)}
    named |= {"char_level": bool(random.rand() < 0.3), "oov_token": [None, "<OOV>", "oov"][random.randint(3)]}
    if random.rand() < 0.4:
        named |= {"filters": ".,", "split": [" ", "a"][random.randint(2)]}
    if random.rand() < 0.2:
        corpus = [text.split() for text in corpus]

    def run(keras):
        module = package(keras, "text")
        tokenizer = module.Tokenizer(**named)
        tokenizer.fit_on_texts(corpus)
        sequences = tokenizer.texts_to_sequences(others)
        result = {"sequences": sequences, "texts": tokenizer.sequences_to_texts(sequences), "config": tokenizer.get_config()}
        for name in ("word_docs", "index_docs"):  # their order is that of a set
            result["config"][name] = json.loads(result["config"][name])
        for mode in ("binary", "count", "tfidf", "freq"):
            result[mode] = attempt(lambda mode=mode: tokenizer.texts_to_matrix(others, mode))
        again = module.tokenizer_from_json(tokenizer.to_json())
        result["json"] = json.loads(tokenizer.to_json())["class_name"]
        result["again"] = again.texts_to_sequences(others)
        tokenizer.fit_on_sequences([[1, 2], [2, 5]])
        result["documents"] = [tokenizer.document_count, dict(tokenizer.word_docs), dict(tokenizer.index_docs)]
        result["words"] = [list(tokenizer.word_counts.items()), list(tokenizer.word_index.items())]
        return result

    return f"Tokenizer {named}", run


def hashed(random):
    text, n = texts(random, 1)[0], int(random.randint(2, 50))
    lower, filters = bool(random.rand() < 0.5), [None, ".,'", ""][random.randint(3)]

    def run(keras):
        module = package(keras, "text")
        named = {"lower": lower} if filters is None else {"lower": lower, "filters": filters}
        words = module.text_to_word_sequence(text, **named)
        return [words, module.text_to_word_sequence(text, split="a"), module.hashing_trick(text, n, "md5", **named)]

    return f"hashing {text!r} {n, lower, filters}", run


def cases(random, count):
    kinds = [padded, sampled, windows, tokenized, hashed, tokenized]
    for i in range(count):
        name, run = kinds[i % len(kinds)](random)
        of_keras = bool(random.rand() < 0.5)
        yield f"{i}:{name}", lambda run=run, of_keras=of_keras: run(of_keras)
