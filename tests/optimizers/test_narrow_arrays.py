"""Optimizers with a state of few bits, on arrays and on tensors."""

import numpy as np
import pytest

from lamella.optimizers import NarrowAdamW, NarrowLion, NarrowSGD, narrow
from tests.oracles import storage

RULES = [NarrowAdamW, NarrowLion, NarrowSGD]
STATES = ["float32", "bfloat16", "8bit"]


def draw(seed, shapes=((300, 3), (7,), ())):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(size=shape), np.float32) for shape in shapes]


def test_float32_state_follows_the_formula():
    ps, m, v = draw(0), [0.0] * 3, [0.0] * 3
    wanted = [p.astype(np.float64) for p in ps]
    opt = NarrowAdamW(0.01, weight_decay=0.1, state="float32")
    for t in range(1, 6):
        gs = draw(t)
        opt.step(ps, gs)
        for i, g in enumerate(gs):
            m[i], v[i] = 0.9 * m[i] + 0.1 * g, 0.999 * v[i] + 0.001 * g.astype(np.float64) ** 2
            moved = m[i] / (1 - 0.9**t) / (np.sqrt(v[i] / (1 - 0.999**t)) + 1e-8)
            wanted[i] = (1 - 0.001) * wanted[i] - 0.01 * moved
    for p, w in zip(ps, wanted, strict=True):
        np.testing.assert_allclose(p, w, rtol=0, atol=1e-5)


def test_clipping_clearing_and_copies_are_those_of_separate_passes():
    ps, gs = draw(0), draw(1)
    copies = [np.zeros(p.shape, np.uint16) for p in ps]
    norm = np.sqrt(sum(((2 * g.astype(np.float64)) ** 2).sum() for g in gs))
    plain = [p.copy() for p in ps]
    NarrowSGD(0.1).step(plain, [np.asarray(g * np.float32(2 * 0.5 / (norm + 1e-6))) for g in gs])
    got = NarrowSGD(0.1, clipnorm=0.5).step(ps, gs, scale=2.0, zero=True, copies=copies)
    assert got == pytest.approx(norm, rel=1e-5)
    for p, w, g, copy in zip(ps, plain, gs, copies, strict=True):
        np.testing.assert_allclose(p, w, rtol=0, atol=1e-6)
        assert not g.any()
        assert copy.tobytes() == storage.to_bfloat16(p).tobytes()


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("rule", RULES)
def test_a_restored_state_resumes_with_the_same_bits(rule, state):
    ps, opt = draw(0), rule(0.01, state=state)
    for t in (1, 2):
        opt.step(ps, draw(t))
    again, other = [p.copy() for p in ps], rule(0.01, state=state)
    other.set_state(opt.get_state())
    opt.step(ps, draw(3))
    other.step(again, draw(3))
    assert [p.tobytes() for p in ps] == [p.tobytes() for p in again]
    with pytest.raises(ValueError, match="expected iterations and"):
        rule(0.01, state="8bit" if state != "8bit" else "bfloat16").set_state(opt.get_state())
    with pytest.raises(ValueError, match=r"other shapes: expected slots of \[\[\d.*\]\] bytes, got \[\[\d"):
        opt.set_state({name: x[:-1] if x.ndim else x for name, x in opt.get_state().items()})
    with pytest.raises(ValueError, match="belongs to other parameters"):
        opt.step(ps[:2], draw(4)[:2])


def test_state_has_fewer_bytes():
    sizes = {}
    for state in STATES:
        opt = NarrowAdamW(state=state)
        opt.step([np.zeros(2560, np.float32)], [np.ones(2560, np.float32)])
        sizes[state] = sum(x.nbytes for x in opt.get_state().values()) - 8
    assert sizes == {"float32": 8 * 2560, "bfloat16": 4 * 2560, "8bit": 2 * (2560 + 40)}


def test_random_rounding_keeps_small_steps_of_bfloat16_parameters():
    """bfloat16 numbers above 1 differ by 0.0078, so rounding to nearest loses steps of 0.0005. Random rounding has the right mean."""
    ones, grads = storage.to_bfloat16(np.ones(4000, np.float32)), np.full(4000, -1.0, np.float32)
    for stochastic, low, high in ((False, 0.0, 0.0), (True, 0.045, 0.055)):
        p = ones.copy()
        opt = NarrowSGD(5e-4, momentum=0.0, state="float32", stochastic=stochastic)
        for _ in range(100):
            opt.step([p], [grads])
        assert low <= storage.from_bfloat16(p).mean() - 1 <= high


def losses(opt, seed):
    """The mean losses of the last steps of a network with one hidden layer on noisy rings."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(1024, 2)).astype(np.float32)
    y = (np.linalg.norm(x, axis=1) > 1.2).astype(np.float32)
    ps = [rng.normal(size=s).astype(np.float32) * 0.7 for s in ((2, 64), (64,), (64, 1), (1,))]
    found = []
    for t in range(400):
        rows = rng.integers(0, 1024, 64)
        h = np.tanh(x[rows] @ ps[0] + ps[1])
        q = 1 / (1 + np.exp(-(h @ ps[2] + ps[3])[:, 0]))
        found.append(-np.log(np.where(y[rows] > 0, q, 1 - q) + 1e-7).mean())
        d = ((q - y[rows]) / 64)[:, None]
        dh = d @ ps[2].T * (1 - h * h)
        opt.step(ps, [x[rows].T @ dh, dh.sum(0), h.T @ d, d.sum(0)])
    return np.mean(found[:100]), np.mean(found[-100:])


@pytest.mark.parametrize("state", ["bfloat16", "8bit"])
def test_losses_of_narrow_states_are_within_the_spread_of_float32(state):
    wide = np.array([losses(NarrowAdamW(0.01, state="float32"), seed) for seed in range(3)])
    few = np.array([losses(NarrowAdamW(0.01, state=state), seed) for seed in range(3)])
    spread = np.ptp(wide, axis=0)
    assert (wide[:, 1] < 0.5 * wide[:, 0]).all()  # it learns
    assert (np.abs(few.mean(0) - wide.mean(0)) <= spread).all()


def test_tensors_of_bfloat16_are_changed_in_place():
    torch = pytest.importorskip("torch")
    p = torch.ones(70, dtype=torch.bfloat16, requires_grad=True)
    g = torch.full((70,), 0.5, dtype=torch.bfloat16)
    before = p._version
    NarrowSGD(0.5, momentum=0.0).step([p], [g], zero=True)
    assert (p == 0.75).all() and not g.any() and p._version > before


def test_bfloat16_of_ml_dtypes_is_accepted():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    p, g = (np.full(9, x, ml_dtypes.bfloat16) for x in (1.0, 0.5))
    NarrowSGD(0.5).step([p], [g])
    assert (p == 0.75).all()


@pytest.mark.parametrize(
    "error, message, call",
    [
        (ValueError, "expected state to be one of", lambda p, g: NarrowAdamW(state="int8")),
        (ValueError, "expected lr to be a finite number >= 0, got -1", lambda p, g: NarrowSGD(-1.0)),
        (ValueError, "expected beta_2 below 1", lambda p, g: NarrowAdamW(beta_2=1.0)),
        (ValueError, "expected gradient 0 of shape", lambda p, g: NarrowSGD().step(p, [g[0][:1]])),
        (ValueError, "expected one gradient for each of 1", lambda p, g: NarrowSGD().step(p, [])),
        (ValueError, "expected a finite scale", lambda p, g: NarrowSGD().step(p, g, scale=np.inf)),
        (TypeError, "float32 or bfloat16, got float64", lambda p, g: NarrowSGD().step([p[0].astype(float)], g)),
        (TypeError, "expected copies of bfloat16", lambda p, g: NarrowSGD().step(p, g, copies=[p[0].copy()])),
        (ValueError, "expected memory of its own", lambda p, g: NarrowSGD().step(p, p)),
        (ValueError, "at least one parameter", lambda p, g: NarrowSGD().step([], [])),
        (TypeError, "amsgrad", lambda p, g: NarrowAdamW(amsgrad=True)),
    ],
)
def test_wrong_arguments_are_refused_and_change_nothing(error, message, call):
    p, g = np.ones(3, np.float32), np.ones(3, np.float32)
    with pytest.raises(error, match=message):
        call([p], [g])
    assert (p == 1).all() and (g == 1).all()


def test_the_block_length_is_that_of_the_oracle():
    assert narrow._BLOCK == storage.BLOCK


@pytest.mark.parametrize("rule", RULES)
def test_an_unknown_keyword_names_the_class(rule):
    with pytest.raises(TypeError, match=f"^{rule.__name__}: unexpected keyword argument 'clipvalue'$"):
        rule(clipvalue=1.0)


@pytest.mark.parametrize(
    ("rule", "name"),
    [(NarrowAdamW, "beta_1"), (NarrowAdamW, "beta_2"), (NarrowLion, "beta_1"), (NarrowLion, "beta_2"), (NarrowSGD, "momentum")],
)
@pytest.mark.parametrize("number", [1.0, 5])
def test_decays_are_below_1(rule, name, number):
    with pytest.raises(ValueError, match=f"^{rule.__name__}: expected {name} below 1, got {number}$"):
        rule(**{name: number})


@pytest.mark.parametrize("wrong", [-1, 2.7, np.nan, [1], "3"])
@pytest.mark.parametrize("rule", RULES)
def test_a_state_with_no_number_of_steps_is_refused(rule, wrong):
    ps, opt = draw(0), rule(0.01)
    opt.step(ps, draw(1))
    state = opt.get_state()
    with pytest.raises(ValueError, match="expected iterations to be a whole number >= 0, got"):
        opt.set_state(state | {"iterations": wrong})
    assert opt.iterations == 1
    opt.set_state(state | {"iterations": 4})
    assert opt.iterations == 4


@pytest.mark.parametrize("rule", RULES)
def test_seeds_are_whole_numbers_of_any_size(rule):
    results = []
    for seed in (2**64 + 5, 5, 2**63 + 5, -(2**63) + 5, np.int64(5)):
        p = storage.to_bfloat16(np.ones(4000, np.float32))
        rule(0.01, seed=seed).step([p], [np.full(4000, 0.01, np.float32)])
        results.append(p.tobytes())
    assert results[0] == results[1] == results[4] != results[2] == results[3]
    with pytest.raises(TypeError, match="integer"):
        rule(0.01, seed=2.7)


@pytest.mark.parametrize("rule", RULES)
def test_gradients_may_share_memory_if_they_are_only_read(rule):
    ps, g = draw(0, ((5, 3), (5, 3))), draw(1, ((5, 3),))[0]
    apart = [p.copy() for p in ps]
    rule(0.01).step(ps, [g, g])
    rule(0.01).step(apart, [g, g.copy()])
    assert [p.tobytes() for p in ps] == [p.tobytes() for p in apart]
    before = [p.copy() for p in ps]
    with pytest.raises(ValueError, match="memory of its own"):
        rule(0.01).step(ps, [g, g], zero=True)
    assert [p.tobytes() for p in ps] == [p.tobytes() for p in before] and g.any()


@pytest.mark.parametrize("rule", RULES)
def test_arrays_may_come_from_generators(rule):
    ps, twins = draw(0), draw(0)
    rule(0.01).step((p for p in ps), (g for g in draw(1)))
    rule(0.01).step(twins, draw(1))
    assert [p.tobytes() for p in ps] == [p.tobytes() for p in twins]
