"""Narrow optimizers against their rule on decoded arrays, and storage in few bits against its oracle."""

import numpy as np
import pytest

from lamella import _kernels
from tests.kernels.calls_file import results_not_compared
from tests.oracles import optimizers as oracle
from tests.oracles import storage

SIZES = [*range(35), 255, 256, 257, 1000, 16_384, 16_385, 40_001]
SEED, STEP = 0x1234_5678_9ABC, 5


def draw(seed, scale=1.0):
    """Multiples of 1/16, whose sums and products with a few more of them are exact in float32."""
    rng = np.random.default_rng(seed)
    return [(scale * rng.integers(-32, 33, n) / 16).astype(np.float32) for n in SIZES]


def halves(arrays):
    return [storage.to_bfloat16(x).view(np.uint8) for x in arrays]


def stored(arrays, bits, signed):
    if bits == 32:
        return [x.copy().view(np.uint8) for x in arrays]
    return halves(arrays) if bits == 16 else [storage.to_codes(x, signed) for x in arrays]


def numbers(arrays, bits, signed):
    """The float32 numbers of slots in bytes."""
    if bits == 32:
        return [x.view(np.float32) for x in arrays]
    if bits == 16:
        return [storage.from_bfloat16(x.view(np.uint16)) for x in arrays]
    return [storage.from_codes(x, n, signed) for x, n in zip(arrays, SIZES, strict=True)]


def narrow(bits, *, params=(), grads=(), copies=(), zero=0, scale=1.0, stochastic=0):
    return list(params), list(grads), list(copies), bits, zero, scale, stochastic, SEED, STEP


@pytest.mark.parametrize("stochastic", [0, 1])
@pytest.mark.parametrize("bits", [8, 16, 32])
def test_adam_with_narrow_slots(target, bits, stochastic):
    ps, gs = draw(0), draw(1)
    ms, vs = stored(draw(2), bits, True), stored([x * x for x in draw(3)], bits, False)
    wide = [numbers(ms, bits, True), numbers(vs, bits, False)]
    random = storage.random_halves(SEED, 2 * STEP, SIZES)
    wanted_p, wanted = [], [[], []]
    for i, (p, g) in enumerate(zip(ps, gs, strict=True)):
        m, v = (slots[i].astype(np.float64) for slots in wide)
        wanted_p.append(
            np.asarray(oracle.torch_adam(p.astype(np.float64), 0.5 * g, m, v, 0.01, 0.7, 0.0, 0.95, (0.5, 0.5, 1e-3)))
        )
        for k, (x, signed) in enumerate(((m, True), (v, False))):
            half = random[i] if stochastic else None
            x = x.astype(np.float32)
            if bits == 8:
                wanted[k].append(storage.to_codes(x, signed, half))
            else:
                wanted[k].append(x.view(np.uint8) if bits == 32 else storage.to_bfloat16(x, half).view(np.uint8))
    _kernels.narrow_adam_update(
        ps, gs, ms, vs, 0.01, 0.7, 0.0, 0.95, (0.5, 0.5, 1e-3), narrow(bits, scale=0.5, stochastic=stochastic)
    )
    for p, w in zip(ps, wanted_p, strict=True):
        np.testing.assert_allclose(p, w, rtol=0, atol=3e-6)
    if bits == 8:  # sums of an old number and a new one have too many bits to be exact
        for slots, w, signed in ((ms, wanted[0], True), (vs, wanted[1], False)):
            for x, y in zip(numbers(slots, 8, signed), numbers(w, 8, signed), strict=True):
                differs = ~np.isclose(x, y, rtol=1e-6)
                assert differs.sum() <= 1 + 1e-3 * x.size
                np.testing.assert_allclose(x, y, rtol=0.2, atol=1e-4)
    else:
        for slots, w in zip((ms, vs), wanted, strict=True):
            assert [x.tobytes() for x in slots] == [x.tobytes() for x in w]


def test_bfloat16_parameters_and_gradients(target):
    ps, gs = halves(draw(0)), halves(draw(1))
    random = storage.random_halves(SEED, 2 * STEP + 1, SIZES)
    wanted = [
        storage.to_bfloat16(p - np.float32(0.0078125) * g, r).tobytes()
        for p, g, r in zip(draw(0), draw(1), random, strict=True)
    ]
    _kernels.narrow_sgd_update([], [], [], 0.0078125, 0.0, 1.0, 0, 0.0, narrow(32, params=ps, grads=gs, zero=1, stochastic=1))
    assert [p.tobytes() for p in ps] == wanted
    assert not any(g.any() for g in gs)


def test_gradients_are_cleared_and_weights_copied(target):
    ps, gs, copies = draw(0), draw(1), [np.full(2 * n, 9, np.uint8) for n in SIZES]
    plain = [p.copy() for p in ps]
    _kernels.torch_sgd_update(plain, [g.copy() for g in gs], [], 0.1, 0.0, 1.0, 0, 0.01, ([], 0.3, 0.0, 0.0, 0.0))
    _kernels.narrow_sgd_update(ps, gs, [], 0.1, 0.0, 1.0, 0, 0.01, narrow(32, copies=copies, zero=1, scale=0.3))
    for p, w, copy, g in zip(ps, plain, copies, gs, strict=True):
        assert p.tobytes() == w.tobytes()
        assert copy.tobytes() == storage.to_bfloat16(p).tobytes()
        assert not g.any()


def test_lion_with_wide_slots_has_the_bits_of_lion(target):
    ps, gs, ms = draw(0), draw(1), draw(2)
    plain = [[x.copy() for x in xs] for xs in (ps, gs, ms)]
    _kernels.lion_update(*plain, 0.1, 0.99, 0.9, 0.99, ([], 1.0, 0.0, 0.0, 0.0))
    with results_not_compared():  # sums are rounded, so the bytes of ms are those of this target only
        _kernels.narrow_lion_update(ps, gs, [m.view(np.uint8) for m in ms], 0.1, 0.99, 0.9, 0.99, narrow(32))
    assert [x.tobytes() for x in (*ps, *ms)] == [x.tobytes() for x in (*plain[0], *plain[2])]


@pytest.mark.parametrize("signed", [True, False])
def test_the_code_book_has_3_bits_of_mantissa(signed):
    book = storage.values(signed)
    zero = 2.0**-15 if signed else 2.0**-31  # below it the codes have equal distances
    assert book[-1] == np.float32(1.875 - zero) and book[0] == 0 and (np.diff(book) > 0).all()
    assert np.log2(book[1]) == (-18 if signed else -34)
    assert (np.diff(book[1:]) / (book[1:-1] + zero) <= 0.125 * (1 + 1e-6)).all()


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("stochastic", [0, 1])
def test_codes_are_those_of_the_oracle(target, stochastic, signed):
    rng = np.random.default_rng(7)
    x = (rng.standard_normal(40_001) * np.exp2(rng.integers(-30, 3, 40_001))).astype(np.float32)
    # A block for each case of scales: 0, at the ends of the exponent's step, the largest and the smallest of the normal range.
    x[:256], x[256:512], x[512:768] = 0, 1.875 - 2.0**-14, np.nextafter(np.float32(1.875 - 2.0**-14), np.float32(0))
    x[768:1024], x[1024:1280], x[1280:1536] = 1.5 * 2.0**126, 2.0**-126, 2.0**-127
    x[1536:1792:3] = 0
    if not signed:
        x = np.square(np.sqrt(np.abs(x)))
    random = storage.random_halves(SEED, 0, [x.size])[0] if stochastic else None
    wanted = storage.from_codes(storage.to_codes(x, signed, random), x.size, signed)
    np.testing.assert_array_equal(through_codes(x, signed=signed, stochastic=stochastic), wanted)


def through_codes(x, *, signed, stochastic, seed=SEED):
    """x after a step of 0 that stores it with 8 bits. Signed: m = 0*m + 1*g. Otherwise v = 0*v + 1*g*g of the roots."""
    size = x.size
    m, v = (np.zeros(4 * -(-size // 256) + size, np.uint8) for _ in range(2))
    g = np.asarray(x if signed else np.sqrt(x), np.float32)
    _kernels.narrow_adam_update(
        [np.zeros(size, np.float32)],
        [g],
        [m],
        [v],
        0.0,
        1.0,
        0.0,
        1.0,
        (0.0, 0.0, 1.0),
        ([], [], [], 8, 0, 1.0, stochastic, seed, 0),
    )
    return storage.from_codes(m if signed else v, size, signed)


@pytest.mark.parametrize("signed", [True, False])
def test_random_rounding_to_codes_has_the_value_as_mean(target, signed):
    x = np.array([1.0, 0.3, 0.007, 0.61, 1e-5 if signed else 0.02], np.float32)
    many = np.tile(x, 20_000)
    got = through_codes(many, signed=signed, stochastic=1).reshape(-1, x.size)
    np.testing.assert_allclose(got.mean(0), x, rtol=0.02)
    assert (np.abs(got / x - 1) <= (0.13, 0.13, 0.13, 0.13, 1.0)).all()


def test_a_second_moment_above_0_never_becomes_0(target):
    x = np.array([1.0, 1e-14, 1e-20, 0.0], np.float32)
    for stochastic in (0, 1):
        got = through_codes(x, signed=False, stochastic=stochastic)
        assert got[0] == 1 and got[1] == got[2] == storage.values(False)[1] and got[3] == 0


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 16_384, 16_385, 100_000])
def test_random_numbers_do_not_depend_on_threads(target, threads, size):
    """And they are those of the oracle, as far as the rounding of 1 and a quarter of a unit shows them."""
    random = storage.random_halves(SEED, 2 * STEP, [size, size])
    wanted = [storage.to_bfloat16(np.full(size, 1 + 2.0**-9, np.float32), r).tobytes() for r in random]
    for threads in (1, 2):
        _kernels.set_num_threads(threads)
        ps, gs = ([np.full(size, x, np.float32) for _ in range(2)] for x in (0, 1 + 2.0**-9))
        ms = [np.zeros(2 * size, np.uint8) for _ in range(2)]
        _kernels.narrow_sgd_update(ps, gs, ms, 0.1, 0.0, 1.0, 0, 0.0, narrow(16, stochastic=1))
        assert [m.tobytes() for m in ms] == wanted


def test_random_numbers_are_uniform_and_independent(target):
    """Of 2^20 numbers, seen through a rounding: the mean of each bit, of neighbours' products, and of two steps' products."""
    n = 1 << 20

    def up(step, part):
        """Whether 1 + part of a unit of bfloat16 was rounded up."""
        p, g, m = np.zeros(n, np.float32), np.full(n, 1 + part * 2.0**-7, np.float32), np.zeros(2 * n, np.uint8)
        _kernels.narrow_sgd_update([p], [g], [m], 0.1, 0.0, 1.0, 0, 0.0, ([], [], [], 16, 0, 1.0, 1, SEED, step))
        return (m.view(np.uint16) != 0x3F80).astype(np.float64)

    with results_not_compared():
        for part in (1 / 2, 1 / 8, 1 / 256, 3 / 4096):
            for step in (0, 1):
                x = up(step, part)
                assert abs(x.mean() - part) < 5 * np.sqrt(part * (1 - part) / n)
        x, y = up(0, 0.5) - 0.5, up(1, 0.5) - 0.5
    for apart in (1, 2, 15, 16, 17, 31, 32, 64, 256, 16_384):
        assert abs((x[apart:] * x[:-apart]).mean()) < 5 * 0.25 / np.sqrt(n)
    assert abs((x * y).mean()) < 5 * 0.25 / np.sqrt(n)


def test_a_block_with_nan_becomes_nan(target):
    x = np.ones(600, np.float32)
    x[300] = np.nan
    got = through_codes(x, signed=True, stochastic=1)
    assert np.isnan(got[256:512]).all()
    np.testing.assert_allclose(np.delete(got, slice(256, 512)), 1, rtol=2.0**-15 * 1.01)
    ps = [np.array([np.nan, np.inf, -np.inf, 3.4e38], np.float32)]
    copies = [np.zeros(8, np.uint8)]
    _kernels.narrow_sgd_update(ps, [np.zeros(4, np.float32)], [], 0.0, 0.0, 1.0, 0, 0.0, ([], [], copies, 32, 0, 1.0, 0, 0, 0))
    np.testing.assert_array_equal(
        storage.from_bfloat16(copies[0].view(np.uint16)), [np.nan, np.inf, -np.inf, storage.from_bfloat16([0x7F80])[0]]
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_norm_of_all_gradients(target, dtype):
    gs = [g.astype(dtype) for g in draw(1)]
    wanted = np.sqrt(sum(float((g.astype(np.float64) ** 2).sum()) for g in gs))
    norm = np.zeros(1, dtype)
    _kernels.gradient_norm(gs, [], norm)
    assert norm[0] == pytest.approx(wanted, rel=1e-6)
    _kernels.gradient_norm([], halves(gs), norm)
    assert norm[0] == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize(
    "change, wrong",
    [
        ({"bits": 4}, "bits == 32"),
        ({"ms": 7}, "has_slots"),
        ({"copies": 5}, "narrow.copies"),
        ({"grads": 6}, "has_sizes"),
    ],
)
def test_wrong_sizes_are_refused_before_anything_changes(change, wrong):
    p, g = np.ones(3, np.float32), np.ones(3, np.float32)
    slot = np.zeros(change.get("ms", 6), np.uint8)
    extra = {name: [np.zeros(change[name], np.uint8)] for name in ("copies", "grads") if name in change}
    with pytest.raises(ValueError, match=wrong):
        _kernels.narrow_sgd_update([p], [g], [slot], 0.1, 0.9, 1.0, 0, 0.0, narrow(change.get("bits", 16), **extra, zero=1))
    assert (p == 1).all() and (g == 1).all() and not slot.any()
