"""Memory that lamella.torch's optimizers may only read, inference tensors, gradients with a graph, sparse and complex tensors."""

import mmap

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lamella import torch as ours  # noqa: E402 - after the skip
from tests.parity.torch_steps import refused  # noqa: E402

# The optimizers; StepInBackward steps by one of them, and replace is a function.
NAMES = [name for name in ours.__all__ if name not in ("StepInBackward", "replace")]
names = pytest.mark.parametrize("name", NAMES)
pytestmark = pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")


def make(name, params):
    return getattr(ours, name)(params, lr=0.1, **({"momentum": 0.9} if name.endswith("SGD") else {}))


def mapped(tmp_path, mode="r"):
    """A tensor over a file of ones that is mapped into memory."""
    path = tmp_path / "ones"
    np.ones(1024, np.float32).tofile(path)
    return torch.from_numpy(np.memmap(path, np.float32, mode))


@names
@pytest.mark.skipif(not hasattr(mmap, "MAP_POPULATE"), reason="only Linux lists the memory that it protects")
def test_a_file_mapped_for_reading_is_refused(name, tmp_path):
    first, p = torch.nn.Parameter(torch.ones(3)), mapped(tmp_path)
    for groups in ([first, p], [{"params": [first]}, {"params": [p]}]):
        first.grad, p.grad = torch.ones(3), torch.ones(1024)
        optimizer = make(name, groups)
        place = "parameter 0 of group 1" if isinstance(groups[0], dict) else "parameter 1 of group 0"
        refused(optimizer, [first, p], ValueError, f"{name}: expected {place} in memory that can be written")
        assert not any(own.get("step", 0) for own in optimizer.state.values())


@pytest.mark.skipif(not hasattr(mmap, "MAP_POPULATE"), reason="only Linux lists the memory that it protects")
def test_states_gradients_and_copies_mapped_for_reading_are_refused(tmp_path):
    w = torch.nn.Parameter(torch.ones(1024))
    w.grad = torch.ones(1024)
    optimizer = ours.SGD([w], momentum=0.9)
    optimizer.state[w]["momentum_buffer"] = mapped(tmp_path)
    refused(optimizer, [w], ValueError, "the state 'momentum_buffer' of parameter 0 of group 0 in memory that can be written")
    w.grad = mapped(tmp_path)
    refused(ours.NarrowSGD([w]), [w], ValueError, "the gradient of parameter 0 of group 0 in memory that can be", zero=True)
    copy = mapped(tmp_path).view(torch.bfloat16)[:1024]
    refused(ours.NarrowSGD([w]), [w], ValueError, "copy 0 in memory that can be written", copies=[copy])


@names
@pytest.mark.parametrize("mode", ["c", "r+"])
def test_files_mapped_for_writing_and_gradients_only_read_are_accepted(name, mode, tmp_path):
    p, q = mapped(tmp_path, mode), torch.ones(1024)
    p.grad, q.grad = torch.ones(1024), torch.ones(1024)
    (tmp_path / "gradient").mkdir()
    p.grad = mapped(tmp_path / "gradient")
    for x in (p, q):
        make(name, [x]).step()
    assert torch.equal(p, q) and (p < 1).all() and (p.grad == 1).all()
    # A flag of NumPy does not protect memory. torch writes it, with a warning when the tensor is made, and so do these.
    array = np.ones(1024, np.float32)
    array.flags.writeable = False
    x = torch.from_numpy(array)
    x.grad = torch.ones(1024)
    make(name, [x]).step()
    assert torch.equal(x, q)


@names
def test_inference_tensors_step_in_inference_mode_only(name):
    with torch.inference_mode():
        p, g = torch.ones(3), torch.ones(3)
    p.grad = torch.ones(3)
    refused(make(name, [p]), [p], RuntimeError, f"{name}: parameter 0 of group 0 is an inference tensor")
    plain = torch.nn.Parameter(torch.ones(3))
    plain.grad = g
    with torch.inference_mode():
        optimizer = make(name, [p])
        optimizer.step()
    make(name, [plain]).step()
    assert torch.equal(p, plain.detach()) and (p < 1).all()
    refused(optimizer, [p], RuntimeError, f"{name}: parameter 0 of group 0 is an inference tensor")


@names
def test_steps_without_autograd_and_gradients_with_a_graph(name):
    results = []
    for graph in (False, True):
        p = torch.nn.Parameter(torch.ones(3))
        (p.grad,) = torch.autograd.grad((p * p).sum(), [p], create_graph=graph)
        version = p._version
        optimizer = make(name, [p])
        if graph:
            with torch.no_grad():
                optimizer.step()
        else:
            optimizer.step()
        assert p._version == version + 1 and p.requires_grad and p.grad_fn is None
        results.append(p.detach())
    assert torch.equal(*results)


@names
def test_states_are_on_the_cpu_whatever_the_default_device_is(name):
    results = []
    for device in ("cpu", "meta"):
        params = [torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(4, 5))]
        optimizer = make(name, params)  # torch's Adagrad makes its state here
        with torch.device(device):
            for p in params:
                p.grad = torch.ones(p.shape, device="cpu")
            for _ in range(2):
                optimizer.step()
        assert all(x.device.type == "cpu" for own in optimizer.state.values() for x in own.values())
        results.append(torch.cat([p.detach().flatten() for p in params]))
    assert torch.equal(*results) and (results[0] < 1).all()


@names
def test_sparse_and_complex_tensors_are_refused(name):
    w = torch.nn.Parameter(torch.ones(3))
    w.grad = torch.ones(3)
    table = torch.nn.Embedding(6, 4, sparse=True)
    table(torch.tensor([1, 4])).sum().backward()
    refused(make(name, [w, table.weight]), [w, table.weight], RuntimeError, f"^{name} does not support sparse gradients")
    z = torch.ones(3, dtype=torch.complex64, requires_grad=True)
    z.grad = torch.ones(3, dtype=torch.complex64)
    refused(make(name, [w, z]), [w, z], TypeError, f"^{name}: expected parameter 1 of group 0 to be .*, got torch.complex64")
    if name == "Adagrad":  # torch's constructor refuses the next one
        return
    sparse = torch.eye(3).to_sparse()
    sparse.grad = torch.eye(3).to_sparse()
    refused(make(name, [w, sparse]), [w, sparse], TypeError, f"^{name}: expected parameter 1 of group 0 to be a dense tensor")
