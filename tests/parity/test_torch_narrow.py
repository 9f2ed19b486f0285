"""lamella.torch's optimizers with slots of few bits: bits of the bare arrays' rules, states, and what torch expects of an optimizer."""

import copy
import io
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lamella import optimizers as bare  # noqa: E402 - after the skip
from lamella import torch as ours  # noqa: E402 - after the skip
from tests.oracles import storage  # noqa: E402
from tests.parity.torch_steps import give_gradients, parameters, refused, twins  # noqa: E402

RULES = {
    "NarrowAdamW": (
        {"lr": 0.02, "weight_decay": 0.1, "betas": (0.8, 0.99)},
        {"weight_decay": 0.1, "beta_1": 0.8, "beta_2": 0.99},
    ),
    "NarrowLion": ({"lr": 0.02, "weight_decay": 0.1}, {"weight_decay": 0.1}),
    "NarrowSGD": ({"lr": 0.02, "momentum": 0.9, "nesterov": True}, {"momentum": 0.9, "nesterov": True}),
}
WIDE = {"NarrowAdamW": ours.AdamW, "NarrowLion": ours.Lion, "NarrowSGD": ours.SGD}
SHAPES = [(), (1,), (33, 5), (0, 4), (1001,)]
names = pytest.mark.parametrize("name", RULES)
states = pytest.mark.parametrize("state", ["float32", "bfloat16", "8bit"])
dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(7)


def make(name, params, **options):
    return getattr(ours, name)(params, **RULES[name][0] | options)


def same(some, others):
    for p, q in zip(some, others, strict=True):
        assert p.dtype is q.dtype and torch.equal(p, q)


def same_states(a, b):
    a, b = a.state_dict()["state"], b.state_dict()["state"]
    assert a.keys() == b.keys()
    for key in a:
        assert a[key].keys() == b[key].keys()
        same(a[key].values(), b[key].values())


@dtypes
@states
@names
def test_steps_have_the_bits_of_the_rule_on_bare_arrays(name, state, dtype):
    mine = parameters(SHAPES, dtype)
    theirs = [p.detach().clone() for p in mine]
    a = make(name, mine, state_dtype=state, seed=11, clipnorm=2.0)
    b = getattr(bare, name)(0.02, state=state, seed=11, clipnorm=2.0, **RULES[name][1])
    for _ in range(5):
        give_gradients(mine)
        b.step(theirs, [p.grad for p in mine])
        a.step()
    same([p.detach() for p in mine], theirs)
    if state == "8bit":
        slots = [x for x in a.state[mine[2]].values() if x.dtype is torch.uint8]
        kept = [x for key, x in b.get_state().items() if key.endswith("_2")]
        assert [x.numpy().tobytes() for x in slots] == [x.tobytes() for x in kept] and slots


@names
def test_float32_slots_have_the_bits_of_the_wide_class(name):
    mine = parameters(SHAPES)
    theirs = twins(mine)
    a, b = make(name, mine, state_dtype="float32"), WIDE[name](theirs, **RULES[name][0])
    for _ in range(5):
        give_gradients(mine, theirs)
        a.step()
        b.step()
    same(mine, theirs)
    assert isinstance(a, WIDE[name])


@states
@names
def test_slots_have_their_bits(name, state):
    p = torch.nn.Parameter(torch.ones(2, 300))
    p.grad = torch.ones_like(p)
    a = make(name, [p], state_dtype=state)
    a.step()
    sizes = [x.numel() * x.element_size() for key, x in a.state[p].items() if key != "step"]
    assert set(sizes) == {{"float32": 2400, "bfloat16": 1200, "8bit": 600 + 4 * 3}[state]}
    assert len(sizes) == (2 if name == "NarrowAdamW" else 1)


@dtypes
@states
@names
def test_a_saved_state_resumes_with_the_same_bits(name, state, dtype):
    mine = parameters(SHAPES, dtype)
    groups = [{"params": mine[:2]}, {"params": mine[2:], "lr": 0.01, "state_dtype": "bfloat16"}]
    a = make(name, groups, state_dtype=state)
    for _ in range(3):
        give_gradients(mine)
        a.step()
    file = io.BytesIO()
    torch.save(a.state_dict(), file)
    file.seek(0)
    theirs = twins(mine)
    b = getattr(ours, name)([{"params": theirs[:2]}, {"params": theirs[2:]}], lr=5.0, seed=3)
    b.load_state_dict(torch.load(file, weights_only=True))
    same_states(a, b)
    assert [g["state_dtype"] for g in b.param_groups] == [state, "bfloat16"]
    for _ in range(3):
        give_gradients(mine, theirs)
        a.step()
        b.step()
    same(mine, theirs)
    same_states(a, b)


@names
def test_hooks_see_the_tensors_of_a_state_dict(name):
    mine = parameters(SHAPES, torch.bfloat16)
    a = make(name, mine, state_dtype="8bit")
    give_gradients(mine)
    a.step()
    b, seen = make(name, twins(mine), state_dtype="8bit"), []
    b.register_load_state_dict_pre_hook(lambda o, d: seen.extend(x for own in d["state"].values() for x in own.values()))
    b.register_load_state_dict_post_hook(lambda o: seen.extend(x for own in o.state.values() for x in own.values()))
    b.load_state_dict(a.state_dict())
    assert seen and all(isinstance(x, torch.Tensor) for x in seen) and torch.uint8 in {x.dtype for x in seen}
    assert not b._optimizer_load_state_dict_pre_hooks.keys() - {min(b._optimizer_load_state_dict_pre_hooks)}


@states
@pytest.mark.parametrize("name, theirs", [("NarrowAdamW", "AdamW"), ("NarrowSGD", "SGD")])
def test_a_state_of_torchs_class_is_rounded_to_the_storage(name, theirs, state):
    other = parameters(SHAPES)
    options = {"lr": 0.02, "momentum": 0.9} if theirs == "SGD" else {"lr": 0.02}
    source = getattr(torch.optim, theirs)(other, **options)
    for _ in range(2):
        give_gradients(other)
        source.step()
    mine = twins(other)
    a = make(name, mine, state_dtype=state)
    a.load_state_dict(source.state_dict())
    for p, q in zip(mine, other, strict=True):
        for slot, signed in a.signed.items():
            wanted, got = source.state[q][slot].numpy(), a.state[p][slot]
            if state == "8bit":
                got = storage.from_codes(got.numpy(), wanted.size, signed).reshape(wanted.shape)
                # 3 bits of mantissa, and the largest number of a block fixes the smallest code.
                bound = np.abs(wanted) / 16 + np.abs(wanted).max(initial=0) * (2**-15.7 if signed else 2**-31)
                assert (np.abs(got - wanted) <= bound * 1.001).all()
            else:
                torch.testing.assert_close(
                    got.float(), torch.from_numpy(wanted), rtol=2**-8 if state == "bfloat16" else 0, atol=0
                )
    give_gradients(mine)
    a.step()
    if theirs == "AdamW":
        assert {float(a.state[p]["step"]) for p in mine} == {3.0}


@pytest.mark.parametrize("name, theirs", [("NarrowAdamW", "AdamW"), ("NarrowSGD", "SGD")])
def test_torchs_class_continues_from_float32_and_bfloat16_slots(name, theirs):
    for state in ("float32", "bfloat16"):
        mine = parameters(SHAPES)
        a = make(name, mine, state_dtype=state)
        give_gradients(mine)
        a.step()
        others = twins(mine)
        b = getattr(torch.optim, theirs)(others)
        b.load_state_dict(copy.deepcopy(a.state_dict()))
        give_gradients(mine, others)
        for p, q in zip(mine, others, strict=True):
            for slot in a.signed:
                assert torch.equal(a.state[p][slot].float(), b.state[q][slot])
        a.step()
        b.step()
        for p, q in zip(mine, others, strict=True):
            torch.testing.assert_close(p, q, rtol=1e-6, atol=1e-6)


@names
def test_groups_follow_schedulers_and_a_group_may_join(name):
    mine = parameters([(5,), (300,), (7, 3)])
    theirs = twins(mine)
    a = make(name, [{"params": mine[:1]}, {"params": mine[1:2], "lr": 0.3}], state_dtype="float32")
    b = WIDE[name]([{"params": theirs[:1]}, {"params": theirs[1:2], "lr": 0.3}], **RULES[name][0])
    slower, slow = (torch.optim.lr_scheduler.ExponentialLR(o, 0.5) for o in (a, b))
    for turn in range(5):
        give_gradients(mine, theirs)
        a.step()
        b.step()
        slower.step()
        slow.step()
        if turn == 2:
            for o, ps in ((a, mine), (b, theirs)):
                o.add_param_group({"params": ps[2:], "weight_decay": 0.5})
    same(mine, theirs)
    assert a.param_groups[0]["lr"] == 0.02 / 2**5 and a.param_groups[2]["state_dtype"] == "float32"


@names
@pytest.mark.parametrize("scale", [1.0, 1024.0])
def test_grad_scaler_unscales_in_the_pass_or_skips(name, scale):
    mine = parameters([(5,), (3, 4)])
    theirs = twins(mine)
    a, b = (make(name, ps, state_dtype="float32", clipnorm=0.7) for ps in (mine, theirs))
    scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=100)
    for turn in range(4):
        give_gradients(mine, theirs)
        for p in mine:
            p.grad *= scaler.get_scale()
        if turn == 1:
            mine[1].grad[0, 0] = torch.inf
        else:
            b.step()
        scaler.scale(torch.ones(()))
        if turn == 2:
            scaler.unscale_(a)
        scaler.step(a)
        scaler.update()
    same(mine, theirs)
    assert {float(a.state[p]["step"]) for p in mine} == {3.0}
    assert not hasattr(a, "found_inf") and not hasattr(a, "grad_scale")


@names
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))], ids=["deepcopy", "pickle"])
def test_copies_continue_independently(name, copied):
    mine = parameters([(5,), (600,)], torch.bfloat16)
    a = make(name, mine, state_dtype="8bit", clipnorm=0.3, seed=4)
    give_gradients(mine)
    a.step()
    b = copied(a)
    theirs = b.param_groups[0]["params"]
    assert all(p.data_ptr() != q.data_ptr() for p, q in zip(mine, theirs, strict=True))
    before = [p.detach().clone() for p in mine]
    give_gradients(mine, theirs)
    b.step()
    same([p.detach() for p in mine], before)
    a.step()
    same(mine, theirs)
    same_states(a, b)


def test_hooks_and_closures_run_around_the_step():
    p = torch.nn.Parameter(torch.ones(4))
    a, order = ours.NarrowSGD([p], lr=0.5, state_dtype="float32"), []
    a.register_step_pre_hook(lambda *_: order.append(float(p[0].detach())))
    a.register_step_post_hook(lambda *_: order.append(float(p[0].detach())))

    def closure():
        a.zero_grad()
        loss = p.sum()
        loss.backward()
        return loss

    assert a.step(closure, zero=True).item() == 4
    assert order == [1.0, 0.5] and not p.grad.any()


@dtypes
@names
def test_clipping_clearing_and_copies_are_those_of_separate_passes(name, dtype):
    mine = parameters([(5, 3), (700,)], dtype)
    theirs = twins(mine)
    a = make(name, [{"params": [p]} for p in mine], state_dtype="float32", clipnorm=0.5, stochastic=False)
    b = make(name, [{"params": [p]} for p in theirs], state_dtype="float32", stochastic=False)
    copies = [torch.zeros_like(p, dtype=torch.bfloat16, requires_grad=False) for p in mine]
    for _ in range(3):
        give_gradients(mine, theirs)
        versions = [p._version for p in mine]
        a.step(zero=True, copies=copies if dtype is torch.float32 else None)
        torch.nn.utils.clip_grad_norm_(theirs, 0.5)
        b.step()
        assert all(p._version > v for p, v in zip(mine, versions, strict=True))
        assert not any(p.grad.any() for p in mine)
    if dtype is torch.float32:
        for p, q, x in zip(mine, theirs, copies, strict=True):
            torch.testing.assert_close(p, q, rtol=0, atol=2e-6)
            assert torch.equal(x, p.detach().to(torch.bfloat16))
    else:  # torch rounds the clipped gradients to bfloat16
        for p, q in zip(mine, theirs, strict=True):
            torch.testing.assert_close(p, q, rtol=2**-6, atol=0.02 if name != "NarrowLion" else 0.13)


def test_random_rounding_keeps_small_steps_of_bfloat16():
    for stochastic, low, high in ((False, 0.0, 0.0), (True, 0.045, 0.055)):
        p = torch.nn.Parameter(torch.ones(4000, dtype=torch.bfloat16))
        a = ours.NarrowSGD([p], lr=5e-4, stochastic=stochastic)
        for _ in range(100):
            p.grad = torch.full_like(p, -1)
            a.step()
        assert low <= p.detach().float().mean().item() - 1 <= high
        assert "momentum_buffer" not in a.state[p]


def test_groups_of_one_step_have_random_numbers_of_their_own():
    mine = [torch.nn.Parameter(torch.ones(2000, dtype=torch.bfloat16)) for _ in range(2)]
    a = ours.NarrowSGD([{"params": [p]} for p in mine], lr=2.0**-10)
    for p in mine:
        p.grad = torch.full_like(p, -1)
    a.step()
    ups = [(p.detach() > 1).float() for p in mine]
    assert abs(float((ups[0] * ups[1]).mean()) - float(ups[0].mean() * ups[1].mean())) < 0.02
    assert not torch.equal(*mine)


@dtypes
@names
def test_weights_whose_order_of_memory_changes_between_steps(name, dtype):
    mine = parameters([(8, 4, 3, 3)], dtype)
    plain = twins(mine)
    a, b = (make(name, some, state_dtype="bfloat16", stochastic=False) for some in (mine, plain))
    for order in (torch.contiguous_format, torch.channels_last, torch.contiguous_format):
        mine[0].data = mine[0].data.to(memory_format=order)
        for _ in range(2):
            give_gradients(mine, plain)
            a.step()
            b.step()
    same(mine, plain)
    same_states(a, b)
    b = make(name, plain, state_dtype="8bit")
    give_gradients(plain)
    b.step()
    plain[0].data = plain[0].data.to(memory_format=torch.channels_last)
    refused(b, plain, ValueError, "contiguous for a state of 8 bits")


def test_channels_last_weights_keep_their_order():
    w = torch.randn(8, 4, 3, 3)
    mine = torch.nn.Parameter(w.to(memory_format=torch.channels_last))
    plain = torch.nn.Parameter(w.clone())
    a, b = (ours.NarrowAdamW([p], state_dtype="bfloat16", stochastic=False) for p in (mine, plain))
    for _ in range(3):
        give_gradients([mine], [plain])
        mine.grad = mine.grad.to(memory_format=torch.contiguous_format)
        plain.grad = mine.grad.clone()
        a.step(zero=True)
        b.step()
        assert not mine.grad.any()
    assert torch.equal(mine, plain) and a.state[mine]["exp_avg"].stride() == mine.stride()
    mine.grad = torch.ones_like(mine)
    refused(ours.NarrowAdamW([mine], state_dtype="8bit"), [mine], ValueError, "contiguous for a state of 8 bits")


@pytest.mark.parametrize(
    "kind, options, match",
    [
        (
            ours.NarrowAdamW,
            {"state_dtype": "int8"},
            "NarrowAdamW: expected state_dtype to be one of float32, bfloat16, 8bit, got 'int8'",
        ),
        (ours.NarrowLion, {"state_dtype": torch.bfloat16}, "NarrowLion: expected state_dtype to be one of"),
        (ours.NarrowSGD, {"clipnorm": 0.0}, "NarrowSGD: expected clipnorm to be a finite number above 0"),
        (ours.NarrowSGD, {"clipnorm": float("nan")}, "NarrowSGD: expected clipnorm"),
        (ours.NarrowAdamW, {"amsgrad": True}, "NarrowAdamW: amsgrad=True is not supported"),
        (ours.NarrowAdamW, {"betas": (1.0, 0.9)}, "beta"),
        (ours.NarrowLion, {"lr": -1.0}, "lr"),
    ],
)
def test_arguments_are_refused_by_name(kind, options, match):
    with pytest.raises(ValueError, match=match):
        kind([torch.nn.Parameter(torch.ones(3))], **options)


@names
def test_tensors_that_do_not_fit_are_refused(name):
    for error, match, bad in (
        (TypeError, "float32 or bfloat16, got torch.float64", torch.ones(3, dtype=torch.float64)),
        (TypeError, "float32 or bfloat16, got torch.float16", torch.ones(3, dtype=torch.float16)),
        (TypeError, "float32 or bfloat16, got torch.complex64", torch.ones(3, dtype=torch.complex64)),
        (ValueError, "contiguous", torch.ones(6, 8)[:, ::2]),
    ):
        good, bad = torch.nn.Parameter(torch.ones(2)), bad.detach().requires_grad_()
        a = make(name, [good, bad])
        good.grad, bad.grad = torch.ones(2), torch.ones_like(bad)
        refused(a, [good, bad], error, f"^{name}: expected parameter 1 of group 0.*{match}")
    w = torch.nn.Parameter(torch.ones(4))
    w.grad = w.detach()
    refused(make(name, [w]), [w], ValueError, "share memory")
    w.grad = torch.ones(4)
    for option in ("capturable", "differentiable"):
        a = make(name, [w])
        a.param_groups[0][option] = True
        refused(a, [w], ValueError, f"{name}: {option}=True is not supported")
    a = make(name, [w])
    a.param_groups[0]["lr"] = float("nan")
    refused(a, [w], ValueError, f"{name}: expected a finite lr")
    table = torch.nn.Embedding(6, 4, sparse=True)
    table(torch.tensor([1, 4])).sum().backward()
    refused(make(name, [w, table.weight]), [w, table.weight], RuntimeError, f"^{name} does not support sparse gradients")


@names
def test_copies_that_do_not_fit_are_refused(name):
    w = torch.nn.Parameter(torch.ones(4))
    w.grad = torch.ones(4)
    half = torch.ones(4, dtype=torch.bfloat16)
    refused(make(name, [w]), [w], ValueError, "expected one copy for each of 1", copies=[])
    refused(make(name, [w]), [w], TypeError, "copy 0 of torch.bfloat16", copies=[torch.ones(4)])
    refused(make(name, [w]), [w], ValueError, "copy 0 on the CPU of shape", copies=[half[:3]])
    refused(make(name, [w]), [w], ValueError, "share memory", copies=[w.detach().view(torch.bfloat16)[:4]])
    few = torch.nn.Parameter(half.clone())
    few.grad = torch.ones_like(few)
    refused(make(name, [few]), [few], TypeError, "for a parameter of torch.float32", copies=[half])


@names
def test_a_state_of_another_model_or_storage_is_refused(name):
    other, w = parameters([(5,)]), parameters([(4,)])
    give_gradients(other)
    give_gradients(w)
    for state in ("bfloat16", "8bit"):
        source, a = make(name, other, state_dtype=state), make(name, w)
        source.step()
        a.load_state_dict(source.state_dict())
        refused(a, w, ValueError, "of parameter 0 of group 0 of shape")
    a = make(name, w, state_dtype="bfloat16")
    a.step()
    a.param_groups[0]["state_dtype"] = "float32"
    refused(a, w, TypeError, "of parameter 0 of group 0 to be torch.float32 on the CPU, got torch.bfloat16")
    wide = WIDE[name](w, **RULES[name][0])
    eight = make(name, w, state_dtype="8bit")
    eight.step()
    wide.load_state_dict(eight.state_dict())
    refused(wide, w, ValueError, "of parameter 0 of group 0 of shape")


@pytest.mark.parametrize("name", RULES)
def test_an_unknown_keyword_names_the_class(name):
    with pytest.raises(TypeError, match=f"^{name}: unexpected keyword argument 'clipvalue'$"):
        make(name, parameters([(3,)]), clipvalue=1.0)


@names
@dtypes
@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("groups", [1, 2])
def test_gradients_that_share_memory_are_read_by_all(name, dtype, zero, order, groups):
    """As expanded gradients, or those of tied weights, do. The first parameter's call must not clear the second one's."""
    shared = torch.randn(4, 3, 2, 2).to(memory_format=order, dtype=dtype)
    starts = [torch.randn(4, 3, 2, 2).to(memory_format=order, dtype=dtype) for _ in range(3)]
    results = []
    for tied in (True, False):
        params = [p.clone(memory_format=torch.preserve_format).requires_grad_() for p in starts]
        for p in params:
            p.grad = shared.clone(memory_format=torch.preserve_format)
        if tied:
            params[2].grad = params[0].grad
        parts = [params] if groups == 1 else [params[:2], params[2:]]
        opt = make(name, [{"params": part} for part in parts], seed=3, state_dtype="float32", stochastic=False)
        for _ in range(2):
            opt.step(zero=zero)
            assert all((p.grad == 0).all() == zero for p in params)
        results.append(params)
    same(*results)


@names
def test_seeds_are_whole_numbers_of_any_size(name):
    results = []
    for seed in (2**64 + 5, 5, 2**63 + 5, -(2**63) + 5):
        p = torch.ones(4000, dtype=torch.bfloat16).requires_grad_()
        p.grad = torch.full_like(p, 0.01)
        make(name, [p], seed=seed).step()
        results.append(p.detach())
    assert torch.equal(results[0], results[1]) and torch.equal(results[2], results[3])
    assert not torch.equal(results[1], results[2])
    with pytest.raises(TypeError, match="integer"):
        make(name, [torch.ones(3, requires_grad=True)], seed=2.7)
