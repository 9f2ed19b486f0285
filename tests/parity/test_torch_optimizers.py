"""lamella.torch compared with torch.optim: bits, states, hooks, schedulers. Skipped if torch is not installed."""

import copy
import gc
import io
import pickle
import weakref

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch.optim.optimizer import register_optimizer_step_post_hook  # noqa: E402

from lamella import _kernels  # noqa: E402
from lamella import torch as ours  # noqa: E402 - after the skip
from tests.parity.torch_steps import give_gradients, parameters, refused, twins  # noqa: E402

CASES = {
    "Adam": [{}, {"weight_decay": 0.05}, {"amsgrad": True}, {"maximize": True, "betas": (0.3, 0.9)}, {"eps": 1e-3, "lr": 0.1}],
    "AdamW": [{}, {"amsgrad": True, "weight_decay": 0.3}],
    "SGD": [
        {},
        {"weight_decay": 0.1, "maximize": True},
        {"momentum": 0.9},
        {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1},
        {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    ],
    "Adagrad": [{}, {"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.2}, {"maximize": True}],
    "RMSprop": [
        {},
        {"weight_decay": 0.1},
        {"momentum": 0.9},
        {"centered": True},
        {"centered": True, "momentum": 0.5, "alpha": 0.4, "maximize": True},
    ],
}
ROWS = [(name, options) for name, several in CASES.items() for options in several]
rows = pytest.mark.parametrize("name, options", ROWS, ids=[f"{n}-{'-'.join(o)}" for n, o in ROWS])
names = pytest.mark.parametrize("name", CASES)
dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
SHAPES = [(), (1,), (7,), (33, 5), (16, 3, 3, 3), (0, 4), (1001,)]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(7)


def nearest_root(monkeypatch):
    """torch's operations with correctly rounded square roots, as IEEE 754 requires; those of MKL are not always so."""
    root = lambda x: torch.from_numpy(np.asarray(np.sqrt(x.detach().numpy())))
    monkeypatch.setattr(torch.Tensor, "sqrt", root)
    monkeypatch.setattr(torch.Tensor, "sqrt_", lambda x: x.copy_(root(x)))


def same(a, b):
    """Equal bits. The target sse4 has no fused multiply-add, so it rounds differently from torch on this machine."""
    if _kernels.target() == "sse4":
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
        return
    assert torch.equal(a, b)


def states_equal(a, b):
    a, b = a.state_dict()["state"], b.state_dict()["state"]
    assert a.keys() == b.keys()
    for key in a:
        assert a[key].keys() == b[key].keys()
        for name, value in a[key].items():
            assert value.dtype == b[key][name].dtype, (key, name)
            same(value, b[key][name])


@dtypes
@rows
def test_a_hundred_steps_have_the_bits_of_torch(monkeypatch, name, options, dtype):
    nearest_root(monkeypatch)
    mine = parameters(SHAPES, dtype)
    theirs = twins(mine)
    a = getattr(ours, name)(mine, **options)
    b = getattr(torch.optim, name)(theirs, foreach=False, **options)
    for _ in range(100):
        give_gradients(mine, theirs)
        a.step()
        b.step()
    for p, q in zip(mine, theirs, strict=True):
        same(p, q)
    states_equal(a, b)


@rows
def test_a_thousand_steps_stay_within_few_ulp_of_torch(name, options):
    mine = [torch.nn.Parameter(torch.randn(4000))]
    theirs = twins(mine)
    options = {"lr": 1e-3} | options
    a = getattr(ours, name)(mine, **options)
    b = getattr(torch.optim, name)(theirs, foreach=False, **options)
    for _ in range(1000):
        give_gradients(mine, theirs)
        a.step()
        b.step()
    difference = (mine[0] - theirs[0]).abs().detach().numpy()
    # In units in the last place of p, or of 1 if p is smaller, because p passes through 0. Rules without a root are exact. With
    # an lr of 0.1, or with momentum, p moves by much more than its own size.
    unit = np.spacing(np.maximum(theirs[0].detach().abs().numpy(), 1))
    if _kernels.target() == "sse4":
        pytest.skip("without a fused multiply-add each step rounds at other places")
    assert (difference / unit).max() <= (0 if name == "SGD" else 8 if options["lr"] == 0.1 or "momentum" in options else 2)


@names
def test_a_training_of_a_network_ends_at_the_same_loss(name):
    def train(kind):
        torch.manual_seed(3)
        model = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 3))
        x, y = torch.randn(32, 1, 8, 8), torch.randint(0, 3, (32,))
        optimizer = getattr(kind, name)(model.parameters(), lr=0.01)
        for _ in range(30):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
        return loss.item()

    assert train(ours) == pytest.approx(train(torch.optim), rel=1e-4)


@rows
def test_a_state_dict_goes_both_ways(monkeypatch, name, options):
    nearest_root(monkeypatch)
    first, second = (ours, torch.optim), (torch.optim, ours)
    for source, target in (first, second):
        mine = parameters(SHAPES)
        theirs = twins(mine)
        straight = getattr(torch.optim, name)(theirs, **options, foreach=False)
        begun = getattr(source, name)(mine, **options, foreach=False)
        for _ in range(3):
            give_gradients(mine, theirs)
            straight.step()
            begun.step()
        file = io.BytesIO()
        torch.save(begun.state_dict(), file)
        file.seek(0)
        on = twins(mine)
        resumed = getattr(target, name)(on, lr=5.0)
        resumed.load_state_dict(torch.load(file, weights_only=True))
        for _ in range(3):
            give_gradients(on, theirs)
            straight.step()
            resumed.step()
        for p, q in zip(on, theirs, strict=True):
            same(p, q)
        states_equal(resumed, straight)


@names
def test_classes_and_defaults_are_those_of_torch(name):
    params = parameters(SHAPES)
    a, b = getattr(ours, name)(params), getattr(torch.optim, name)(params)
    assert isinstance(a, getattr(torch.optim, name))
    assert a.defaults == b.defaults
    assert {k: v for k, v in a.param_groups[0].items() if k != "params"} == {
        k: v for k, v in b.param_groups[0].items() if k != "params"
    }


@names
def test_groups_have_their_own_numbers_and_follow_schedulers(monkeypatch, name):
    nearest_root(monkeypatch)
    mine = parameters(SHAPES)
    theirs = twins(mine)

    def make(kind, ps):
        optimizer = getattr(kind, name)(
            [{"params": ps[:3]}, {"params": ps[3:], "lr": 0.3, "weight_decay": 0.1}], lr=0.1, foreach=False
        )
        return optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 7)

    (a, slower), (b, slow) = make(ours, mine), make(torch.optim, theirs)
    for _ in range(10):
        give_gradients(mine, theirs)
        a.step()
        b.step()
        slower.step()
        slow.step()
    assert [g["lr"] for g in a.param_groups] == [g["lr"] for g in b.param_groups]
    for p, q in zip(mine, theirs, strict=True):
        same(p, q)


@rows
def test_parameters_that_join_late_or_pause_count_their_own_steps(monkeypatch, name, options):
    nearest_root(monkeypatch)
    mine = parameters([(5,), (6,), (7,)])
    theirs = twins(mine)
    a, b = getattr(ours, name)(mine, **options), getattr(torch.optim, name)(theirs, foreach=False, **options)
    for turn in range(9):
        give_gradients(mine, theirs)
        for i in range(3):
            if turn % (i + 1):
                mine[i].grad = theirs[i].grad = None
        a.step()
        b.step()
        if turn == 5:
            extra = parameters([(4,)])
            copied = twins(extra)
            a.add_param_group({"params": extra})
            b.add_param_group({"params": copied})
            mine, theirs = mine + extra, theirs + copied
            give_gradients(mine, theirs)
    for p, q in zip(mine, theirs, strict=True):
        same(p, q)
    for p, q in zip(mine, theirs, strict=True):
        assert a.state[p].keys() == b.state[q].keys()
        for key, value in a.state[p].items():
            same(value, b.state[q][key])


def test_a_step_count_and_a_slot_that_somebody_sets_are_taken():
    mine = parameters([(5,), (6,)])
    theirs = twins(mine)
    a, b = ours.Adam(mine), torch.optim.Adam(theirs, foreach=False)
    for _ in range(2):
        give_gradients(mine, theirs)
        a.step()
        b.step()
    for optimizer, params in ((a, mine), (b, theirs)):
        optimizer.state[params[0]]["step"] = torch.tensor(11.0)
        optimizer.state[params[1]]["exp_avg"] = torch.full((6,), 0.5)
    give_gradients(mine, theirs)
    a.step()
    b.step()
    for optimizer, params in ((a, mine), (b, theirs)):
        optimizer.state[params[1]]["step"].fill_(40.0)
        optimizer.state[params[0]] = {k: v.clone() for k, v in optimizer.state[params[0]].items()}
    give_gradients(mine, theirs)
    a.step()
    b.step()
    states_equal(a, b)
    assert [a.state[p]["step"].item() for p in mine] == [13, 41]
    for p, q in zip(mine, theirs, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-6, atol=1e-7)


@names
def test_weights_whose_memory_is_replaced_continue(name):
    mine = parameters([(5,), (6,)])
    theirs = twins(mine)
    a, b = getattr(ours, name)(mine), getattr(torch.optim, name)(theirs, foreach=False)
    for turn in range(4):
        if turn == 2:
            for p in mine + theirs:
                p.data = p.data * 2
        give_gradients(mine, theirs)
        a.step()
        b.step()
    for p, q in zip(mine, theirs, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-6, atol=1e-7)


@rows
def test_channels_last_weights_and_gradients_of_other_layouts(monkeypatch, name, options):
    nearest_root(monkeypatch)
    start = [torch.randn(8, 3, 5, 5).to(memory_format=torch.channels_last), torch.randn(6, 4).T, torch.randn(4, 6)]
    mine = [torch.nn.Parameter(t) for t in start]
    theirs = twins(mine)
    a, b = getattr(ours, name)(mine, **options), getattr(torch.optim, name)(theirs, foreach=False, **options)
    for turn in range(3):
        give_gradients(mine, theirs)
        for p in mine[:turn]:
            p.grad = p.grad.contiguous()
        mine[2].grad = torch._neg_view(-mine[2].grad) if turn == 2 else mine[2].grad.T.contiguous().T
        a.step()
        b.step()
    for p, q in zip(mine, theirs, strict=True):
        same(p, q)
        assert p.stride() == q.stride()


@rows
def test_weights_whose_order_of_memory_changes_between_steps(name, options):
    orders = torch.contiguous_format, torch.channels_last
    mine = [torch.nn.Parameter(torch.randn(8, 3, 5, 5).to(memory_format=order)) for order in orders]
    theirs = twins(mine)
    a, b = getattr(ours, name)(mine, **options), getattr(torch.optim, name)(theirs, foreach=False, **options)
    for turn in range(5):
        give_gradients(mine, theirs)
        a.step()
        b.step()
        if turn % 2:
            for several in (mine, theirs):
                several[0].data = several[0].data.to(memory_format=orders[turn // 2 - 1])
                several[1].data = several[1].data.to(memory_format=orders[turn // 2])
    for p, q in zip(mine, theirs, strict=True):
        assert p.stride() == q.stride()
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-5)  # torch rounds differently where orders differ
        torch.testing.assert_close({**a.state[p]}, {**b.state[q]}, rtol=1e-4, atol=1e-5)


@names
def test_large_tensors_have_states_like_torchs(monkeypatch, name):
    nearest_root(monkeypatch)
    mine = parameters([(1100, 1000)]) + parameters([(600, 1000)], torch.float64)
    theirs = twins(mine)
    a, b = getattr(ours, name)(mine), getattr(torch.optim, name)(theirs, foreach=False)
    for turn in range(3):
        if turn == 2:
            a = copy.deepcopy(a)
            mine = a.param_groups[0]["params"]
        give_gradients(mine[:1], theirs[:1])
        give_gradients(mine[1:], theirs[1:])
        a.step()
        b.step()
    for p, q in zip(mine, theirs, strict=True):
        same(p, q)
    states_equal(a, b)
    saved = io.BytesIO()
    torch.save(a.state_dict(), saved)
    saved.seek(0)
    again = getattr(ours, name)(twins(mine))
    again.load_state_dict(torch.load(saved, weights_only=True))
    states_equal(again, b)


@names
def test_autograd_sees_that_weights_have_changed(name):
    w = torch.nn.Parameter(torch.ones(3))
    optimizer = getattr(ours, name)([w], lr=0.1)
    w.grad = torch.ones(3)
    loss = (w * w).sum()
    before = w._version
    optimizer.step()
    assert w._version > before
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_closure_runs_once_with_gradients_on():
    w = torch.nn.Parameter(torch.ones(3))
    optimizer = ours.SGD([w], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with torch.no_grad():
        assert optimizer.step(closure).item() == 3
    assert w.tolist() == [0.5] * 3


def test_hooks_run_around_the_step():
    w = torch.nn.Parameter(torch.ones(1))
    w.grad = torch.ones(1)
    optimizer, seen = ours.SGD([w], lr=0.5), []
    optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append(("before", o is optimizer, w.item())))
    optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append(("after", o is optimizer, w.item())))
    handle = register_optimizer_step_post_hook(lambda o, args, kwargs: seen.append("everywhere"))
    optimizer.step()
    handle.remove()
    assert seen == [("before", True, 1.0), ("after", True, 0.5), "everywhere"]


def test_the_profiler_records_the_step():
    w = torch.nn.Parameter(torch.ones(1))
    w.grad = torch.ones(1)
    optimizer = ours.SGD([w])
    with torch.profiler.profile() as profile:
        optimizer.step()
    assert "Optimizer.step#SGD.step" in [e.key for e in profile.key_averages()]


@names
@pytest.mark.parametrize("scale", [1.0, 1024.0, 3.0])
def test_grad_scaler_unscales_or_skips(name, scale):
    mine = parameters([(5,), (3, 4)])
    theirs = twins(mine)
    a, b = getattr(ours, name)(mine), getattr(torch.optim, name)(theirs, foreach=False)
    scalers = [torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=2) for _ in range(2)]
    for turn in range(4):
        give_gradients(mine, theirs)
        for p in mine + theirs:
            p.grad *= scalers[0].get_scale()
        if turn == 1:
            mine[1].grad[0, 0] = theirs[1].grad[0, 0] = torch.inf
        for scaler, optimizer in zip(scalers, (a, b), strict=True):
            scaler.scale(torch.ones(()))
            if turn == 2:
                scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update()
        assert scalers[0].get_scale() == scalers[1].get_scale()
        if turn != 1:
            for p, q in zip(mine, theirs, strict=True):
                torch.testing.assert_close(p.grad, q.grad, rtol=3e-7, atol=0)
    for p, q in zip(mine, theirs, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-6, atol=1e-6)
    if name not in ("SGD",):
        assert [a.state[p]["step"].item() for p in mine] == [3, 3]
    assert not hasattr(a, "found_inf") and not hasattr(a, "grad_scale")


@names
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))], ids=["deepcopy", "pickle"])
def test_copies_continue_independently(name, copied):
    mine = parameters([(5,), (6,)])
    a = getattr(ours, name)(mine)
    give_gradients(mine)
    a.step()
    b = copied(a)
    theirs = b.param_groups[0]["params"]
    assert all(torch.equal(p, q) and p.data_ptr() != q.data_ptr() for p, q in zip(mine, theirs, strict=True))
    before = [p.detach().clone() for p in mine]
    give_gradients(mine, theirs)
    b.step()
    assert all(torch.equal(p, q) for p, q in zip(mine, before, strict=True))
    a.step()
    assert all(torch.equal(p, q) for p, q in zip(mine, theirs, strict=True))
    states_equal(a, b)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))], ids=["deepcopy", "pickle"])
def test_copies_of_the_class_of_deepspeed_keep_its_mode(copied):
    mine = parameters([(5,)])
    a = ours.DeepSpeedCPUAdam(mine, weight_decay=0.3, adamw_mode=False)
    give_gradients(mine)
    a.step()
    b = copied(a)
    theirs = b.param_groups[0]["params"]
    give_gradients(mine, theirs)
    for optimizer in (a, b):
        optimizer.step()
    assert torch.equal(mine[0], theirs[0]) and b.adam_w_mode is False and b.fp32_optimizer_states is True


@pytest.mark.parametrize("kind", [ours.Adam, ours.DeepSpeedCPUAdam])
def test_adam_continues_as_amsgrad(kind):
    mine = parameters([(5,)])
    a = kind(mine)
    for _ in range(3):
        give_gradients(mine)
        a.step()
    b = kind(mine, amsgrad=True)
    state, before = a.state_dict(), a.state[mine[0]]["exp_avg_sq"].clone()
    state["param_groups"][0]["amsgrad"] = True
    b.load_state_dict(state)
    mine[0].grad = torch.tensor([0.0, 0.0, 9.0, 9.0, 9.0])
    b.step()
    own = b.state[mine[0]]
    # The largest v so far is at least the one before: it has become smaller where the gradient is 0.
    assert own["step"].item() == 4 and torch.equal(own["max_exp_avg_sq"], torch.maximum(before, own["exp_avg_sq"]))
    assert (own["exp_avg_sq"][:2] < before[:2]).all()


@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.3, "lr": 0.01, "betas": (0.8, 0.95)}, {"maximize": True}])
def test_lion_has_the_bits_of_its_algorithm_in_torch(options):
    mine = parameters([(7,), (33, 5)])
    theirs = twins(mine)
    optimizer = ours.Lion(mine, **options)
    group = optimizer.param_groups[0]
    averages = [torch.zeros_like(p) for p in theirs]
    for _ in range(20):
        give_gradients(mine, theirs)
        optimizer.step()
        with torch.no_grad():
            for p, m in zip(theirs, averages, strict=True):
                g, (beta1, beta2) = -p.grad if group["maximize"] else p.grad, group["betas"]
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_((m * beta1).add_(g, alpha=1 - beta1).sign_(), alpha=-group["lr"])
                m.mul_(beta2).add_(g, alpha=1 - beta2)
    for p, q, m in zip(mine, theirs, averages, strict=True):
        same(p, q)
        same(optimizer.state[p]["exp_avg"], m)
    again = ours.Lion(twins(mine))
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    give_gradients(mine, again.param_groups[0]["params"])
    optimizer.step()
    again.step()
    for p, q in zip(mine, again.param_groups[0]["params"], strict=True):
        assert torch.equal(p, q)


def test_lion_refuses_arguments_by_name():
    w = torch.nn.Parameter(torch.ones(2))
    for options, words in (
        ({"lr": -1.0}, "Lion: expected lr >= 0, got -1.0"),
        ({"lr": float("nan")}, "Lion: expected lr >= 0, got nan"),
        ({"weight_decay": -0.5}, "Lion: expected weight_decay >= 0, got -0.5"),
        ({"betas": (0.9, 1.0)}, r"Lion: expected betas in \[0, 1\), got 1.0 at index 1"),
    ):
        with pytest.raises(ValueError, match=words):
            ours.Lion([w], **options)
    w.grad = torch.ones(2)
    refused(ours.Lion([w], capturable=True), [w], ValueError, "Lion: capturable=True")
    refused(ours.Lion([w], lr=float("inf")), [w], ValueError, "Lion: expected a finite lr, got inf")


def test_an_optimizer_and_its_tensors_are_freed():
    w = torch.nn.Parameter(torch.ones(1000))
    w.grad = torch.ones(1000)
    optimizer = ours.Adam([w])
    optimizer.step()
    g = weakref.ref(w.grad)
    w.grad = None
    assert g() is None
    refs = [weakref.ref(optimizer), weakref.ref(w)]
    del optimizer, w
    gc.collect()
    assert [r() for r in refs] == [None, None]


RULES = [*CASES, "Adafactor", "Lion", "DeepSpeedCPUAdam", "NarrowAdamW", "NarrowLion", "NarrowSGD"]
# The groups of each rule of a line have the numbers of all.
ALIKE = [{"Adam", "AdamW", "DeepSpeedCPUAdam", "NarrowAdamW"}, {"SGD", "NarrowSGD"}, {"Lion", "NarrowLion"}]
LIONS = ALIKE[0] | ALIKE[2]  # a Lion continues with Adam's mean of gradients


@pytest.mark.parametrize("loaded", RULES)
@pytest.mark.parametrize("saved", RULES)
def test_a_state_of_another_rule_is_refused_before_anything_changes(saved, loaded):
    def stepped(name):
        params = parameters([(5, 4), (3,)])
        optimizer = getattr(ours, name)(params, **({"momentum": 0.9} if name.endswith("SGD") else {}))
        give_gradients(params)
        optimizer.step()
        return optimizer, params

    state = copy.deepcopy(stepped(saved)[0].state_dict())
    optimizer, params = stepped(loaded)
    before = copy.deepcopy(optimizer.state_dict())
    if saved == loaded or any({saved, loaded} <= some for some in ALIKE) or (loaded in ALIKE[2] and saved in LIONS):
        optimizer.load_state_dict(state)
        optimizer.step()
        return
    with pytest.raises(
        ValueError, match=f"^{loaded}: expected a state_dict of the same rule, got group 0 .*; its numbers are "
    ):
        optimizer.load_state_dict(state)
    after = optimizer.state_dict()
    assert after["param_groups"] == before["param_groups"] and after["state"].keys() == before["state"].keys()
    for key, own in before["state"].items():
        assert all(torch.equal(torch.as_tensor(x), torch.as_tensor(after["state"][key][name])) for name, x in own.items())
    optimizer.step()
    assert all(p.isfinite().all() for p in params)


def test_a_state_dict_of_a_model_is_refused():
    optimizer = ours.Adam(parameters([(3,)]))
    with pytest.raises(ValueError, match="^Adam: expected the state_dict of an optimizer, got one with the keys weight, bias"):
        optimizer.load_state_dict(torch.nn.Linear(2, 2).state_dict())


@pytest.mark.parametrize(
    "name, key, value, words",
    [
        ("Adam", "betas", 0.9, "two numbers for betas, got 0.9"),
        ("AdamW", "betas", (0.9,), r"two numbers for betas, got \(0.9,\)"),
        ("Lion", "betas", (0.9, "0.99"), "a number for betas, got '0.99'"),
        ("SGD", "momentum", "0.9", "a number for momentum, got '0.9'"),
        ("RMSprop", "alpha", None, "a number for alpha, got None"),
        ("Adagrad", "lr", [0.1], r"a number for lr, got \[0.1\]"),
        ("Adafactor", "d", torch.ones(2), r"a number for d, got tensor\(\[1., 1.\]\)"),
    ],
)
def test_what_is_no_number_is_refused_by_name(name, key, value, words):
    w = torch.nn.Parameter(torch.ones(4))
    optimizer = getattr(ours, name)([w])
    optimizer.param_groups[0][key] = value
    w.grad = torch.ones(4)
    with pytest.raises(TypeError, match=f"^{name}: expected {words}"):
        optimizer.step()
    assert (w == 1).all()


@names
def test_gradients_that_do_not_fit_are_refused(name):
    for split in (False, True):
        table, w = torch.nn.Embedding(6, 4, sparse=True), torch.nn.Parameter(torch.ones(3))
        optimizer = getattr(ours, name)([{"params": [w]}, {"params": [table.weight]}] if split else [w, table.weight])
        (w.sum() + table(torch.tensor([1, 4])).sum()).backward()
        refused(optimizer, [w, table.weight], RuntimeError, f"^{name} does not support sparse gradients")


@pytest.mark.parametrize("name", [*CASES, "Lion", "NarrowAdamW", "NarrowLion", "NarrowSGD"])
def test_a_gradient_through_a_conjugate_keeps_its_sign(name):
    results = []
    for lazy in (True, False):
        real, imaginary, other = (torch.nn.Parameter(torch.tensor(x)) for x in (1.0, 2.0, 5.0))
        optimizer = getattr(ours, name)([{"params": [real, imaginary]}, {"params": [other]}], lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            (torch.complex(real, imaginary).conj() * (1 + 3j) + other).abs().backward()
            assert imaginary.grad.is_neg() and imaginary.grad.is_contiguous()
            if not lazy:
                imaginary.grad = imaginary.grad.resolve_neg()
            optimizer.step()
        results.append([p.detach().clone() for p in (real, imaginary, other)])
    same(*map(torch.stack, results))


@names
def test_parameters_that_do_not_fit_are_refused(name):
    kind = getattr(ours, name)
    wide = torch.randn(6, 8)
    for error, match, bad in (
        (TypeError, "float32 or float64, got torch.bfloat16", torch.ones(3, dtype=torch.bfloat16)),
        (TypeError, "float32 or float64, got torch.float16", torch.ones(3, dtype=torch.float16)),
        (TypeError, "float32 or float64, got torch.complex64", torch.ones(3, dtype=torch.complex64)),
        (TypeError, "on the CPU, got torch.strided on meta", torch.ones(3, device="meta")),
        (ValueError, "contiguous", wide[:, ::2]),
        (ValueError, "contiguous", torch.ones(1, 3).expand(4, 3)),
        (TypeError, "plain tensor, got the negative view", torch.ones((), dtype=torch.complex64).conj().imag),
    ):
        good = torch.nn.Parameter(torch.ones(2))
        bad = bad.detach().requires_grad_()
        optimizer = kind([good, bad])
        good.grad = torch.ones(2)
        bad.grad = torch.ones_like(bad)
        refused(optimizer, [good, bad], error, f"^{name}: expected parameter 1 of group 0.*{match}")


@names
def test_memory_that_is_used_twice_is_refused(name):
    kind = getattr(ours, name)
    whole = torch.ones(10)
    parts = [whole[:6].requires_grad_(), whole[4:].detach().requires_grad_()]
    for p in parts:
        p.grad = torch.ones(6)
    refused(kind(parts), parts, ValueError, "share memory")
    refused(kind([{"params": [p]} for p in parts]), parts, ValueError, "share memory")
    w = torch.nn.Parameter(torch.ones(4))
    w.grad = w.detach()
    refused(kind([w]), [w], ValueError, "share memory")


def test_arguments_of_other_machines_are_refused_by_name():
    w = torch.nn.Parameter(torch.ones(4))
    w.grad = torch.ones(4)
    for name, kind in ((n, getattr(ours, n)) for n in CASES):
        refused(kind([w], differentiable=True), [w], ValueError, f"^{name}: differentiable=True")
        kind([w], foreach=True).step()
    for kind in (ours.Adam, ours.AdamW, ours.RMSprop):
        refused(kind([w], capturable=True), [w], ValueError, "capturable=True")
    for kind in (ours.Adam, ours.AdamW, ours.SGD, ours.Adagrad):
        kind([w], fused=True).step()
        with pytest.raises(RuntimeError, match="`fused` and `foreach`"):
            kind([w], fused=True, foreach=True)


@names
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(name, number):
    w = torch.nn.Parameter(torch.ones(4))
    w.grad = torch.ones(4)
    optimizer = getattr(ours, name)([w])
    optimizer.param_groups[0]["lr"] = number
    refused(optimizer, [w], ValueError, f"{name}: expected a finite lr, got {number}")
    with pytest.raises(ValueError, match="empty parameter list"):
        getattr(ours, name)([])


def test_a_momentum_may_begin_and_end_between_steps(monkeypatch):
    nearest_root(monkeypatch)
    mine = parameters(SHAPES)
    theirs = twins(mine)
    a, b = ours.SGD(mine, lr=0.1, dampening=0.25), torch.optim.SGD(theirs, lr=0.1, dampening=0.25, foreach=False)
    for momentum in (0.0, 0.0, 0.9, 0.9, 0.0, 0.0, 0.5, 0.5):
        for optimizer in (a, b):
            optimizer.param_groups[0]["momentum"] = momentum
        give_gradients(mine, theirs)
        a.step()
        b.step()
        for p, q in zip(mine, theirs, strict=True):
            same(p, q)
            if momentum:
                same(a.state[p]["momentum_buffer"], b.state[q]["momentum_buffer"])


def test_amsgrad_may_begin_between_steps():
    (p,) = mine = parameters([(6,)])
    a = ours.Adam(mine)
    for amsgrad in (False, False, True, True):
        a.param_groups[0]["amsgrad"] = amsgrad
        give_gradients(mine)
        a.step()
    assert torch.all(a.state[p]["max_exp_avg_sq"] >= a.state[p]["exp_avg_sq"]) and a.state[p]["step"] == 4


@names
def test_a_number_of_the_second_group_is_refused_before_the_first_group_changes(name):
    mine = parameters([(5,), (3, 2)])
    optimizer = getattr(ours, name)([{"params": [p]} for p in mine])
    give_gradients(mine)
    optimizer.step()
    give_gradients(mine)
    optimizer.param_groups[1]["weight_decay"] = float("nan")
    refused(optimizer, mine, ValueError, f"{name}: expected a finite weight_decay, got nan")


@names
def test_a_parameter_that_is_twice_in_a_group_is_refused(name):
    (w,) = mine = parameters([(5,)])
    give_gradients(mine)
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optimizer = getattr(ours, name)([w, w])
    refused(optimizer, mine, ValueError, f"{name}: expected each parameter once in group 0, got one of them more often")


@names
def test_a_state_of_another_model_is_refused(name):
    options = {"momentum": 0.9} if name == "SGD" else {}
    other, w = parameters([(5,)]), parameters([(4,)])
    give_gradients(other)
    give_gradients(w)
    source, optimizer = getattr(torch.optim, name)(other, **options), getattr(ours, name)(w, **options)
    source.step()
    optimizer.load_state_dict(source.state_dict())
    refused(optimizer, w, ValueError, r"of parameter 0 of group 0 of shape \(4,\), got \(5,\)")


DEEPSPEED = [
    ({}, "AdamW", {"weight_decay": 0}),
    ({"weight_decay": 0.1, "lr": 0.01, "eps": 1e-6}, "AdamW", {"weight_decay": 0.1, "lr": 0.01, "eps": 1e-6}),
    ({"weight_decay": 0.1, "adamw_mode": False, "betas": (0.8, 0.9)}, "Adam", {"weight_decay": 0.1, "betas": (0.8, 0.9)}),
    ({"amsgrad": True, "fp32_optimizer_states": False}, "AdamW", {"weight_decay": 0, "amsgrad": True}),
]


@dtypes
@pytest.mark.parametrize("arguments, name, options", DEEPSPEED)
def test_the_class_of_deepspeed_has_the_bits_of_torch(monkeypatch, arguments, name, options, dtype):
    nearest_root(monkeypatch)
    mine = parameters(SHAPES, dtype)
    theirs = twins(mine)
    a = ours.DeepSpeedCPUAdam(mine, **arguments)
    b = getattr(torch.optim, name)(theirs, foreach=False, **options)
    for _ in range(20):
        give_gradients(mine, theirs)
        a.step()
        b.step()
    for p, q in zip(mine, theirs, strict=True):
        same(p, q)
    # A state_dict of either loads into the other.
    saved = a.state_dict()
    assert all(type(own["step"]) is int and own["step"] == 20 for own in saved["state"].values())
    assert set(saved["param_groups"][0]) - {"params"} == {"lr", "betas", "eps", "weight_decay", "bias_correction", "amsgrad"}
    c, d = getattr(torch.optim, name)(twins(mine), foreach=False, **options), ours.DeepSpeedCPUAdam(twins(theirs), **arguments)
    c.load_state_dict({**copy.deepcopy(saved), "param_groups": copy.deepcopy(b.state_dict()["param_groups"])})
    d.load_state_dict(copy.deepcopy(b.state_dict()))
    lists = [optimizer.param_groups[0]["params"] for optimizer in (a, b, c, d)]
    give_gradients(*lists)
    for optimizer in (a, b, c, d):
        optimizer.step()
    for p, q, r, s in zip(*lists, strict=True):
        same(p, q)
        same(p, r)
        same(p, s)


def test_the_class_of_deepspeed_without_bias_correction():
    w, g = torch.nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64)), torch.tensor([0.5, 3.0], dtype=torch.float64)
    optimizer = ours.DeepSpeedCPUAdam([w], 0.1, False, (0.9, 0.99), 1e-3, 0.5)
    p, m, v = w.detach().clone(), torch.zeros(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    for _ in range(3):
        w.grad = g.clone()
        optimizer.step()
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g * g
        p = p * (1 - 0.1 * 0.5) - 0.1 * m / (v.sqrt() + 1e-3)
    torch.testing.assert_close(w.detach(), p, rtol=1e-13, atol=0)
    for options, words in (
        ({"lr": -1.0}, "expected lr >= 0, got -1.0"),
        ({"eps": float("nan")}, "expected eps >= 0, got nan"),
        ({"weight_decay": -0.5}, "expected weight_decay >= 0, got -0.5"),
        ({"betas": (0.9, 1.0)}, r"expected betas in \[0, 1\), got 1.0 at index 1"),
    ):
        with pytest.raises(ValueError, match=f"DeepSpeedCPUAdam: {words}"):
            ours.DeepSpeedCPUAdam([w], **options)
    w.grad = g.clone()
    refused(ours.DeepSpeedCPUAdam([w], lr=float("inf")), [w], ValueError, "DeepSpeedCPUAdam: expected a finite lr, got inf")


@names
def test_steps_in_backward_are_the_ordinary_steps_and_free_gradients(name):
    model = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Tanh(), torch.nn.Linear(5, 5), torch.nn.Linear(5, 2))
    model[2].weight = model[3].weight = torch.nn.Parameter(torch.randn(5, 5))  # used twice
    model[3].bias = torch.nn.Parameter(torch.zeros(5), requires_grad=False)
    twin = copy.deepcopy(model)
    steps = ours.StepInBackward(model.parameters(), lambda params: getattr(ours, name)(params, lr=0.01))
    whole = getattr(ours, name)([p for p in twin.parameters() if p.requires_grad], lr=0.01)
    x, alive = torch.randn(8, 6), []
    for p in model.parameters():  # runs after the hook of the step
        if p.requires_grad:
            p.register_post_accumulate_grad_hook(lambda _: alive.append(sum(q.grad is not None for q in model.parameters())))
    for _ in range(3):
        model(x).square().sum().backward()
        twin(x).square().sum().backward()
        whole.step()
        whole.zero_grad()
    assert len(steps.optimizers) == 4 and alive == [0] * 12
    assert all(p.grad is None and torch.equal(p, q) for p, q in zip(model.parameters(), twin.parameters(), strict=True))
    before = [p.detach().clone() for p in model.parameters()]
    steps.remove()
    model(x).square().sum().backward()
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))
    assert all((p.grad is not None) == p.requires_grad for p in model.parameters())


def test_steps_in_backward_keep_no_model_in_memory():
    def trained():
        w = torch.nn.Parameter(torch.ones(3))
        steps = ours.StepInBackward([w], lambda params: ours.SGD(params, lr=0.5))
        w.sum().backward()
        assert w.tolist() == [0.5] * 3
        return w, steps

    w, steps = trained()
    held = weakref.ref(w), weakref.ref(steps.optimizers[0])
    del steps
    w.sum().backward()  # as after remove
    assert w.tolist() == [0.5] * 3 and w.grad.tolist() == [1.0] * 3
    steps = ours.StepInBackward([w], lambda params: ours.SGD(params, lr=0.5))
    w.sum().backward()
    assert w.tolist() == [-0.5] * 3 and w.grad is None
    del w, steps
    gc.collect()
    assert [x() for x in held] == [None, None]
    with pytest.warns(UserWarning, match="this object was deleted before its first step"):
        ours.StepInBackward([torch.nn.Parameter(torch.ones(3))], ours.Adam)


def test_steps_in_backward_refuse_what_they_cannot_step():
    w = torch.nn.Parameter(torch.ones(2), requires_grad=False)
    with pytest.raises(ValueError, match="StepInBackward: expected at least one parameter that requires a gradient"):
        ours.StepInBackward([w], ours.Adam)
    with pytest.raises(TypeError, match="StepInBackward: expected make to return an optimizer, got list"):
        ours.StepInBackward([torch.nn.Parameter(torch.ones(2))], list)


def test_a_hook_after_each_gradient_may_step_and_free_it():
    model = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Linear(5, 2))
    twin = copy.deepcopy(model)
    of = {p: ours.Adam([p]) for p in model.parameters()}
    whole = ours.Adam(twin.parameters())

    def hook(p):
        of[p].step()
        p.grad = None

    for p in model.parameters():
        p.register_post_accumulate_grad_hook(hook)
    x = torch.randn(8, 6)
    for _ in range(3):
        model(x).square().sum().backward()
        twin(x).square().sum().backward()
        whole.step()
        whole.zero_grad()
    assert all(p.grad is None and torch.equal(p, q) for p, q in zip(model.parameters(), twin.parameters(), strict=True))


def many():
    """Small tensors with gradients."""
    params = parameters([(7,)] * 40)
    give_gradients(params)
    return params


def test_later_steps_follow_memory_that_has_moved():
    params = many()
    others = twins(params)
    mine, theirs = ours.Adam(params), torch.optim.Adam(others, foreach=False)
    for step in range(6):
        kept = [p.grad for p in params]  # so that the new gradients have other addresses
        give_gradients(params, others)
        del kept
        for some, optimizer in ((params, mine), (others, theirs)):
            optimizer.step()
            if step == 2:
                some[3].data = some[3].data.clone()
            if step == 3:
                optimizer.state[some[5]]["exp_avg"].data = optimizer.state[some[5]]["exp_avg"].clone() * 2
            if step == 4:
                optimizer.state[some[6]]["exp_avg_sq"] = optimizer.state[some[6]]["exp_avg_sq"].clone() * 3
    for p, q in zip(params, others, strict=True):
        torch.testing.assert_close(p, q, rtol=2e-6, atol=1e-8)
        torch.testing.assert_close(mine.state[p]["exp_avg"], theirs.state[q]["exp_avg"], rtol=0, atol=0)


@pytest.mark.parametrize("which", ["parameter 3", "gradient", "state 'exp_avg'"])
def test_later_steps_refuse_memory_that_is_gone(which):
    params = many()
    optimizer = ours.Adam(params)
    optimizer.step()
    optimizer.step()
    before = [p.detach().clone() for p in params]
    tensors = {"parameter 3": params[3], "gradient": params[3].grad, "state 'exp_avg'": optimizer.state[params[3]]["exp_avg"]}
    gone = tensors[which].untyped_storage()
    size = gone.nbytes()
    gone.resize_(0)
    with pytest.raises(ValueError, match=f"{which}.* to have memory for 7 elements, got none"):
        optimizer.step()
    gone.resize_(size)
    params[3].data.copy_(before[3])
    assert all(torch.equal(p, q) for p, q in zip(params, before, strict=True))


def test_later_steps_refuse_gradients_over_the_state():
    params = many()
    optimizer = ours.Adam(params)
    optimizer.step()
    optimizer.step()
    before = [p.detach().clone() for p in params]
    params[8].grad = optimizer.state[params[2]]["exp_avg"]
    with pytest.raises(
        ValueError, match="the gradient of parameter 8 of group 0 and the state of parameter 2 of group 0 share memory"
    ):
        optimizer.step()
    assert all(torch.equal(p, q) for p, q in zip(params, before, strict=True))


def test_a_step_keeps_no_gradient_alive():
    params = many()
    optimizer = ours.Adam(params)
    optimizer.step()
    optimizer.step()
    dead = [weakref.ref(p.grad) for p in params]
    optimizer.zero_grad(set_to_none=True)
    assert not any(each() is not None for each in dead)
