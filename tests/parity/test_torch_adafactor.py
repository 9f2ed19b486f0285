"""lamella.torch.Adafactor beside torch.optim.Adafactor: steps, states both ways, and what is refused."""

import copy
import io
import pickle

import pytest

torch = pytest.importorskip("torch")

from lamella import torch as ours  # noqa: E402 - after the skip
from tests.parity.torch_steps import give_gradients, parameters, refused, twins  # noqa: E402

SHAPES = [(), (1,), (7,), (33, 5), (16, 8, 3, 3), (1, 600), (2, 2, 1, 2, 3, 4), (0, 4), (1001,)]
OPTIONS = [
    {},
    {"lr": 0.3, "weight_decay": 0.1},
    {"maximize": True, "beta2_decay": -0.5, "d": 1.5},
    {"eps": (1e-2, 0.5), "lr": 1.0},
]
options = pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(o) or "plain")
TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-13}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(7)


def close(some, others, dtype=torch.float32):
    for p, q in zip(some, others, strict=True):
        torch.testing.assert_close(p, q, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def states_close(a, b, dtype=torch.float32):
    a, b = a.state_dict()["state"], b.state_dict()["state"]
    assert a.keys() == b.keys()
    for key in a:
        assert a[key].keys() == b[key].keys()
        for name, x in a[key].items():
            assert x.dtype is b[key][name].dtype and x.shape == b[key][name].shape
            if x.numel():
                close([x], [b[key][name]], dtype)


def shaped():
    """The shapes that torch can step on: of no elements it makes NaN, or divides by 0."""
    return [shape for shape in SHAPES if 0 not in shape]


@options
@pytest.mark.parametrize("dtype", TOLERANCE, ids=["float32", "float64"])
def test_fifty_steps_stay_close_to_torch(options, dtype):
    mine = parameters(shaped(), dtype)
    theirs = twins(mine)
    a, b = ours.Adafactor(mine, **options), torch.optim.Adafactor(theirs, foreach=False, **options)
    for _ in range(50):
        give_gradients(mine, theirs)
        a.step()
        b.step()
    close(mine, theirs, dtype)
    states_close(a, b, dtype)
    assert isinstance(a, torch.optim.Adafactor) and a.defaults == {**b.defaults, "foreach": None}


def test_arrays_without_elements_stay_as_they_are():
    mine = parameters(SHAPES)
    a = ours.Adafactor(mine)
    give_gradients(mine)
    a.step()
    assert all(torch.isfinite(x).all() for own in a.state.values() for x in own.values())


def test_a_state_dict_goes_both_ways():
    for source, target in ((ours, torch.optim), (torch.optim, ours)):
        mine = parameters(shaped())
        theirs = twins(mine)
        begun, straight = source.Adafactor(mine, lr=0.1), torch.optim.Adafactor(theirs, lr=0.1)
        for _ in range(3):
            give_gradients(mine, theirs)
            begun.step()
            straight.step()
        file = io.BytesIO()
        torch.save(begun.state_dict(), file)
        file.seek(0)
        on = twins(mine)
        resumed = target.Adafactor(on, lr=5.0)
        resumed.load_state_dict(torch.load(file, weights_only=True))
        for _ in range(3):
            give_gradients(on, theirs)
            resumed.step()
            straight.step()
        close(on, theirs)
        states_close(resumed, straight)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))], ids=["deepcopy", "pickle"])
def test_copies_continue_independently(copied):
    mine = parameters([(5,), (6, 3)])
    a = ours.Adafactor(mine)
    give_gradients(mine)
    a.step()
    b = copied(a)
    theirs = b.param_groups[0]["params"]
    give_gradients(mine, theirs)
    before = [p.detach().clone() for p in mine]
    b.step()
    assert all(torch.equal(p, q) for p, q in zip(mine, before, strict=True))
    a.step()
    assert all(torch.equal(p, q) for p, q in zip(mine, theirs, strict=True))


def test_groups_follow_schedulers_and_parameters_may_join_late():
    mine = parameters([(5, 4), (300,), (7, 3)])
    theirs = twins(mine)

    def make(kind, ps):
        optimizer = kind([{"params": ps[:1]}, {"params": ps[1:], "lr": 0.3, "weight_decay": 0.1}], lr=0.1)
        return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 7)

    (a, slower), (b, slow) = make(ours.Adafactor, mine), make(torch.optim.Adafactor, theirs)
    for turn in range(8):
        give_gradients(mine, theirs)
        if turn < 3 or turn == 5:
            mine[2].grad = theirs[2].grad = None
        versions = [p._version for p in mine]
        a.step()
        b.step()
        slower.step()
        slow.step()
        assert all(p._version > v for p, v in zip(mine, versions, strict=True) if p.grad is not None)
    close(mine, theirs)
    states_close(a, b)
    assert [float(a.state[p]["step"]) for p in mine] == [8, 8, 4]


def test_other_orders_of_memory_have_the_rows_of_their_shapes():
    mine = [
        torch.nn.Parameter(torch.randn(8, 4, 3, 5).to(memory_format=torch.channels_last)),
        torch.nn.Parameter(torch.randn(6, 4).t()),
    ]
    theirs = [torch.nn.Parameter(p.detach().clone().contiguous()) for p in mine]
    a, b = ours.Adafactor(mine), torch.optim.Adafactor(theirs)
    strides = [p.stride() for p in mine]
    for _ in range(3):
        give_gradients(mine, theirs)
        a.step()
        b.step()
    close(mine, theirs)
    assert [p.stride() for p in mine] == strides != [p.stride() for p in theirs]


def test_grad_scaler_unscales_or_skips():
    mine = parameters([(5,), (3, 4)])
    theirs = twins(mine)
    a, b = ours.Adafactor(mine), torch.optim.Adafactor(theirs)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    for turn in range(3):
        give_gradients(mine, theirs)
        for p in mine:
            p.grad *= scaler.get_scale()
        if turn == 1:
            mine[1].grad[0, 0] = torch.inf
        else:
            b.step()
        scaler.scale(torch.ones(()))
        scaler.step(a)
        scaler.update()
    close(mine, theirs)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="Clipping threshold d"):
        ours.Adafactor([torch.nn.Parameter(torch.ones(2))], d=0.5)
    w = torch.nn.Parameter(torch.ones(3, 4))
    w.grad = torch.ones(3, 4)
    a = ours.Adafactor([w])
    for name, value in (("lr", float("nan")), ("weight_decay", float("inf")), ("eps", (float("nan"), 1e-3))):
        kept, a.param_groups[0][name] = a.param_groups[0][name], value
        refused(a, [w], ValueError, f"Adafactor: expected a finite {'eps1' if name == 'eps' else name}")
        a.param_groups[0][name] = kept
    a.step()
    a.state[w]["row_var"] = torch.zeros(3, 4)
    refused(
        a, [w], ValueError, r"Adafactor: expected the state 'row_var' of parameter 0 of group 0 of shape \(3, 1\), got \(3, 4\)"
    )
    half = torch.nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
    half.grad = torch.ones_like(half)
    refused(ours.Adafactor([half]), [half], TypeError, "float32 or float64, got torch.bfloat16")
    w.grad = w.detach()
    refused(ours.Adafactor([w]), [w], ValueError, "share memory")
