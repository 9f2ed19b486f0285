"""The recurrent kernels, called by their ops, against the oracle."""

import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from lamella import _kernels, ops
from lamella.ops.tape import Tape, value_of
from tests.oracles import recurrent as oracle

# The size of a vector of each target.
VECTOR_BYTES = {
    name: int(size)
    for name, size in re.findall(
        r"^ *lamella_target\((\w+) (\d+)", (Path(__file__).parents[2] / "CMakeLists.txt").read_text(), re.M
    )
}

GATES = {"lstm": 4, "gru": 3, "gru_after": 3, "simple_rnn": 1}
STATES = {"lstm": 2, "gru": 1, "gru_after": 1, "simple_rnn": 1}
# The error of a step increases the errors of later steps.
EPSILON = {np.float32: 2e-6, np.float64: 4e-15}


def op_of(kind):
    return partial(ops.gru, reset_after=True) if kind == "gru_after" else getattr(ops, kind)


def draw(kind, n, t, features, units, dtype, seed=0, **options):
    """(x, kernel, recurrent_kernel, bias, *states), and the gradients of the results."""
    normal = np.random.default_rng(seed).standard_normal
    columns = GATES[kind] * units
    shapes = [
        (n, t, features),
        (features, columns),
        (units, columns),
        (2, columns) if kind == "gru_after" else (columns,),
        *[(n, units)] * STATES[kind],
    ]
    scales = [1, max(1, features) ** -0.5, max(1, units) ** -0.5, 0.5, 1, 1]
    inputs = [(scale * normal(shape)).astype(dtype) for scale, shape in zip(scales, shapes)]
    kept = 1 if options.get("return_sequences") is False else t
    dys = [normal((n, kept, units)).astype(dtype), *(normal((n, units)).astype(dtype) for _ in range(STATES[kind]))]
    return inputs, dys


def run(kind, inputs, dys, **options):
    """The results of the op, then its gradients."""
    with Tape() as tape:
        sources = [None if a is None else tape.watch(a) for a in inputs]
        results = op_of(kind)(*sources, **options)
    kept = len(results[0].shape) == 3
    used = [dys[0] if kept else dys[0][:, 0], *dys[1:]]
    gradients = tape.gradients([(y, dy) for y, dy in zip(results, used, strict=True) if dy is not None])
    return [value_of(y) for y in results], gradients


def meet(kind, inputs, dys, dtype, **options):
    found, gradients = run(kind, inputs, dys, **options)
    renamed = {"input_dropout": "drop_x", "recurrent_dropout": "drop_h", "go_backwards": "backwards"}
    given = {renamed.get(k, k): v for k, v in options.items() if k != "return_sequences"}
    if kind == "gru_after":
        given["reset_after"] = True
    wanted, backward = oracle.run(
        kind.removesuffix("_after"), *inputs[:4], inputs[4:], last=options.get("return_sequences") is False, **given
    )
    if options.get("return_sequences") is False:
        wanted = (wanted[0][:, 0], *wanted[1:])
    tolerance = EPSILON[dtype] * 4 * (inputs[0].shape[1] + 1) * (inputs[2].shape[0] + inputs[0].shape[2] + 1) ** 0.5
    wanted_gradients = [g for g, a in zip(backward(*dys), inputs, strict=True) if a is not None]
    for got, right in zip([*found, *gradients], [*wanted, *wanted_gradients], strict=True):
        assert got.dtype == dtype and got.shape == right.shape
        np.testing.assert_allclose(got, right, rtol=0, atol=tolerance * max(1.0, np.abs(right).max(initial=0)))


def masks(n, t, seed=0):
    """A mask with masked steps at the start, inside and at the end, and one sequence with all steps masked."""
    mask = np.random.default_rng(seed).random((n, t)) < 0.6
    mask[:1] = False
    return mask


def dropouts(kind, groups, n, features, units, dtype):
    rng = np.random.default_rng(3)
    return {
        name: ((rng.random((groups, n, size)) < 0.7) / 0.7).astype(dtype)
        for name, size in (("input_dropout", features), ("recurrent_dropout", units))
    }


kinds = pytest.mark.parametrize("kind", GATES)
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@kinds
@dtypes
def test_every_size_against_the_oracle(target, kind, dtype):
    lanes = VECTOR_BYTES[target] // np.dtype(dtype).itemsize
    for units in range(1, 2 * lanes + 2):
        meet(kind, *draw(kind, 3, 2, 4, units, dtype), dtype)
    for n in range(2 * lanes + 2):
        meet(kind, *draw(kind, n, 2, 3, 5, dtype), dtype)
    # One chunk and several chunks, depths of more than one block, no step, one step, no features.
    sizes = [(37, 5, 7, 67), (33, 40, 1, 65), (2, 3, 300, 270), (33, 2, 300, 130), (4, 0, 3, 5), (4, 1, 3, 5), (4, 3, 0, 5)]
    for n, t, features, units in sizes:
        meet(kind, *draw(kind, n, t, features, units, dtype), dtype)


@kinds
def test_gradients_of_more_steps_than_are_packed_at_once(target, kind):
    # [x, h, 1] has 8.6 MB, so that it is packed in several parts and two groups of rows.
    meet(kind, *draw(kind, 61, 131, 241, 29, np.float32), np.float32)


@kinds
@dtypes
@pytest.mark.parametrize("return_sequences", [True, False])
@pytest.mark.parametrize("go_backwards", [True, False])
def test_masks_and_direction(target, kind, dtype, return_sequences, go_backwards):
    options = {"return_sequences": return_sequences, "go_backwards": go_backwards}
    for n, t, features, units in [(5, 6, 3, 9), (35, 7, 5, 17), (2, 0, 3, 4)]:
        inputs, dys = draw(kind, n, t, features, units, dtype, **options)
        meet(kind, inputs, dys, dtype, **options)
        meet(kind, inputs, dys, dtype, mask=masks(n, t), **options)


@kinds
@dtypes
def test_dropout_with_one_mask_and_with_one_for_each_gate(target, kind, dtype):
    for n, t, features, units in [(3, 4, 5, 6), (34, 6, 19, 33)]:
        inputs, dys = draw(kind, n, t, features, units, dtype)
        for groups in {1, GATES[kind]}:
            both = dropouts(kind, groups, n, features, units, dtype)
            for chosen in (["input_dropout"], ["recurrent_dropout"], list(both)):
                meet(kind, inputs, dys, dtype, mask=masks(n, t), **{name: both[name] for name in chosen})


@kinds
@pytest.mark.parametrize("activation", oracle.FUNCTIONS)
def test_every_activation(target, kind, activation):
    inputs, dys = draw(kind, 4, 3, 5, 11, np.float64)
    meet(kind, inputs, dys, np.float64, activation=activation)
    if kind != "simple_rnn":
        meet(kind, inputs, dys, np.float64, recurrent_activation=activation)


@kinds
def test_without_bias_and_without_states(target, kind):
    inputs, dys = draw(kind, 4, 3, 5, 11, np.float64)
    inputs[3] = None
    meet(kind, inputs, dys, np.float64)
    zeros = [np.zeros_like(state) for state in inputs[4:]]
    wanted = op_of(kind)(*inputs[:4], *zeros)
    for got, right in zip(op_of(kind)(*inputs[:4]), wanted, strict=True):
        np.testing.assert_array_equal(got, right)


@kinds
def test_one_gradient_has_the_same_bits_as_with_all(target, kind):
    inputs, dys = draw(kind, 5, 4, 3, 7, np.float32)
    for used in range(len(dys)):
        some = [dy if i == used else None for i, dy in enumerate(dys)]
        zeros = [dy if i == used else np.zeros_like(dy) for i, dy in enumerate(dys)]
        for got, right in zip(run(kind, inputs, some)[1], run(kind, inputs, zeros)[1], strict=True):
            np.testing.assert_array_equal(got, right)
    results, together = run(kind, inputs, dys)
    for at, wanted in enumerate(together):
        with Tape() as tape:
            arrays = list(inputs)
            arrays[at] = tape.watch(inputs[at])
            found = op_of(kind)(*arrays)
        (gradient,) = tape.gradients(list(zip(found, dys, strict=True)))
        np.testing.assert_array_equal(gradient, wanted)
        for y, right in zip(found, results, strict=True):
            np.testing.assert_array_equal(value_of(y), right)


@kinds
@dtypes
@pytest.mark.parametrize("size", [(32, 20, 33, 48), (67, 9, 20, 130), (7, 100, 64, 65), (33, 3, 300, 130)])
def test_one_and_two_threads_give_the_same_bits(target, threads, kind, dtype, size):
    inputs, dys = draw(kind, *size, dtype)
    found = []
    # If there are more threads than chunks, the inputs of all steps are one product.
    for count in (1, 2, 3, 6):
        _kernels.set_num_threads(count)
        results, gradients = run(kind, inputs, dys, mask=masks(*size[:2]))
        found.append([*results, *gradients])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@kinds
@dtypes
@pytest.mark.parametrize("size", [(2, 1, 3, 4), (33, 37, 5, 130), (20, 40, 7, 16)])
def test_results_have_the_same_bits_without_the_arrays_for_backward(target, threads, kind, dtype, size):
    inputs, dys = draw(kind, *size, dtype)
    n, t, features, units = size
    for count in (1, 6):  # 6: more threads than chunks
        _kernels.set_num_threads(count)
        for options in ({"mask": masks(n, t)}, dropouts(kind, 1, n, features, units, dtype)):
            for found, right in zip(op_of(kind)(*inputs, **options), run(kind, inputs, dys, **options)[0], strict=True):
                np.testing.assert_array_equal(found, right)


@kinds
def test_nan_stays_in_its_sequence(target, kind):
    inputs, dys = draw(kind, 20, 5, 3, 18, np.float32)
    inputs[0][7, 2, 1] = np.nan
    outputs = op_of(kind)(*inputs)[0]
    assert np.isfinite(outputs[7, :2]).all() and np.isnan(outputs[7, 2:]).any(axis=1).all()
    assert np.isfinite(np.delete(outputs, 7, axis=0)).all()


@kinds
def test_what_does_not_fit_is_refused_by_name(kind):
    inputs, _ = draw(kind, 4, 3, 5, 2, np.float32)
    op, columns, kind = op_of(kind), GATES[kind] * 2, kind.removesuffix("_after")
    with pytest.raises(ValueError, match=rf"{kind}: expected x \[N, T, F\], got shape \(4, 5\)"):
        op(inputs[0][:, 0], *inputs[1:])
    for at, name in enumerate(("x", "kernel", "recurrent_kernel", "bias", "h0", "c0")[: len(inputs)]):
        wrong = list(inputs)
        wrong[at] = inputs[at][..., :-1].copy()
        with pytest.raises(ValueError, match=f"{kind}: expected {'kernel' if name == 'x' else name} "):
            op(*wrong)
    with pytest.raises(ValueError, match=rf"{kind}: expected a mask of shape \(4, 3\), got \(4, 2\)"):
        op(*inputs, mask=np.ones((4, 2), bool))
    for name, size in (("input_dropout", 5), ("recurrent_dropout", 2)):
        with pytest.raises(ValueError, match=rf"{kind}: expected {name} of shape \(1, 4, {size}\)"):
            op(*inputs, **{name: np.ones((2, 4, size), np.float32)})
    with pytest.raises(ValueError, match=f"{kind}: expected one of .*'hard_sigmoid'.* for activation, got 'elu'"):
        op(*inputs, activation="elu")
    with pytest.raises(TypeError, match="float32"):
        op(inputs[0], inputs[1].astype(np.float64), *inputs[2:])
    assert inputs[1].shape == (5, columns)


@pytest.mark.parametrize("recurrent_activation", ["sigmoid", "hard_sigmoid", "relu"])
@pytest.mark.parametrize("activation", ["tanh", "linear", "relu"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_step_of_an_lstm_from_its_sums(target, dtype, activation, recurrent_activation):
    normal = np.random.default_rng(5).standard_normal
    for places, units in [((3,), u) for u in range(1, 36)] + [((2, 3, 4), 7), ((0,), 3), ((900,), 16)]:
        x, h = (2 * normal((*places, 4 * units)).astype(dtype) for _ in range(2))
        c, dh, dc = (normal((*places, units)).astype(dtype) for _ in range(3))
        functions = [oracle.FUNCTIONS[name] for name in (activation, recurrent_activation)]
        sums = np.split(x.astype(float) + h, 4, axis=-1)
        wanted, backward = oracle.lstm_of_sums(sums, c.astype(float), *functions)
        for dys in [(dh, dc), (dh, None), (None, dc)]:
            with Tape() as tape:
                sources = [tape.watch(a) for a in (x, h, c)]
                found = ops.lstm_step(*sources, activation=activation, recurrent_activation=recurrent_activation)
            gradients = tape.gradients([(y, dy) for y, dy in zip(found, dys, strict=True) if dy is not None])
            dsums, dbefore = backward(*[0.0 if dy is None else dy.astype(float) for dy in dys])
            dsums = np.concatenate([np.broadcast_to(d, c.shape) for d in dsums], axis=-1)
            for got, right in zip([*found, *gradients], [*wanted, dsums, dsums, dbefore], strict=True):
                got = value_of(got)
                assert got.dtype == dtype and got.shape == right.shape
                np.testing.assert_allclose(got, right, rtol=0, atol=4 * EPSILON[dtype] * max(1.0, np.abs(right).max(initial=0)))
        plain = ops.lstm_step(x, h, c, activation=activation, recurrent_activation=recurrent_activation)
        for got, recorded in zip(plain, found, strict=True):
            np.testing.assert_array_equal(got, value_of(recorded))


def test_a_step_of_an_lstm_names_what_does_not_fit():
    with pytest.raises(ValueError, match="lstm_step: expected one of .* for activation, got 'elu'"):
        ops.lstm_step(np.ones((3, 8)), np.ones((3, 8)), np.ones((3, 2)), activation="elu")
    with pytest.raises(ValueError, match="lstm_step_forward: requires are_gates_of"):
        ops.lstm_step(np.ones((3, 8)), np.ones((3, 8)), np.ones((3, 3)))
