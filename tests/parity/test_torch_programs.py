"""What programs do around an optimizer of lamella.torch, compared with torch.optim: schedulers that also change momentum, learning
rates that are tensors, averages of weights, names, threads, compiled steps, data-parallel gradients. Skipped without torch."""

import copy
import socket
import threading

import pytest

torch = pytest.importorskip("torch")
from torch.optim import lr_scheduler, swa_utils  # noqa: E402 - after the skip

from lamella import torch as ours  # noqa: E402
from tests.parity.torch_steps import give_gradients, parameters, twins  # noqa: E402

OPTIONS = {
    "Adam": {"amsgrad": True},
    "AdamW": {"weight_decay": 0.1},
    "SGD": {"momentum": 0.9, "nesterov": True},
    "RMSprop": {"momentum": 0.8, "centered": True},
    "Adagrad": {"lr_decay": 0.1},
    "Adafactor": {},
}
SHAPES = [(5,), (33, 5), (4, 3, 3, 3)]
names = pytest.mark.parametrize("name", OPTIONS)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(3)


def pair(name, mine, theirs, **options):
    options = {**OPTIONS[name], **options}
    return getattr(ours, name)(mine, **options), getattr(torch.optim, name)(theirs, foreach=False, **options)


def close(mine, theirs):
    # Adafactor adds squares in another order.
    for p, q in zip(mine, theirs, strict=True):
        torch.testing.assert_close(p, q, rtol=2e-5, atol=2e-6)


SCHEDULERS = {
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, max_lr=0.1, total_steps=25, three_phase=True),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 1e-3, 0.1, step_size_up=5),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, total_iters=5), lr_scheduler.CosineAnnealingWarmRestarts(o, 4)], [5]
    ),
    "SWALR": lambda o: swa_utils.SWALR(o, swa_lr=0.05, anneal_epochs=7),
}


@pytest.mark.parametrize("schedule", SCHEDULERS)
@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD", "RMSprop"])
def test_schedulers_that_change_betas_or_momentum(name, schedule):
    mine = parameters(SHAPES)
    theirs = twins(mine)
    (a, b), seen = pair(name, mine, theirs, lr=0.01), set()
    schedulers = [SCHEDULERS[schedule](optimizer) for optimizer in (a, b)]
    for _ in range(18):
        give_gradients(mine, theirs)
        for optimizer, scheduler in zip((a, b), schedulers, strict=True):
            optimizer.step()
            scheduler.step()
        groups = [{k: v for k, v in o.param_groups[0].items() if k not in ("params", "foreach")} for o in (a, b)]
        assert groups[0] == groups[1]
        seen.add(groups[0]["lr"])
    assert len(seen) > 5
    if schedule in ("OneCycleLR", "CyclicLR"):
        start = {"Adam": 0.9, "AdamW": 0.9}.get(name, OPTIONS[name].get("momentum"))
        assert (groups[0]["betas"][0] if "betas" in groups[0] else groups[0]["momentum"]) != start
    close(mine, theirs)


@names
def test_a_learning_rate_that_is_a_tensor(name):
    mine = parameters(SHAPES)
    theirs = twins(mine)
    lr = torch.tensor(0.01)
    a, b = pair(name, mine, theirs, lr=lr)
    for turn in range(6):
        if turn == 3:
            lr.fill_(0.1)
        give_gradients(mine, theirs)
        a.step()
        b.step()
    close(mine, theirs)
    assert a.param_groups[0]["lr"] is lr and lr.item() == pytest.approx(0.1)


@names
def test_averages_of_weights_and_names_of_parameters(name):
    nets = [torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))]
    nets.append(copy.deepcopy(nets[0]))
    optimizers = pair(name, nets[0].named_parameters(), nets[1].named_parameters(), lr=0.01)
    averages = [swa_utils.AveragedModel(net, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.9)) for net in nets]
    for _ in range(8):
        x = torch.randn(6, 3)
        for net, optimizer, average in zip(nets, optimizers, averages, strict=True):
            optimizer.zero_grad()
            net(x).square().mean().backward()
            optimizer.step()
            average.update_parameters(net)
    close(*(average.parameters() for average in averages))
    states = [optimizer.state_dict() for optimizer in optimizers]
    assert states[0]["param_groups"][0]["param_names"] == states[1]["param_groups"][0]["param_names"]
    assert "0.weight" in states[0]["param_groups"][0]["param_names"]


@names
def test_optimizers_in_several_threads_have_the_bits_of_one(name):
    def train(number, results):
        generator = torch.Generator().manual_seed(number)
        params = [torch.nn.Parameter(torch.randn(300, 50, generator=generator)) for _ in range(3)]
        optimizer = getattr(ours, name)(params, **OPTIONS[name])
        for _ in range(10):
            for p in params:
                p.grad = torch.randn(p.shape, generator=generator)
            optimizer.step()
        results[number] = torch.cat([p.detach() for p in params])

    alone, together = {}, {}
    for number in range(3):
        train(number, alone)
    threads = [threading.Thread(target=train, args=(number, together)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert alone.keys() == together.keys() and all(torch.equal(alone[n], together[n]) for n in alone)


# torch 2.13's own modules warn about each other's functions.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", ["AdamW", "SGD"])
def test_a_compiled_step_follows_the_learning_rate(name):
    mine = parameters(SHAPES)
    theirs = twins(mine)
    a, b = pair(name, mine, theirs, lr=0.01)
    compiled = torch.compile(a.step, backend="eager")
    schedulers = [lr_scheduler.OneCycleLR(o, max_lr=0.1, total_steps=12) for o in (a, b)]
    for _ in range(10):
        give_gradients(mine, theirs)
        compiled()
        b.step()
        for scheduler in schedulers:
            scheduler.step()
    torch.compiler.reset()
    close(mine, theirs)
    if name == "AdamW":
        assert a.state[mine[0]]["step"].item() == 10


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("view", [False, True])
def test_gradients_of_data_parallel_training(view):
    distributed = pytest.importorskip("torch.distributed")
    if not distributed.is_available() or not distributed.is_gloo_available():
        pytest.skip("torch has no gloo")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=0, world_size=1)
    try:
        nets = [torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.Linear(144, 2))]
        nets.append(copy.deepcopy(nets[0]))
        optimizers = pair("AdamW", list(nets[0].parameters()), list(nets[1].parameters()), lr=0.01)
        wrapped = [torch.nn.parallel.DistributedDataParallel(net, gradient_as_bucket_view=view) for net in nets]
        for _ in range(5):
            x = torch.randn(8, 3, 8, 8)
            for net, optimizer in zip(wrapped, optimizers, strict=True):
                optimizer.zero_grad()
                net(x).square().mean().backward()
                optimizer.step()
        close(nets[0].parameters(), nets[1].parameters())
    finally:
        distributed.destroy_process_group()
