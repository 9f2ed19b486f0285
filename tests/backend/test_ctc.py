"""CTC: the loss and the beam search against a loop over all paths."""

import itertools

import numpy as np
import pytest

from lamella import backend as K
from lamella import ops
from lamella.layers import Activation, Dense, Input
from lamella.models import Model
from lamella.ops.tape import value_of
from tests.ops.gradients import check

RNG = np.random.default_rng(0)
N, T, C, L = 5, 4, 4, 3
P = RNG.random((N, T, C)) + 0.05
# The first row repeats a label; the last has more labels than steps.
LABELS = np.array([[1, 1, 0], [2, 0, 9], [0, -1, -1], [7, 7, 7], [1, 1, 2]])
STEPS, LENGTHS = np.array([4, 3, 4, 2, 3]), np.array([2, 2, 1, 0, 3])


def spelled(path):
    merged = [c for c, _ in itertools.groupby(path)]
    return tuple(c for c in merged if c != C - 1)


def probabilities(row, steps):
    """{labels: probability}, summed over all paths."""
    q = (row + K.epsilon()) / (row + K.epsilon()).sum(-1, keepdims=True)
    found = {}
    for path in itertools.product(range(C), repeat=steps):
        found[spelled(path)] = found.get(spelled(path), 0.0) + np.prod([q[t, c] for t, c in enumerate(path)])
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_cost_sums_over_all_paths(dtype):
    got = K.ctc_batch_cost(LABELS, P.astype(dtype), STEPS[:, None], LENGTHS[:, None])
    wanted = [
        -np.log(probabilities(row, t).get(tuple(labels[:length]), 0.0) or np.nan)
        for row, t, labels, length in zip(P, STEPS, LABELS, LENGTHS)
    ]
    assert got.shape == (N, 1) and got.dtype == dtype and np.isinf(got[-1, 0])
    np.testing.assert_allclose(got[:-1, 0], wanted[:-1], rtol=1e-6 if dtype == "float32" else 1e-12)


def test_no_steps_give_no_labels_and_an_empty_batch_has_no_costs():
    got = K.ctc_batch_cost(np.zeros((2, 1)), P[:2], [[0], [0]], [[0], [1]])
    np.testing.assert_array_equal(got, [[0.0], [np.inf]])
    assert K.ctc_batch_cost(np.zeros((0, 3)), np.zeros((0, 4, 3)), np.zeros((0, 1)), np.zeros((0, 1))).shape == (0, 1)


def test_blanks_at_the_end_of_labels_do_not_count():
    blank = C - 1
    labels = np.array([[1, 1, blank], [blank, blank, 9], [blank, 5, 7]])
    got = K.ctc_batch_cost(labels, P[:3], [[4]] * 3, [[3], [2], [1]])
    wanted = K.ctc_batch_cost(np.array([[1, 1], [0, 0], [0, 0]]), P[:3], [[4]] * 3, [[2], [0], [0]])
    np.testing.assert_array_equal(got, wanted)
    empty = -np.log(probabilities(P[1], 4)[()])
    np.testing.assert_allclose(got[1, 0], empty, rtol=1e-12)
    with pytest.raises(ValueError, match="blanks, class 3, only at the end of a row of labels"):
        K.ctc_batch_cost([[1, blank, 1]], P[:1], [[4]], [[3]])


def test_the_gradient_of_the_cost():
    check(lambda p: K.ctc_batch_cost(LABELS[:4], p, STEPS[:4, None], LENGTHS[:4, None]), P[:4])
    # A row with too few steps for its labels has no gradient.
    sums = ops.ctc_loss(P, labels=LABELS, steps=STEPS, lengths=LENGTHS, epsilon=1e-7)
    assert np.isinf(sums[-1])


def test_a_long_sequence_does_not_underflow():
    p = np.full((1, 3000, 50), 0.02, "float32")
    labels = RNG.integers(0, 49, (1, 900))
    got = K.ctc_batch_cost(labels, p, [[3000]], [[900]])
    assert np.isfinite(got).all() and 5000 < got[0, 0] < 3000 * np.log(50)


@pytest.mark.parametrize(
    ("labels", "p", "steps", "lengths", "message"),
    [
        (np.where(LABELS == 2, np.nan, LABELS), P, STEPS[:, None], LENGTHS[:, None], "whole numbers in y_true, got NaN"),
        (LABELS + 0.5, P, STEPS[:, None], LENGTHS[:, None], "whole numbers in y_true, got fractions"),
        (LABELS + 2, P, STEPS[:, None], LENGTHS[:, None], r"labels in \[0, 3\)"),
        (LABELS - 1, P, STEPS[:, None], LENGTHS[:, None], r"labels in \[0, 3\)"),
        (LABELS, P, STEPS[:, None] + 1, LENGTHS[:, None], "input_length from 0 to 4, got 3 to 5"),
        (LABELS, P, STEPS[:, None], LENGTHS[:, None] - 1, "label_length from 0 to 3, got -1 to 2"),
        (LABELS, P, STEPS, LENGTHS[:, None], r"input_length of shape \(5, 1\), got \(5,\)"),
        (LABELS[:3], P, STEPS[:, None], LENGTHS[:, None], r"expected y_true \[N, L\]"),
        (LABELS, P[0], STEPS[:, None], LENGTHS[:, None], r"expected y_true \[N, L\]"),
        (LABELS, P, np.full((5, 1), np.nan), LENGTHS[:, None], "whole numbers in input_length, got NaN"),
    ],
)
def test_wrong_arguments_of_the_cost_are_refused(labels, p, steps, lengths, message):
    with pytest.raises(ValueError, match="K.ctc_batch_cost: .*" + message):
        K.ctc_batch_cost(labels, p, steps, lengths)


def test_greedy_decoding():
    best = np.array([[0, 0, 3, 0, 1], [3, 2, 2, 1, 1], [3, 3, 3, 3, 3]])
    p = np.eye(4)[best] * 0.7 + 0.1
    (found,), scores = K.ctc_decode(p, [5, 3, 5])
    np.testing.assert_array_equal(found, [[0, 0, 1], [2, -1, -1], [-1, -1, -1]])
    assert found.dtype == np.int64
    np.testing.assert_allclose(scores, -np.log([[0.8]]) * [[5], [3], [5]], rtol=1e-6)


def test_a_wide_beam_finds_the_best_of_all_paths():
    found, scores = K.ctc_decode(P, STEPS, greedy=False, beam_width=200, top_paths=3)
    for n in range(N):
        best = sorted(probabilities(P[n], STEPS[n]).items(), key=lambda entry: -entry[1])[:3]
        for k, (labels, share) in enumerate(best):
            np.testing.assert_array_equal(found[k][n][: len(labels)], labels)
            assert (found[k][n][len(labels) :] == -1).all()
            np.testing.assert_allclose(scores[n, k], np.log(share), rtol=1e-10)
    narrow, _ = K.ctc_decode(P, STEPS, greedy=False, beam_width=1)
    assert len(narrow) == 1 and narrow[0].shape[0] == N


def test_a_beam_merges_repeats_on_request():
    # With a blank between, 1 1 is the best.
    p = np.eye(3)[[1, 2, 1]][None] * 0.9 + 0.03
    assert K.ctc_decode(p, [3], greedy=False)[0][0].tolist() == [[1, 1]]
    assert K.ctc_decode(p, [3], greedy=False, merge_repeated=True)[0][0].tolist() == [[1]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((P, STEPS[:, None]), r"input_length of shape \(5,\)"),
        ((P[0], STEPS), r"y_pred \[N, T, C\]"),
        ((P, STEPS, False, 2, 3), "1 to beam_width=2 top_paths, got 3"),
        ((P[:1, :1], [1], False, 9, 6), "at least top_paths=6 label sequences for 1 steps, found 4"),
    ],
)
def test_wrong_arguments_of_decoding_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        K.ctc_decode(*arguments)


def test_labels_as_a_sparse_tensor():
    sparse = K.ctc_label_dense_to_sparse(LABELS, LENGTHS)
    assert K.is_sparse(sparse) and not K.is_sparse(LABELS)
    np.testing.assert_array_equal(sparse.indices, [[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [4, 0], [4, 1], [4, 2]])
    np.testing.assert_array_equal(sparse.values, [1, 1, 2, 0, 0, 1, 1, 2])
    np.testing.assert_array_equal(K.to_dense(sparse), np.where(np.arange(3) < LENGTHS[:, None], LABELS, 0))
    assert K.to_dense(LABELS) is LABELS
    with pytest.raises(TypeError, match="symbolic"):
        K.ctc_label_dense_to_sparse(Input((3,)), LENGTHS)


def test_a_model_trains_with_the_cost():
    """As in the script image_ocr: the cost is an output, and the loss is this output."""
    x, labels = Input((6, 3)), Input((2,))
    steps, lengths = Input((1,), dtype="int64"), Input((1,), dtype="int64")
    p = Activation("softmax")(Dense(4)(x))
    cost = K.ctc_batch_cost(labels, p, steps, lengths)
    assert cost.shape == (None, 1)
    model = Model([x, labels, steps, lengths], cost)
    model.compile("adam", lambda y_true, y_pred: y_pred)
    data = [RNG.normal(size=(8, 6, 3)), RNG.integers(0, 3, (8, 2)), np.full((8, 1), 6), np.full((8, 1), 2)]
    h = model.fit(data, np.zeros((8, 1)), epochs=60, verbose=0).history["loss"]
    assert h[-1] < h[0]
    (paths,), scores = K.ctc_decode(p, steps[:, 0])
    assert paths.shape == (None, None) and paths.dtype == "int64" and scores.shape == (None, 1)
    decode = K.function([x, steps], [paths, scores])
    found, _ = decode([data[0], data[2]])
    (wanted,), _ = K.ctc_decode(Model(x, p).predict(data[0]), data[2][:, 0])
    np.testing.assert_array_equal(found, wanted)
    assert value_of(found).max() <= 2
