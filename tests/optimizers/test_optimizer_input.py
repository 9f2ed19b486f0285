"""Arguments, hyperparameters as Variables, and wrong arrays in `step`: errors name the array, and nothing is modified."""

import pickle

import numpy as np
import pytest

from lamella import backend as K
from lamella import optimizers
from lamella.core.variable import Variable
from lamella.optimizers import SGD, Adadelta, Adafactor, Adagrad, Adam, Adamax, AdamW, Lamb, Lion, Nadam, RMSprop

CLASSES = [SGD, RMSprop, Adagrad, Adadelta, Adafactor, Adam, AdamW, Adamax, Lamb, Lion, Nadam]
MAKERS = [*CLASSES, lambda: Adam(amsgrad=True), lambda: Adam(clipnorm=1.0)]


def pair(dtype=np.float32):
    rng = np.random.default_rng(0)
    shapes = [(3, 4), (4,), ()]
    make = lambda: [np.asarray(rng.normal(size=s), dtype) for s in shapes]
    return make(), make()


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    "spoil, error, words",
    [
        (lambda p, g: (p, g[:2]), ValueError, "expected 3 gradients.*got 2"),
        (lambda p, g: (p, [g[0].T] + g[1:]), ValueError, r"gradient 0 of shape \(3, 4\), got \(4, 3\)"),
        (lambda p, g: (p, [g[0].astype("f8")] + g[1:]), TypeError, "gradient 0 of dtype float32, got float64"),
        (lambda p, g: (p, [g[0].astype("i4")] + g[1:]), TypeError, "gradient 0 of dtype float32, got int32"),
        (lambda p, g: (p, [g[0], None, g[2]]), ValueError, "`None` for gradient"),
        (lambda p, g: (p, [g[0], [1.0] * 4, g[2]]), TypeError, "gradient 1 to be a NumPy array, got list"),
        (lambda p, g: (p, [p[0]] + g[1:]), ValueError, "gradient 0 overlaps the memory of parameter 0"),
        (lambda p, g: (p, [g[0], p[0][0], g[2]]), ValueError, "gradient 1 overlaps the memory of parameter 0"),
        (lambda p, g: ([p[0].astype("f2")] + p[1:], g), TypeError, "parameter 0 to be native float32 or float64"),
        (lambda p, g: ([p[0].astype("f8")] + p[1:], g), TypeError, "one dtype for all"),
        (lambda p, g: ([np.asfortranarray(p[0])] + p[1:], g), ValueError, "parameter 0 to be C-contiguous"),
        (lambda p, g: ([p[0], p[1], "x"], g), TypeError, "parameter 2 to be a NumPy array, got str"),
        (lambda p, g: ([p[0], p[0][1], p[2]], g), ValueError, "parameter 0 and parameter 1 share memory"),
        (lambda p, g: ([], []), ValueError, "at least one parameter"),
    ],
)
def test_bad_arrays_are_refused_and_nothing_changes(make, spoil, error, words):
    params, grads = spoil(*pair())
    before = [np.array(p) for p in params]
    opt = make()
    with pytest.raises(error, match=words):
        opt.step(params, grads)
    for p, b in zip(params, before):
        assert np.array_equal(p, b)
    assert int(opt.iterations) == 0


def test_a_gradient_in_the_memory_of_a_slot_of_another_shape_is_refused():
    params, grads = pair()
    opt = Adafactor()
    opt.step(params, grads)
    before = opt.get_weights()
    with pytest.raises(ValueError, match="gradient 1 overlaps the memory of the state of parameter 1; pass a copy"):
        opt.step(params, [grads[0], opt.state_of("rows")[1], grads[2]])
    assert all(np.array_equal(c, w) for c, w in zip(opt.get_weights(), before, strict=True))


@pytest.mark.parametrize("make", [make for make in MAKERS if make is not Adafactor])
def test_a_gradient_in_the_memory_of_a_slot_is_refused(make):
    params, grads = pair()
    opt = make()
    opt.step(params, grads)
    slot = next(w.value for w in opt.weights if w.value.shape == (3, 4))
    before = [p.copy() for p in params], opt.get_weights()
    with pytest.raises(ValueError, match="gradient 0 overlaps the memory of the state of parameter 0; pass a copy"):
        opt.step(params, [slot, *grads[1:]])
    with pytest.raises(ValueError, match="gradient 1 overlaps the memory of the state of parameter 0; pass a copy"):
        opt.step(params, [grads[0], slot[1], grads[2]])
    for came, wanted in zip((params, opt.get_weights()), before):
        assert all(np.array_equal(c, w) for c, w in zip(came, wanted, strict=True))


def test_read_only_parameters_are_refused():
    params, grads = pair()
    params[1].flags.writeable = False
    with pytest.raises(ValueError, match="parameter 1 is read-only"):
        SGD().step(params, grads)


def test_parameters_that_become_read_only_later_are_refused():
    params, grads = pair()
    opt = Adam()
    opt.step(params, grads)
    params[0].flags.writeable = False
    before = [p.copy() for p in params]
    with pytest.raises(ValueError, match="parameter 0 is read-only"):
        opt.step(params, grads)
    assert all(np.array_equal(p, b) for p, b in zip(params, before)) and int(opt.iterations) == 1


def test_gradients_of_any_layout_give_the_step_of_a_contiguous_copy():
    shape = (4, 6)
    g = np.random.default_rng(1).normal(size=shape).astype("f4")
    unaligned = np.frombuffer(b"\0" + g.tobytes(), np.uint8)[1:].view("f4").reshape(shape)
    backwards = np.ascontiguousarray(g[::-1, ::-1])[::-1, ::-1]
    read_only = g.copy()
    read_only.flags.writeable = False
    results = []
    for grad in (g, np.asfortranarray(g), backwards, g.astype(">f4"), unaligned, read_only):
        p = np.ones(shape, "f4")
        kept = grad.copy()
        opt = Adam(lr=0.1)
        opt.step([p], [grad])
        opt.step([p], [grad])
        assert np.array_equal(grad, kept)
        results.append(p)
    for p in results[1:]:
        assert p.tobytes() == results[0].tobytes()


def test_a_view_of_a_shared_buffer_that_does_not_overlap_is_accepted():
    buffer = np.ones(8, "f4")
    p, g = buffer[:4], buffer[4:]
    SGD(lr=0.5).step([p], [g])
    assert p.tolist() == [0.5] * 4 and g.tolist() == [1.0] * 4


def test_state_belongs_to_the_arrays_not_to_the_list():
    params, grads = pair(np.float64)
    again = [p.copy() for p in params]
    a, b = Adam(), Adam()
    for _ in range(3):
        a.step(params, grads)
        b.step([again[0], again[1], again[2]], tuple(grads))
    assert all(np.array_equal(p, q) for p, q in zip(params, again))
    with pytest.raises(ValueError, match="the state belongs to the arrays given first"):
        a.step([p.copy() for p in params], grads)


def test_one_optimizer_for_two_lists_keeps_two_states():
    (p, g), (q, h) = ([np.ones(3)], [np.full(3, 0.5)]), ([np.ones(2)], [np.full(2, -2.0)])
    shared = SGD(lr=0.1, momentum=0.9)
    shared.bind(p), shared.bind(q)
    for _ in range(2):
        shared.step(p, g)
        shared.step(q, h)
    # v1 = -lr*g; v2 = 0.9*v1 - lr*g; p = 1 + v1 + v2.
    np.testing.assert_allclose(p[0], 1 - 2.9 * 0.1 * 0.5, rtol=1e-14)
    np.testing.assert_allclose(q[0], 1 + 2.9 * 0.1 * 2.0, rtol=1e-14)
    assert int(shared.iterations) == 4


def test_clipnorm_is_global_and_comes_before_clipvalue():
    p = [np.zeros(2), np.zeros(1)]
    g = [np.array([3.0, 0.0]), np.array([4.0])]
    SGD(lr=1.0, clipnorm=1.0).step(p, g)
    np.testing.assert_allclose(np.concatenate(p), [-0.6, 0.0, -0.8], rtol=1e-14)
    p = [np.zeros(2), np.zeros(1)]
    SGD(lr=1.0, clipnorm=1.0, clipvalue=0.7).step(p, g)
    np.testing.assert_allclose(np.concatenate(p), [-0.6, 0.0, -0.7], rtol=1e-14)
    p = [np.zeros(2), np.zeros(1)]
    SGD(lr=1.0, clipnorm=0, clipvalue=0).step(p, g)
    np.testing.assert_allclose(np.concatenate(p), [-3.0, 0.0, -4.0], rtol=1e-14)


def test_decay_counts_earlier_steps_only_if_the_constructor_had_it():
    p = [np.zeros(1)]
    opt = SGD(lr=1.0, decay=0.5)
    for wanted in (1.0, 1.0 + 1 / 1.5, 1.0 + 1 / 1.5 + 1 / 2.0):
        opt.step(p, [np.ones(1)])
        np.testing.assert_allclose(-p[0], wanted, rtol=1e-14)
    assert opt.get_config()["lr"] == 1.0
    late = SGD(lr=1.0)
    late.decay = 0.5
    p = [np.zeros(1)]
    late.step(p, [np.ones(1)]), late.step(p, [np.ones(1)])
    assert p[0].item() == -2.0


def test_numbers_are_variables_and_take_plain_assignment():
    opt = Adam(lr=0.25)
    held = opt.lr
    opt.lr = 0.5
    assert opt.lr is held and float(held) == 0.5 and opt.get_config()["lr"] == 0.5
    held.assign(0.125)
    assert float(opt.lr) == 0.125
    p = [np.zeros(1)]
    sgd = SGD(lr=0.1)
    sgd.lr = 2.0
    sgd.step(p, [np.ones(1)])
    assert p[0].item() == -2.0


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), np.float32("nan")])
@pytest.mark.parametrize("cls", CLASSES)
def test_no_hyperparameter_becomes_infinite(cls, number):
    opt = cls()
    for name, kept in [(name, value) for name, value in vars(opt).items() if isinstance(value, Variable)]:
        if name == "iterations":
            continue
        before = float(kept)
        for setter in (kept.assign, lambda x: K.set_value(kept, x), lambda x: setattr(opt, name, x), kept.assign_add):
            with pytest.raises(ValueError, match=f"expected a finite {name}, got "):
                setter(number)
            assert float(kept) == before
    K.set_value(opt.lr, 0.5)
    twin = pickle.loads(pickle.dumps(opt))
    with pytest.raises(ValueError, match="expected a finite lr"):
        K.set_value(twin.lr, number)
    assert float(opt.lr) == float(twin.lr) == 0.5


def test_unknown_keywords():
    for cls in CLASSES:
        with pytest.raises(TypeError, match="^Unexpected keyword argument passed to optimizer: learning_rate$"):
            cls(learning_rate=0.1)
    with pytest.raises(ValueError, match="clipnorm"):
        SGD(clipnorm=-1)
    with pytest.raises(TypeError, match="^Unexpected keyword argument passed to optimizer: decay$"):
        Nadam(decay=0.1)
    for epsilon in (-1e-7, "small", float("nan")):
        with pytest.raises(ValueError, match="expected epsilon to be a number >= 0"):
            RMSprop(epsilon=epsilon)
    with pytest.raises(ValueError, match="AdamW: expected weight_decay to be a number >= 0, got -0.1"):
        AdamW(weight_decay=-0.1)
    with pytest.raises(ValueError, match="finite lr"):
        Adam(lr=float("nan"))
    with pytest.raises(TypeError, match="number for lr"):
        Adam(lr="fast")


def test_get_by_name_config_and_instance():
    assert type(optimizers.get("adam")) is type(optimizers.get("Adam")) is type(optimizers.get("ADAM")) is Adam
    opt = SGD(lr=0.3, clipnorm=2.0)
    assert optimizers.get(opt) is opt
    twin = optimizers.get(optimizers.serialize(opt))
    assert type(twin) is SGD and twin.get_config() == opt.get_config() and twin.clipnorm == 2.0
    for cls in CLASSES:
        for name in (cls.__name__, cls.__name__.lower(), cls.__name__.upper()):
            assert type(optimizers.get(name)) is cls
        assert getattr(optimizers, cls.__name__.lower()) is cls
    with pytest.raises(ValueError, match="Unknown optimizer: AdamM"):
        optimizers.get("AdamM")
    for improper in ({}, {"class_name": "SGD"}, {"config": {}}):
        with pytest.raises(ValueError, match="Improper config format"):
            optimizers.get(improper)
    with pytest.raises(ValueError, match="Could not interpret optimizer identifier: 3"):
        optimizers.get(3)


def test_weights_that_are_not_numbers_are_refused_and_nothing_changes():
    opt = SGD(momentum=0.9)
    opt.step([np.ones(2), np.ones(())], [np.ones(2), np.ones(())])
    before = opt.get_weights()
    with pytest.raises(ValueError, match="could not convert string to float"):
        opt.set_weights([np.int64(5), np.zeros(2), "x"])
    for a, b in zip(opt.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_set_weights_refuses_other_lists():
    params, grads = pair()
    opt = Adam()
    with pytest.raises(ValueError, match=r"list \(1\) does not match .* \(0\)"):
        opt.set_weights([np.zeros(1)])
    opt.step(params, grads)
    before = opt.get_weights()
    with pytest.raises(ValueError, match="not compatible with provided weight shape"):
        opt.set_weights(before[:-1] + [np.zeros(7)])
    assert all(np.array_equal(a, b) for a, b in zip(before, opt.get_weights()))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_epsilon_is_added_to_the_uncorrected_root(dtype):
    p = [np.zeros(1, dtype)]
    Adam().step(p, [np.full(1, 1e-6, dtype)])
    # lr_t = 1e-3 * sqrt(1e-3) / 0.1, m = 1e-7, sqrt(v) = 1e-6 * sqrt(1e-3): 2.40e-4, not the paper form's 9.09e-4.
    np.testing.assert_allclose(-p[0], 2.4025e-4, rtol=1e-4)


def test_tensorflows_optimizers_are_refused_with_the_reason():
    with pytest.raises(
        AttributeError, match="TFOptimizer of Keras 2.2.5 is not in lamella: it wraps an optimizer of TensorFlow"
    ):
        optimizers.TFOptimizer
    for name in ("TFOptimizer", "tfoptimizer"):
        with pytest.raises(ValueError, match="lamella does not use; take an optimizer of lamella"):
            optimizers.get(name)
    with pytest.raises(AttributeError, match="module 'lamella.optimizers' has no attribute 'Muon'"):
        optimizers.Muon


def test_custom_classes_are_found_by_their_exact_name():
    class Mine(SGD):
        pass

    config = {"class_name": "Mine", "config": {"lr": 0.5}}
    mine = optimizers.deserialize(config, {"Mine": Mine})
    assert type(mine) is Mine and optimizers.serialize(mine)["config"]["lr"] == 0.5
    with pytest.raises(ValueError, match="Unknown optimizer: Mine"):
        optimizers.deserialize(config)
