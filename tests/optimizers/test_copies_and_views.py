"""An optimizer's state belongs to the memory of its parameters: new views use it, copies have their own, other arrays are refused."""

import copy
import pickle

import numpy as np
import pytest

from lamella.optimizers import (
    SGD,
    Adadelta,
    Adafactor,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Ftrl,
    Lamb,
    Lion,
    Nadam,
    Optimizer,
    RMSprop,
)
from lamella.optimizers.state import State

MAKERS = {
    "SGD": SGD,
    "momentum": lambda: SGD(momentum=0.9, nesterov=True),
    "RMSprop": RMSprop,
    "RMSprop with momentum": lambda: RMSprop(momentum=0.5, centered=True),
    "Ftrl": Ftrl,
    "Adagrad": Adagrad,
    "Adadelta": Adadelta,
    "Adam": Adam,
    "AMSGrad": lambda: Adam(amsgrad=True, decay=0.1),
    "AdamW": AdamW,
    "Adamax": Adamax,
    "Lamb": lambda: Lamb(weight_decay=0.1),
    "Adafactor": Adafactor,
    "Lion": Lion,
    "Nadam": Nadam,
    "accumulating": lambda: Adam(gradient_accumulation_steps=2),
    "Nadam accumulating": lambda: Nadam(gradient_accumulation_steps=3),
}
makers = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def gradients(step, dtype="float64"):
    rng = np.random.default_rng(step)
    return [rng.normal(size=shape).astype(dtype) for shape in ((3, 4), (4,), ())]


def start(dtype="float64"):
    return [np.ones(shape, dtype) for shape in ((3, 4), (4,), ())]


def trained(optimizer, params, steps, dtype="float64"):
    for step in steps:
        optimizer.step(params, gradients(step, dtype))
    return params


def check_same(left, right):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_array_equal(a, b)


def by_joblib(optimizer, tmp_path, **kwargs):
    joblib = pytest.importorskip("joblib")
    joblib.dump(optimizer, tmp_path / "optimizer.joblib")
    return joblib.load(tmp_path / "optimizer.joblib", **kwargs)


COPIES = {
    "copy": lambda optimizer, _: copy.copy(optimizer),
    "deepcopy": lambda optimizer, _: copy.deepcopy(optimizer),
    "pickle": lambda optimizer, _: pickle.loads(pickle.dumps(optimizer)),
    "cloudpickle": lambda optimizer, _: pickle.loads(pytest.importorskip("cloudpickle").dumps(optimizer)),
    "joblib": by_joblib,
    "joblib, mapped": lambda optimizer, path: by_joblib(optimizer, path, mmap_mode="r"),
    "joblib, mapped to write": lambda optimizer, path: by_joblib(optimizer, path, mmap_mode="r+"),
    "twice": lambda optimizer, _: copy.copy(pickle.loads(pickle.dumps(optimizer))),
}


@makers
@dtypes
@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_a_copy_continues_training_with_the_same_bits(make, dtype, copied, tmp_path):
    optimizer, params = make(), start(dtype)
    trained(optimizer, params, range(5), dtype)
    before = optimizer.get_state()
    twin = copied(optimizer, tmp_path)
    for a, b in ((optimizer.get_state(), before), (twin.get_state(), before)):
        assert a.keys() == b.keys()
        check_same(a.values(), b.values())
    others = [p.copy() for p in params]
    trained(twin, others, range(5, 9), dtype)
    check_same(optimizer.get_state().values(), before.values())  # the original has not changed
    trained(optimizer, params, range(5, 9), dtype)
    check_same(params, others)
    check_same(optimizer.get_weights(), twin.get_weights())
    if (tmp_path / "optimizer.joblib").exists():  # nor has the file changed
        check_same(by_joblib(optimizer, tmp_path).get_weights(), optimizer.get_weights())


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_a_copy_of_an_optimizer_that_has_not_stepped(copied, tmp_path):
    twin = copied(Adam(lr=0.25), tmp_path)
    assert twin.weights == [] and float(twin.lr) == 0.25
    check_same(trained(twin, start(), range(3)), trained(Adam(lr=0.25), start(), range(3)))


def test_a_pickle_of_release_0_1_keeps_its_deferred_step(monkeypatch):
    optimizer = SGD(0.1)
    trained(optimizer, start(), range(1))

    def as_in_0_1(self):
        return {"late" if name == "deferred" else name: value for name, value in vars(self).items() if name != "plan"}

    with monkeypatch.context() as patch:
        patch.setattr(State, "__getstate__", as_in_0_1)
        pickled = pickle.dumps(optimizer)
    assert b"late" in pickled and b"deferred" not in pickled
    moments = [-0.1 * g for g in gradients(0)]
    check_same(pickle.loads(pickled).get_weights(), [np.int64(1), *moments])


def test_a_copy_refuses_arrays_of_other_shapes_and_arrays_that_fit_two_states():
    optimizer = Adam()
    trained(optimizer, start(), range(2))
    twin = copy.copy(optimizer)
    with pytest.raises(ValueError, match=r"Adam: the state belongs .*: expected parameter 1 of shape \(4,\), got \(5,\)"):
        twin.step([np.ones((3, 4)), np.ones(5), np.ones(())], gradients(0))
    optimizer = Adam()
    first, second = [np.ones(2)], [np.ones(2)]
    for params in (first, second):
        optimizer.bind(params)
    for _ in range(2):
        optimizer.step(first, [np.ones(2)])
        optimizer.step(second, [-np.ones(2)])
    with pytest.raises(ValueError, match="Adam: 2 states of this copy fit these 1 arrays, and it is unknown which"):
        copy.copy(optimizer).step([np.ones(2)], [np.ones(2)])


@makers
@dtypes
def test_views_made_in_each_step_use_the_same_state(make, dtype):
    straight, optimizer = start(dtype), make()
    trained(optimizer, straight, range(7), dtype)
    flat = np.ones(17, dtype)
    memory = bytearray(flat.tobytes())

    def by_slices():
        return [flat[:12].reshape(3, 4), flat[12:16], flat[16:].reshape(())]

    def by_buffer():
        array = np.frombuffer(memory, dtype)
        return [array[:12].reshape(3, 4), array[12:16], array[16:].reshape(())]

    kept = start(dtype)

    def by_views():
        return tuple(p.view() for p in kept)

    for views in (by_slices, by_buffer, by_views):
        optimizer = make()
        for step in range(7):
            optimizer.step(views(), gradients(step, dtype))
        check_same(views(), straight)


def test_views_of_torchs_memory():
    torch = pytest.importorskip("torch")
    straight = trained(Adam(), start("float32"), range(5), "float32")
    tensors = [torch.ones(shape, requires_grad=True) for shape in ((3, 4), (4,), ())]
    optimizer = Adam()
    for step in range(5):
        optimizer.step([t.detach().numpy() for t in tensors], gradients(step, "float32"))
    check_same([t.detach().numpy() for t in tensors], straight)


def test_a_list_with_new_arrays_is_checked_again():
    optimizer, params = Adam(), start()
    optimizer.step(params, gradients(0))
    params[1] = params[1].view()
    optimizer.step(params, gradients(1))
    check_same(params, trained(Adam(), start(), range(2)))
    params[1] = params[1].copy()
    with pytest.raises(
        ValueError, match="the state belongs to the arrays given first, and parameter 1 is another array; step on"
    ):
        optimizer.step(params, gradients(2))


def test_other_arrays_are_refused_by_name():
    optimizer, params = Adam(), start()
    optimizer.step(params, gradients(0))
    before = optimizer.get_weights()
    for others, words in [
        ([p.copy() for p in params], "and parameter 0 is another array; step on those arrays or on views"),
        ([params[0], params[1].copy(), params[2]], "and parameter 1 is another"),
        (params[:2], "which were 3, got 2"),
        ([params[0].reshape(4, 3), *params[1:]], r"expected parameter 0 of shape \(3, 4\), got \(4, 3\)"),
        ([p.astype("float32") for p in params], "parameter 0 is another"),
    ]:
        with pytest.raises(ValueError, match=words) as error:
            optimizer.step(others, [np.zeros(p.shape, p.dtype) for p in others])
        assert "bind" not in str(error.value)
        check_same(optimizer.get_weights(), before)


@makers
@dtypes
def test_a_moved_state_continues_by_place(make, dtype):
    straight, optimizer = start(dtype), make()
    trained(optimizer, straight, range(7), dtype)
    params, optimizer = start(dtype), make()
    trained(optimizer, params, range(4), dtype)
    others = [p.copy() for p in params]
    with pytest.raises(ValueError, match=r"move_state\(params\) lets this one go on with them"):
        optimizer.step(others, gradients(4, dtype))
    optimizer.move_state(others)
    trained(optimizer, others, range(4, 7), dtype)
    check_same(others, straight)
    # The arrays before have no state any more: a step on them raises, and does not begin again with zeros.
    with pytest.raises(ValueError, match="parameter 0 is another array"):
        optimizer.step(params, gradients(7, dtype))


def test_a_moved_state_follows_a_change_of_precision():
    optimizer, params = Adam(), start()
    trained(optimizer, params, range(2))
    optimizer.move_state([p.astype("float32") for p in params])
    assert {w.dtype.name for w in optimizer.get_weights()[1:]} == {"float32"} and int(optimizer.iterations) == 2


def test_a_state_is_not_moved_to_arrays_that_do_not_fit():
    optimizer, params = Adam(), start()
    with pytest.raises(ValueError, match="Adam.move_state: there is no state yet"):
        optimizer.move_state(params)
    optimizer.step(params, gradients(0))
    before = optimizer.get_weights()
    frozen = start()
    frozen[2].flags.writeable = False
    for others, error, words in [
        (params[:2], ValueError, "which were 3, got 2"),
        ([params[1], params[0], params[2]], ValueError, r"expected parameter 0 of shape \(3, 4\), got \(4,\)"),
        (frozen, ValueError, "parameter 2 is read-only"),
        ([], ValueError, "at least one parameter array"),
        ([None, *params[1:]], TypeError, "parameter 0 to be a NumPy array"),
    ]:
        with pytest.raises(error, match=f"Adam: .*{words}"):
            optimizer.move_state(others)
    optimizer.step(params, gradients(1))
    assert int(optimizer.iterations) == 2 and not np.array_equal(optimizer.get_weights()[1], before[1])
    others = start()
    optimizer.bind(others)
    with pytest.raises(ValueError, match="Adam.move_state: these arrays already have a state of their own"):
        optimizer.move_state(params)


def test_replaced_memory_of_torch_needs_a_moved_state():
    torch = pytest.importorskip("torch")
    tensors, straight = [torch.ones(3), torch.ones(2, 2)], [np.ones(3, "f4"), np.ones((2, 2), "f4")]
    views = lambda: [t.detach().numpy() for t in tensors]
    ours, theirs, grads = Adam(), Adam(), [np.full(3, 0.5, "f4"), np.full((2, 2), -2.0, "f4")]
    for step in range(4):
        if step == 2:
            tensors[1] = tensors[1].clone()
            with pytest.raises(ValueError, match="parameter 1 is another array"):
                ours.step(views(), grads)
            ours.move_state(views())
        ours.step(views(), grads)
        theirs.step(straight, grads)
    check_same(views(), straight)


def test_freed_memory_that_is_used_again_is_not_confused():
    optimizer = Adam()
    optimizer.step([np.ones(1000)], [np.ones(1000)])
    for _ in range(20):  # the system may use the same address again
        with pytest.raises(ValueError, match="parameter 0 is another"):
            optimizer.step([np.ones(1000)], [np.ones(1000)])


@makers
@dtypes
@pytest.mark.parametrize("way", ["state", "weights", "bound state", "bound weights"])
def test_a_state_that_is_set_before_the_first_step_is_used(make, dtype, way):
    optimizer, straight = make(), start(dtype)
    trained(optimizer, straight, range(4), dtype)
    params = [p.copy() for p in straight]
    # Keras's weights do not contain the iterations of some optimizers.
    state, weights, iterations = optimizer.get_state(), optimizer.get_weights(), int(optimizer.iterations)
    trained(optimizer, straight, range(4, 8), dtype)
    again = make()
    if "state" in way:
        again.set_state(state)
    else:
        again.set_weights(weights)
        again.iterations = iterations
    check_same(again.get_weights(), weights)
    check_same(again.get_state().values(), state.values())
    if "bound" in way:
        again.bind(params)
    trained(again, params, range(4, 8), dtype)
    check_same(params, straight)


def test_a_state_that_was_set_survives_a_copy_and_takes_the_parameters_dtype():
    optimizer, straight = Adam(), start("float32")
    trained(optimizer, straight, range(3), "float32")
    params = [p.copy() for p in straight]
    state = {name: array.tolist() for name, array in optimizer.get_state().items()}
    trained(optimizer, straight, range(3, 5), "float32")
    again = Adam()
    again.set_state(state)
    again = pickle.loads(pickle.dumps(again))
    trained(again, params, range(3, 5), "float32")
    check_same(params, straight)
    assert {w.dtype.name for w in again.get_weights()[1:]} == {"float32"}


def test_lists_of_other_releases_before_the_first_step():
    straight = start()
    optimizer = Nadam()
    trained(optimizer, straight, range(3))
    params = [p.copy() for p in straight]
    weights = optimizer.get_weights()
    trained(optimizer, straight, range(3, 5))
    again = Nadam()
    again.set_weights([weights[0], np.float64(0.9), *weights[1:]])  # the product of momenta of Keras 2.3
    check_same(trained(again, params, range(3, 5)), straight)
    rms = RMSprop()
    rms.set_weights([np.int64(7), *start()])  # Keras 2.3 lists the iterations
    assert int(rms.iterations) == 7
    check_same(rms.get_weights(), start())


def test_a_wrong_state_is_refused_before_the_first_step():
    for make, weights in [(Adam, [np.zeros(3)]), (Adam, [np.int64(1), np.zeros(3)]), (SGD, []), (SGD, [np.zeros(3)])]:
        optimizer = make()
        with pytest.raises(ValueError, match=r"does not match the number of weights of the optimizer \(0\)"):
            optimizer.set_weights(weights)
        assert optimizer.weights == [] and int(optimizer.iterations) == 0
    optimizer = Adam()
    with pytest.raises(ValueError, match="not compatible with provided weight shape"):
        optimizer.set_weights([np.int64(1), np.zeros(3), np.zeros(4), np.zeros(1)])
    with pytest.raises(ValueError, match="Adam: expected a state of"):
        optimizer.set_state({"iterations:0": 3, "ms_0:0": np.zeros(3)})
    check_same(trained(optimizer, start(), range(2)), trained(Adam(), start(), range(2)))
    optimizer = Adam()
    optimizer.set_weights([np.int64(1), np.zeros(3), np.zeros(3), np.zeros(1)])
    for call in (lambda: optimizer.step([np.ones(4)], [np.ones(4)]), lambda: optimizer.bind([np.ones(4)])):
        with pytest.raises(ValueError, match=r"expected parameter 0 of shape \(3,\), got \(4,\)"):
            call()


def test_an_optimizer_without_slots():
    class Plain(Optimizer):
        def __init__(self, lr=0.5):
            super().__init__()
            self.lr = self.number("lr", lr)

        def update(self, params, grads, iterations, bounds):
            for p, g in zip(params, self.read(grads, bounds)):
                p -= float(self.lr) / (1 + iterations) * g

    optimizer = Plain()
    optimizer.set_weights([np.int64(3)])
    assert int(optimizer.iterations) == 3
    optimizer.set_state({"iterations:0": 1})
    params = [np.ones(2)]
    optimizer.step(params, [np.ones(2)])
    assert params[0].tolist() == [0.75, 0.75]
    assert [w.tolist() for w in copy.copy(optimizer).get_weights()] == [2]
