"""Later steps of lamella.torch's narrow classes check as much as the first one, which checks tensor by tensor."""

import pytest

torch = pytest.importorskip("torch")

from lamella import torch as ours  # noqa: E402 - after the skip
from tests.parity.torch_steps import give_gradients, parameters, refused, twins  # noqa: E402

SHAPES = [(4,), (33, 5), (), (0, 4), (300,)]
STATES = ["float32", "bfloat16", "8bit"]
states = pytest.mark.parametrize("state", STATES)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(5)


def stepped(state, dtype=torch.float32, groups=1, **options):
    params = parameters(SHAPES, dtype)
    a = ours.NarrowAdamW([{"params": params[k::groups]} for k in range(groups)], state_dtype=state, **options)
    for _ in range(2):
        give_gradients(params)
        a.step()
    give_gradients(params)
    return a, params


def gradient_in_a_slot(a, p):
    p.grad = a.state[p]["exp_avg"].view(torch.uint8).reshape(-1)[: p.numel() * 4].view(torch.float32).reshape(p.shape)


def gradient_in_the_parameter(a, p):
    p.grad = p.detach()


def slot_of_both(a, p):
    a.state[p]["exp_avg_sq"] = a.state[p]["exp_avg"]


def slot_of_another_size(a, p):
    a.state[p]["exp_avg"] = a.state[p]["exp_avg"].repeat(2)


def slot_of_another_storage(a, p):
    # For 4 elements bfloat16 and 8-bit slots have 8 bytes both.
    wanted = torch.uint8 if a.param_groups[0]["state_dtype"] != "8bit" else torch.bfloat16
    a.state[p]["exp_avg"] = torch.zeros(8 if wanted is torch.uint8 else 4, dtype=wanted)


def another_state_dtype(a, p):
    for group in a.param_groups:
        group["state_dtype"] = STATES[STATES.index(group["state_dtype"]) - 1]


def gradient_of_another_shape(a, p):
    p.data = p.data.reshape(2, 2)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(
    "change",
    [
        gradient_in_a_slot,
        gradient_in_the_parameter,
        slot_of_both,
        slot_of_another_size,
        slot_of_another_storage,
        another_state_dtype,
        gradient_of_another_shape,
    ],
)
@states
def test_a_later_step_refuses_what_the_first_one_refuses(state, change, groups):
    if change is gradient_in_a_slot and state != "float32":
        pytest.skip("a slot of fewer bits has no room for a gradient of float32")
    a, params = stepped(state, groups=groups)
    change(a, params[0])
    refused(a, params, (ValueError, TypeError), "^NarrowAdamW: .*parameter 0 of group 0")


def test_bits_of_wider_numbers_are_not_taken_for_bfloat16():
    p = torch.nn.Parameter(torch.ones(6, dtype=torch.bfloat16))
    a = ours.NarrowSGD([p], lr=0.5)
    for _ in range(2):
        p.grad = torch.ones_like(p)
        a.step()
    p.data = torch.ones(6)
    p.grad = torch.ones(6)
    a.step()
    assert p.detach().tolist() == [0.5] * 6
    p.data = torch.ones(6, dtype=torch.float16)
    p.grad = torch.ones(6, dtype=torch.float16)
    refused(a, [p], TypeError, "float32 or bfloat16, got torch.float16")


@states
def test_tensors_at_new_addresses_have_the_bits_of_a_new_optimizer(state):
    a, params = stepped(state, groups=2, clipnorm=1.0)
    theirs = twins(params)
    b = ours.NarrowAdamW([{"params": theirs[k::2]} for k in range(2)], state_dtype=state, clipnorm=1.0)
    b.load_state_dict(a.state_dict())
    for p in params:
        p.data = p.data.clone()
        a.state[p] = {name: x.clone() for name, x in a.state[p].items()}
    for _ in range(2):
        give_gradients(params, theirs)
        a.step()
        b.step()
    for p, q in zip(params, theirs, strict=True):
        assert torch.equal(p, q)


@states
def test_a_step_leaves_tensors_resizable(state):
    a, params = stepped(state)
    tensors = [x for p in params for x in (p, p.grad, a.state[p]["exp_avg"]) if x.numel()]
    assert len(tensors) == 12 and all(x.untyped_storage().resizable() for x in tensors)


def test_copies_are_checked_in_each_step():
    a, _ = stepped("bfloat16", groups=2)
    params = [p for group in a.param_groups for p in group["params"]]
    copies = [torch.zeros_like(p, dtype=torch.bfloat16, requires_grad=False) for p in params]
    a.step(copies=copies)
    assert all(torch.equal(x, p.detach().to(torch.bfloat16)) for x, p in zip(copies, params, strict=True))
    copies[3].data = torch.zeros(5, 33, dtype=torch.bfloat16)
    refused(a, params, ValueError, "copy 3 on the CPU of shape", copies=copies)
    copies[3].data = torch.zeros(33, 5)
    refused(a, params, TypeError, "copy 3 of torch.bfloat16", copies=copies)
    copies[3] = copies[2].detach()[:165].reshape(33, 5)
    refused(a, params, ValueError, "copy [23] and copy [23] share memory", copies=copies)
    copies[3] = params[0].detach()
    refused(a, params, TypeError, "copy 3 of torch.bfloat16", copies=copies)
