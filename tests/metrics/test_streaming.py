"""Streaming metrics compared with slow definitions: thresholds, curves, weights, any split into batches."""

import itertools

import numpy as np
import pytest

from lamella import metrics
from lamella.core.configurable import deserialize, serialize

RNG = np.random.default_rng(0)
N = 83
P = np.round(RNG.uniform(size=N), 2)  # some scores are equal, and some equal a threshold
P[:4] = [0, 1, 0.5, 0.5]
Y = (RNG.uniform(size=N) < 0.2 + 0.6 * P).astype(float)
W = RNG.integers(0, 4, N).astype(float)


def above(threshold, y=Y, p=P, w=None):
    """tp, fp, tn and fn, counted one sample after another."""
    counts = {(True, True): 0.0, (False, True): 0.0, (False, False): 0.0, (True, False): 0.0}
    for label, score, weight in zip(y, p, np.ones(len(y)) if w is None else w):
        counts[bool(label), bool(score > threshold)] += weight
    return counts[True, True], counts[False, True], counts[False, False], counts[True, False]


def area(thresholds, curve, method, y=Y, p=P, w=None):
    points = [above(t, y, p, w) for t in thresholds]
    total = 0.0
    for (tp, fp, tn, fn), (tp2, fp2, tn2, fn2) in itertools.pairwise(points):
        if curve == "PR" and method == "interpolation":
            # The integral of precision over recall in many small steps, where tp is linear in n = tp + fp.
            t = np.linspace(0, 1, 20001)
            tps, ns = tp2 + (tp - tp2) * t, tp2 + fp2 + (tp + fp - tp2 - fp2) * t
            precision = np.divide(tps, ns, out=np.full_like(tps, (tp - tp2) / max(tp + fp - tp2 - fp2, 1)), where=ns > 0)
            total += ((precision[1:] + precision[:-1]) / 2 * np.diff(tps)).sum() / (tp + fn)
            continue
        if curve == "ROC":
            x, x2, h, h2 = fp / (fp + tn), fp2 / (fp2 + tn2), tp / (tp + fn), tp2 / (tp2 + fn2)
        else:
            x, x2, h, h2 = tp / (tp + fn), tp2 / (tp2 + fn2), tp / max(tp + fp, 1e-300), tp2 / max(tp2 + fp2, 1e-300)
        total += (x - x2) * {"interpolation": (h + h2) / 2, "minoring": min(h, h2), "majoring": max(h, h2)}[method]
    return total


def streamed(metric, y, p, w=None, cuts=(7, 8, 40)):
    for rows in np.split(np.arange(len(p)), cuts):
        value = metric(y[rows], p[rows], None if w is None else w[rows])
    return value


@pytest.mark.parametrize("weights", [None, W])
@pytest.mark.parametrize(
    "name, index", [("TruePositives", 0), ("FalsePositives", 1), ("TrueNegatives", 2), ("FalseNegatives", 3)]
)
def test_counts(name, index, weights):
    thresholds = [0.7, 0.25, 0.5, 0.0, 1.0]  # any order
    wanted = [above(t, w=weights)[index] for t in thresholds]
    many = getattr(metrics, name)(thresholds)
    assert streamed(many, Y[:, None], P[:, None], weights).tolist() == wanted
    assert streamed(getattr(metrics, name)(0.25), Y, P, weights) == wanted[1]
    assert streamed(getattr(metrics, name)(), Y, P, weights) == wanted[2]


@pytest.mark.parametrize("weights", [None, W])
def test_precision_and_recall(weights):
    for threshold in (None, 0.2, 0.9):
        tp, fp, _, fn = above(0.5 if threshold is None else threshold, w=weights)
        assert streamed(metrics.Precision(threshold), Y, P, weights) == pytest.approx(tp / (tp + fp), rel=1e-14)
        assert streamed(metrics.Recall(threshold), Y, P, weights) == pytest.approx(tp / (tp + fn), rel=1e-14)
    assert metrics.Precision()(np.ones(3), np.zeros(3)) == 0 and metrics.Recall()(np.zeros(3), np.ones(3)) == 0
    np.testing.assert_allclose(metrics.Recall([0.9, 0.2])(Y, P), [above(t)[0] / Y.sum() for t in (0.9, 0.2)], rtol=1e-14)


def test_top_k_and_class_id():
    p = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1], [0.4, 0.4, 0.2]])
    y = np.array([[0, 1, 0], [1, 0, 0], [0, 1, 0]])
    assert metrics.Precision(top_k=1)(y, p) == pytest.approx(1 / 3)  # the first of equal scores
    assert metrics.Recall(top_k=2)(y, p) == pytest.approx(1.0)
    assert metrics.Precision(top_k=2)(y, p) == pytest.approx(3 / 6)
    assert metrics.Precision(0.45, top_k=2)(y, p) == pytest.approx(1 / 2)
    assert metrics.Recall(0.35, class_id=1)(y, p) == pytest.approx(1 / 2)
    assert metrics.Precision(top_k=1, class_id=0)(y, p) == pytest.approx(1 / 2)
    assert metrics.Precision(0.1, class_id=1)(y, p, np.array([1.0, 2.0, 0.0])) == pytest.approx(1 / 3)


def test_top_k_and_class_id_of_sequences():
    rng = np.random.default_rng(5)
    p, y = rng.permuted(np.arange(30.0)).reshape(2, 5, 3) / 30, rng.integers(0, 2, (2, 5, 3))
    for top_k, class_id in ((1, None), (2, None), (1, 2), (None, 0)):
        flat = metrics.Precision(0.1, top_k=top_k, class_id=class_id)(y.reshape(10, 3), p.reshape(10, 3))
        assert metrics.Precision(0.1, top_k=top_k, class_id=class_id)(y, p) == flat


def test_a_score_of_nan_is_as_low_as_0():
    y = np.array([1, 0, 1, 0])
    scores, lowest = np.array([0.9, 0.4, np.nan, 0.2]), np.array([0.9, 0.4, 0.0, 0.2])
    assert metrics.AUC(num_thresholds=None)(y, scores) == metrics.AUC(num_thresholds=None)(y, lowest) == 0.5


def test_a_metric_may_define_reset_state_alone():
    class Last(metrics.Metric):
        last = 0.0

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.last = float(y_pred)

        def result(self):
            return self.last

        def reset_state(self):
            self.last = 0.0

    metric = Last(name="last")
    assert metric(0, 3.0) == 3.0
    metric.reset_states()
    assert metric.result() == 0.0


@pytest.mark.parametrize("weights", [None, W])
@pytest.mark.parametrize("method", ["interpolation", "minoring", "majoring"])
@pytest.mark.parametrize("curve", ["ROC", "PR"])
def test_area_with_thresholds(curve, method, weights):
    for count in (2, 3, 12, 200):
        inner = [i / (count - 1) for i in range(1, count - 1)]
        wanted = area([-1e-7, *inner, 1 + 1e-7], curve, method, w=weights)
        metric = metrics.AUC(num_thresholds=count, curve=curve, summation_method=method)
        assert streamed(metric, Y, P, weights) == pytest.approx(wanted, rel=1e-6 if curve == "PR" else 1e-12), count
    given = metrics.AUC(thresholds=[0.8, 0.1, 0.5], curve=curve, summation_method=method)
    wanted = area([-1e-7, 0.1, 0.5, 0.8, 1 + 1e-7], curve, method, w=weights)
    assert streamed(given, Y, P, weights) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("weights", [None, W])
def test_exact_area(weights):
    w = np.ones(N) if weights is None else weights
    pairs = won = 0.0
    for i in range(N):
        for j in range(N):
            if Y[i] and not Y[j]:
                pairs += w[i] * w[j]
                won += w[i] * w[j] * (1.0 if P[i] > P[j] else 0.5 if P[i] == P[j] else 0.0)
    assert streamed(metrics.AUC(num_thresholds=None), Y, P, weights) == pytest.approx(won / pairs, rel=1e-12)
    every = [-1.0, *sorted(set(P))]
    for method in ("interpolation", "minoring", "majoring"):
        metric = metrics.AUC(num_thresholds=None, curve="PR", summation_method=method)
        assert streamed(metric, Y, P, weights) == pytest.approx(area(every, "PR", method, w=weights), rel=1e-6)


def test_exact_area_equals_that_of_scikit_learn():
    scores = pytest.importorskip("sklearn.metrics")
    assert metrics.AUC(num_thresholds=None)(Y, P, W) == pytest.approx(scores.roc_auc_score(Y, P, sample_weight=W), rel=1e-12)
    fine = np.random.default_rng(1).uniform(size=2000)
    y = np.random.default_rng(2).uniform(size=2000) < fine
    assert metrics.AUC()(y, fine) == pytest.approx(scores.roc_auc_score(y, fine), abs=1e-4)


@pytest.mark.parametrize("make", [
    lambda: metrics.AUC(), lambda: metrics.AUC(num_thresholds=None), lambda: metrics.AUC(curve="PR"),
    lambda: metrics.Precision(), lambda: metrics.Recall([0.3, 0.6]), lambda: metrics.TrueNegatives(),
])  # fmt: skip
def test_split_into_batches_reset_and_config_give_the_same(make):
    whole = make()(Y, P, W)
    assert np.all(whole != make()(Y, P))  # the weights have an effect
    for cuts in ((), (1,), (20, 20, 21, 82), tuple(range(1, N))):
        np.testing.assert_allclose(streamed(make(), Y, P, W, cuts), whole, rtol=1e-13)
    metric = deserialize("metrics", serialize(make()))
    metric(1 - Y, P)
    metric.reset_states()
    np.testing.assert_array_equal(metric(Y, P, W), whole)
    twice = make()
    np.testing.assert_allclose(twice(np.repeat(Y, W.astype(int)), np.repeat(P, W.astype(int))), whole, rtol=1e-13)


def test_no_samples_and_nan():
    assert metrics.AUC().result() == metrics.AUC(num_thresholds=None).result() == metrics.Precision().result() == 0
    bad = np.array([np.nan, 0.9])
    assert metrics.Precision()(np.array([1, 1]), bad) == 1 and metrics.Recall()(np.array([1, 1]), bad) == 0.5
    assert metrics.AUC(num_thresholds=None)(np.array([0, 1]), bad) == 1


@pytest.mark.parametrize(
    "make, error",
    [
        (lambda: metrics.Precision(1.5), r"Threshold values must be in \[0, 1\]. Invalid values: 1.5"),
        (lambda: metrics.Recall([0.5, -1]), r"Invalid values: \[0.5, -1\]"),
        (lambda: metrics.AUC(thresholds=[2.0]), r"Invalid values: \[2.0\]"),
        (lambda: metrics.AUC(1), "`num_thresholds` must be > 1. Got: 1"),
        (lambda: metrics.AUC(2.5), "`num_thresholds` must be > 1. Got: 2.5"),
        (lambda: metrics.AUC(curve="DET"), 'Invalid AUC curve value "DET".'),
        (lambda: metrics.AUC(summation_method="x"), 'Invalid AUC summation method value "x".'),
        (lambda: metrics.Precision(top_k=0), "precision: expected top_k to be an integer of at least 1, got 0"),
        (lambda: metrics.Recall(class_id=7)(np.eye(3), np.eye(3)), r"class_id 7 is not among the classes of shape \(3, 3\)"),
        (lambda: metrics.AUC()(np.zeros(2), np.array([0.5, 1.5])), r"auc: expected predictions in \[0, 1\], got 0.5 to 1.5"),
        (
            lambda: metrics.AUC()(np.zeros(2), np.zeros((2, 3))),
            r"expected labels of the prediction's shape \(2, 3\), got \(2,\)",
        ),
        (lambda: metrics.AUC()(np.zeros(2), np.zeros(2), np.ones(3)), r"expected sample weights of shape \(2,\), got \(3,\)"),
    ],
)
def test_wrong_arguments_raise(make, error):
    with pytest.raises(ValueError, match=error):
        make()


# labels that are neither 0 nor 1 ---------------------------------------------------------------------------


METRICS = [
    metrics.TruePositives, metrics.FalsePositives, metrics.TrueNegatives, metrics.FalseNegatives, metrics.Precision,
    metrics.Recall, metrics.AUC, lambda: metrics.AUC(curve="PR"), lambda: metrics.AUC(num_thresholds=None),
    lambda: metrics.Precision(top_k=1), lambda: metrics.Recall(class_id=1),
]  # fmt: skip


@pytest.mark.parametrize("kind", METRICS)
@pytest.mark.parametrize(
    "code", [lambda y: 0.8 * y + 0.1, lambda y: 2 * y - 1, lambda y: y > 0.5, lambda y: 0.49 * (1 - y) + y]
)
def test_smoothed_and_signed_labels_count_as_0_and_1(kind, code):
    y, p = Y[:82].reshape(-1, 2), P[:82].reshape(-1, 2)
    assert kind()(code(y), p) == kind()(y, p)


def test_a_smoothed_negative_label_is_not_positive():
    y, p = np.array([0.1, 0.1, 0.9, 0.9]), np.array([0.02, 0.98, 0.98, 0.98])
    assert [metric(y, p) for metric in (metrics.TruePositives(), metrics.FalsePositives(), metrics.Recall())] == [2, 1, 1]
    assert metrics.Precision()(y, p) == pytest.approx(2 / 3)
    assert metrics.TruePositives()(np.array([0.5]), np.array([0.9])) == 0


def test_a_label_of_nan_raises_unless_its_weight_is_0():
    y, p = np.array([1.0, np.nan, 0.0]), np.array([0.9, 0.8, 0.7])
    with pytest.raises(ValueError, match="^auc: expected labels that are numbers, got 1 NaN$"):
        metrics.AUC()(y, p)
    assert metrics.TruePositives()(y, p, np.array([1.0, 0.0, 1.0])) == 1


@pytest.mark.parametrize("shape", [(3, 1), (3, 2, 3), (3,)])
def test_mean_iou_weighs_samples(shape):
    rng = np.random.default_rng(1)
    true, predicted, weights = rng.integers(0, 2, shape), rng.integers(0, 2, shape), np.array([1.0, 2.0, 5.0])
    each = np.broadcast_to(weights.reshape(3, *[1] * (len(shape) - 1)), shape)
    ious = []
    for label in (0, 1):
        both = each[(true == label) & (predicted == label)].sum()
        either = each[(true == label) | (predicted == label)].sum()
        ious += [both / either] if either else []
    assert metrics.MeanIoU(2)(true, predicted, weights) == pytest.approx(np.mean(ious))
    assert metrics.MeanIoU(2)(true, predicted, each) == pytest.approx(np.mean(ious))
    with pytest.raises(ValueError, match=r"mean_io_u: expected sample weights of shape \(3,\), got \(2,\)"):
        metrics.MeanIoU(2)(true, predicted, weights[:2])


@pytest.mark.parametrize(
    "name", ["Accuracy", "BinaryAccuracy", "RootMeanSquaredError", "MeanSquaredError", "MeanAbsoluteError"]
)
def test_labels_without_the_last_axis_of_predictions(name):
    """Labels [N] beside predictions [N, 1] became [N, N]: the root mean squared error of a perfect prediction was not 0."""
    y = np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    p = np.array([0.0, 1.0, 0.0, 0.0, 1.0])
    w = np.array([1.0, 2.0, 3.0, 0.0, 1.0])
    kind = getattr(metrics, name)
    for weights in (None, w):
        right = kind()(y[:, None], p[:, None], weights)
        share = 0.2 if weights is None else 3 / 7
        wanted = {"RootMeanSquaredError": share**0.5}.get(name, 1 - share if name.endswith("Accuracy") else share)
        assert right == pytest.approx(wanted)
        assert kind()(y, p[:, None], weights) == kind()(y[:, None], p, weights) == right
    with pytest.raises(ValueError, match=r"expected .* of the prediction's shape \(5, 1\), got \(5, 3\)"):
        kind()(np.zeros((5, 3)), np.zeros((5, 1)))
