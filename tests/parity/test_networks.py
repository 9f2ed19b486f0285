"""A network's loss and all of its gradients in training, compared with the same graph in torch, in float64."""

import numpy as np
import pytest

from lamella import applications
from lamella.core import config
from lamella.optimizers import SGD

torch = pytest.importorskip("torch")
from bench.peers import torch_networks  # noqa: E402 - it imports torch


@pytest.fixture(autouse=True)
def float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_gradients_of_mobilenet_v2():
    config.set_floatx("float64")
    stream = np.random.default_rng(0)
    x = stream.standard_normal((4, 64, 64, 3))
    labels = stream.integers(0, 10, 4)
    model = applications.MobileNetV2(weights=None, input_shape=(64, 64, 3), classes=10, alpha=0.5)
    graph = torch_networks.Graph(model).train()
    loss = torch.nn.functional.cross_entropy(graph(torch.from_numpy(x).permute(0, 3, 1, 2)), torch.from_numpy(labels))
    loss.backward()
    before = {layer.name: layer.get_weights() for layer in model.layers}
    model.compile(SGD(lr=1.0), "sparse_categorical_crossentropy")  # a step of the gradient's length
    np.testing.assert_allclose(model.train_on_batch(x, labels), loss.item(), rtol=1e-12)
    compared = 0
    for name, part in graph.parts.items():
        if any(True for _ in part.parameters()):
            order = {4: (2, 3, 0, 1) if "depthwise" in name else (2, 3, 1, 0), 2: (1, 0), 1: (0,)}[part.weight.ndim]
            wanted = part.weight.grad.numpy().transpose(order)
            step = before[name][0] - model.get_layer(name).get_weights()[0]
            np.testing.assert_allclose(step, wanted, rtol=1e-9, atol=1e-10 * np.abs(wanted).max())
            compared += 1
    assert compared == 105
