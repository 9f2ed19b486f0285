"""Functions of keras.engine.training_utils for training loops of scripts. Source: Keras 2.2.5."""

import numpy as np
import pytest
from lamella.engine import training_utils

from lamella import backend as K
from lamella import losses
from lamella.layers import Dense, Input, Masking
from lamella.models import Model, Sequential
from lamella.training.shares import row_shares

RNG = np.random.default_rng(2)
X = np.zeros((5, 3))


@pytest.mark.parametrize("weights", [None, (3,), (3, 4)], ids=str)
@pytest.mark.parametrize("masked", [False, True])
def test_the_weighted_mean_is_that_of_training(weights, masked, float64):
    y, p = RNG.normal(size=(2, 3, 4, 2))
    w = None if weights is None else RNG.uniform(size=weights) * (RNG.uniform(size=weights) > 0.3)
    mask = (RNG.uniform(size=(3, 4)) > 0.3).astype(float) if masked else None
    rows = np.abs(y - p).mean(-1)
    wanted = (rows * row_shares(w, rows, mask)).sum()
    mean = training_utils.weighted_masked_objective(losses.mean_absolute_error)
    tensors = [None if a is None else K.variable(a) for a in (y, p, w, mask)]
    assert float(K.eval(mean(*tensors))) == pytest.approx(wanted, rel=1e-6)
    places = [None if a is None else K.placeholder(a.shape) for a in (y, p, w, mask)]
    fed = [a for a in (y, p, w, mask) if a is not None]
    f = K.function([x for x in places if x is not None], [mean(*places)])
    assert f(fed)[0] == pytest.approx(wanted, rel=1e-6)


def test_no_loss_has_no_mean():
    assert training_utils.weighted_masked_objective(None) is None


def test_weights_of_samples_are_the_products(float64):
    y = np.array([0, 2, 1, 2])
    np.testing.assert_array_equal(training_utils.standardize_weights(y), np.ones(4))
    np.testing.assert_array_equal(training_utils.standardize_weights(y, [1, 2, 3, 4]), [1, 2, 3, 4])
    classes = {0: 0.5, 1: 2.0, 2: 3.0}
    np.testing.assert_array_equal(training_utils.standardize_weights(y, class_weight=classes), [0.5, 3, 2, 3])
    np.testing.assert_array_equal(training_utils.standardize_weights(np.eye(3)[y], [1, 2, 3, 4], classes), [0.5, 6, 6, 12])
    temporal = training_utils.standardize_weights(np.zeros((2, 3, 1)), sample_weight_mode="temporal")
    np.testing.assert_array_equal(temporal, np.ones((2, 3)))
    with pytest.raises(ValueError, match="must contain all classes"):
        training_utils.standardize_weights(y, class_weight={0: 1})


def test_weights_by_output():
    for kind in ("sample", "class"):
        by_output = getattr(training_utils, f"standardize_{kind}_weights")
        assert by_output(None, ["a", "b"]) == [None, None]
        assert by_output({"b": 1}, ["a", "b"]) == [None, 1]
        assert training_utils.standardize_sample_or_class_weights([1, 2], ["a", "b"], f"{kind}_weight") == [1, 2]
        with pytest.raises(ValueError, match=f"Provided `{kind}_weight` was a list of 1 elements"):
            by_output([1], ["a", "b"])


def test_input_data_by_name():
    a, b = np.zeros(4), np.ones((4, 2))
    first, second = training_utils.standardize_input_data({"b": b, "a": a}, ["a", "b"], [(None, 1), (4, 2)])
    assert first.shape == (4, 1) and second is b
    assert training_utils.standardize_input_data(None, ["a"]) == [None] and training_utils.standardize_input_data([], []) == []
    assert training_utils.standardize_input_data(b, ["b"], [(5, 2)], check_batch_axis=False) == [b]
    with pytest.raises(
        ValueError, match=r"checking target: expected b to have shape \(5, 2\) but got array with shape \(4, 2\)"
    ):
        training_utils.standardize_input_data(b, ["b"], [(5, 2)], exception_prefix="target")
    with pytest.raises(ValueError, match=r"expected b to have shape \(3,\)"):
        training_utils.standardize_input_data(b, ["b"], [(None, 3)])


def test_numbers_of_samples():
    check, a, b = training_utils.check_array_length_consistency, np.zeros((4, 2)), np.zeros((3, 2))
    for fitting in ((None, None, None), ([a, a], [a], [a[:, 0]]), ([None], [None], [None])):
        check(*fitting)
    for wrong in (([a], None, None), ([a], [a]), ([a, b], [a], [a]), ([a], [b], [a]), ([a], [a], [b]), ([a], [None], [a])):
        with pytest.raises(ValueError, match="the same number of samples"):
            check(*wrong)


def test_targets_that_do_not_fit_their_loss():
    check, y = training_utils.check_loss_and_target_compatibility, np.zeros((2, 3, 5))
    check([y, None, y], [losses.mse, losses.mse, None], [(None, None, 5), (None, 4), (None, 1)])
    check([y], [losses.mean_absolute_error], [(2, 3, 6)])  # as in Keras, only three losses are checked
    for loss in (losses.mean_squared_error, losses.binary_crossentropy, losses.categorical_crossentropy):
        with pytest.raises(ValueError, match="targets to have the same shape as the output"):
            check([y], [loss], [(None, 3, 6)])
    with pytest.raises(ValueError, match="You are passing a target array of shape"):
        check([y[..., :1]], [losses.categorical_crossentropy], [(None, 3, 1)])


def test_metrics_by_output():
    assert training_utils.collect_metrics({"b": ["mae", "mse"]}, ["a", "b"]) == [[], ["mae", "mse"]]
    with pytest.warns(UserWarning, match=r"Invalid layer name for metric computations: \['c'\]"):
        assert training_utils.collect_metrics({"c": "mae"}, ["a"]) == [[]]


def test_a_mask_of_a_model(float64):
    x = Input((3, 2))
    model = Model(x, Dense(1)(Masking()(x)))
    model.compile("sgd", "mse")
    data, y = RNG.normal(size=(4, 3, 2)), RNG.normal(size=(4, 3, 1))
    data[1, 2] = data[3, 0] = 0
    mean = training_utils.weighted_masked_objective(losses.mse)
    w = RNG.uniform(size=4)
    mask = (data != 0).any(-1).astype(float)
    got = K.eval(mean(K.variable(y), K.variable(model.predict(data)), K.variable(w), K.variable(mask)))
    assert float(got) == pytest.approx(model.test_on_batch(data, y, sample_weight=w), rel=1e-6)


def test_single_arrays_get_two_axes():
    np.testing.assert_array_equal(training_utils.standardize_single_array(np.arange(3)), [[0], [1], [2]])
    image = np.zeros((2, 3, 4))
    assert training_utils.standardize_single_array(image) is image and training_utils.standardize_single_array(None) is None
    known = Input(batch_shape=(2, 3))
    assert training_utils.standardize_single_array(known) is known
    with pytest.raises(ValueError, match=r"static batch size. Got tensor with shape: \(None, 3\)"):
        training_utils.standardize_single_array(Input((3,)))


def test_arguments_beside_a_generator():
    training_utils.check_generator_arguments(None, None, 0.0)
    for given, name in (({"y": X}, "`y`"), ({"sample_weight": X}, "`sample_weight`"), ({"validation_split": 0.1}, "`valid")):
        with pytest.raises(ValueError, match=name):
            training_utils.check_generator_arguments(**given)


def test_the_number_of_samples():
    check = training_utils.check_num_samples
    assert check([np.zeros((7, 2)), np.zeros((7, 1))], batch_size=3) == 7 and check([np.zeros((7, 2))], steps=2) == 7
    assert check([1], batch_size=3) is None and check([K.variable(1.0)], steps=3) is check([], steps=3) is None
    with pytest.raises(ValueError, match="If steps_per_epoch is set, the `batch_size` must be None."):
        check([X], 3, 2, "steps_per_epoch")
    with pytest.raises(ValueError, match="you should specify the `steps` argument"):
        check([Input((3,))], batch_size=3)


def test_the_shape_given_to_a_first_layer():
    first = Dense(2, batch_input_shape=(4, 3), dtype="float64")
    for layer in (first, Sequential([first]), Model(first.input, Dense(1)(first.output)), Sequential([Sequential([first])])):
        assert training_utils.get_input_shape_and_dtype(layer) == ((4, 3), "float64")
        assert training_utils.get_static_batch_size(layer) == 4
    assert training_utils.get_input_shape_and_dtype(Dense(2)) == (None, None)
    assert training_utils.get_static_batch_size(Dense(2)) is None
    assert training_utils.get_static_batch_size(Dense(2, input_shape=(3,))) is None
    with pytest.raises(ValueError, match="An empty Model cannot be used as a Layer."):
        training_utils.get_static_batch_size(Sequential())
