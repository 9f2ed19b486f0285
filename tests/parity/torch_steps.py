"""What the tests of lamella.torch's optimizers share. Import it after the skip of tests without torch: it needs torch."""

import pytest
import torch


def parameters(shapes, dtype=torch.float32):
    """Random parameters of these shapes."""
    return [torch.nn.Parameter(torch.randn(shape, dtype=dtype)) for shape in shapes]


def twins(params):
    """Copies of the parameters, in the same order of memory."""
    return [torch.nn.Parameter(p.detach().clone(memory_format=torch.preserve_format)) for p in params]


def give_gradients(*lists):
    """Gives the parameters at one place of all lists the same random gradient."""
    for group in zip(*lists, strict=True):
        g = torch.randn_like(group[0])
        for p in group:
            p.grad = g.clone()


def refused(optimizer, params, error, match, **options):
    """The step raises; the parameters, and the states that were there before, have not changed."""

    def tensors(keys):
        states = optimizer.state_dict()["state"]
        found = [*params, *(states[key][name] for key, name in keys)]
        return [x for x in found if torch.is_tensor(x) and x.device.type == "cpu" and x.layout is torch.strided]

    keys = [(key, name) for key, own in optimizer.state_dict()["state"].items() for name in own]
    before = [x.detach().clone() for x in tensors(keys)]
    with pytest.raises(error, match=match):
        optimizer.step(**options)
    assert all(torch.equal(x, y) for x, y in zip(tensors(keys), before, strict=True))
