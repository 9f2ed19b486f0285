"""Optimizers and whole steps of training, compared with PyTorch's. Skipped if torch is not installed.

If the two define something differently, the test converts one to the other, and checks that they differ without the conversion.
"""

import numpy as np
import pytest

from lamella.core import config
from lamella.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Flatten,
    GlobalAveragePooling2D,
    MaxPooling2D,
)
from lamella.models import Sequential
from lamella.optimizers import SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, Nadam, RMSprop

torch = pytest.importorskip("torch")
nn = torch.nn

SHAPES = [(3, 5), (7,), (2, 3, 4), (1,), (100, 33)]
TOLERANCE = {"float64": 1e-12, "float32": 2e-6}
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def run(ours, make_theirs, dtype, steps=20, before_step=lambda optimizer, params, t: None, scale=1.0):
    """The parameters after so many steps on the same gradients: (lamella's, torch's)."""
    rng = np.random.default_rng(0)
    params = [rng.normal(size=s).astype(dtype) for s in SHAPES]
    tensors = [torch.nn.Parameter(torch.from_numpy(p.copy())) for p in params]
    theirs = make_theirs(tensors)
    for t in range(1, steps + 1):
        grads = [(scale * rng.normal(size=s)).astype(dtype) for s in SHAPES]
        for tensor, g in zip(tensors, grads, strict=True):
            tensor.grad = torch.from_numpy(g.copy())
        before_step(theirs, tensors, t)
        theirs.step()
        ours.step(params, grads)
    return params, [tensor.detach().numpy() for tensor in tensors]


def agree(pair, tolerance):
    return all(np.allclose(a, b, rtol=tolerance, atol=tolerance) for a, b in zip(*pair, strict=True))


@dtypes
@pytest.mark.parametrize("momentum, nesterov", [(0.0, False), (0.9, False), (0.9, True)])
def test_sgd(dtype, momentum, nesterov):
    # torch stores v/lr: the two are equal as long as lr does not change.
    pair = run(
        SGD(lr=0.05, momentum=momentum, nesterov=nesterov),
        lambda ps: torch.optim.SGD(ps, lr=0.05, momentum=momentum, nesterov=nesterov),
        dtype,
    )
    assert agree(pair, TOLERANCE[dtype])


@dtypes
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adagrad(dtype, decay):
    pair = run(
        Adagrad(lr=0.05, epsilon=1e-7, decay=decay),
        lambda ps: torch.optim.Adagrad(ps, lr=0.05, eps=1e-7, lr_decay=decay),
        dtype,
    )
    assert agree(pair, TOLERANCE[dtype])


def keras_epsilon(optimizer, tensors, t):
    """torch adds eps to the corrected root, Keras epsilon to the uncorrected one: eps = epsilon / sqrt(1 - beta_2^t)."""
    for group in optimizer.param_groups:
        group["eps"] = 1e-3 / (1 - 0.999**t) ** 0.5


@dtypes
@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_adam(dtype, amsgrad, scale):
    make = lambda ps: torch.optim.Adam(ps, lr=0.01, eps=1e-3, amsgrad=amsgrad)
    pair = run(Adam(lr=0.01, epsilon=1e-3, amsgrad=amsgrad), make, dtype, before_step=keras_epsilon, scale=scale)
    # float32: Keras rounds the betas to the parameters' dtype, torch does not.
    assert agree(pair, TOLERANCE[dtype] if dtype == "float64" else 2e-4)
    if scale != 1.0:  # gradients as small as epsilon: here the place of epsilon matters
        assert not agree(run(Adam(lr=0.01, epsilon=1e-3, amsgrad=amsgrad), make, dtype, scale=scale), 1e-3)


@dtypes
@pytest.mark.parametrize("amsgrad", [False, True])
def test_adamw(dtype, amsgrad):
    make = lambda ps: torch.optim.AdamW(ps, lr=0.01, eps=1e-3, weight_decay=0.3, amsgrad=amsgrad)
    ours = lambda: AdamW(lr=0.01, epsilon=1e-3, weight_decay=0.3, amsgrad=amsgrad)
    pair = run(ours(), make, dtype, before_step=keras_epsilon)
    assert agree(pair, TOLERANCE[dtype] if dtype == "float64" else 2e-4)
    assert not agree(run(Adam(lr=0.01, epsilon=1e-3, amsgrad=amsgrad), make, dtype, before_step=keras_epsilon), 1e-3)


@pytest.fixture
def torch_float64():
    """NAdam keeps its product of momenta in torch's default dtype, whatever the dtype of the parameters is."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


# One formula, epsilon included: epsilon = eps, rho = alpha, schedule_decay = momentum_decay. Gradients as small as
# epsilon show that both add it at the same place. float32: Keras rounds rho and the betas, torch does not.
@dtypes
@pytest.mark.parametrize("scale", [1.0, 1e-3])
@pytest.mark.parametrize(
    "ours, theirs",
    [
        (
            lambda: RMSprop(lr=0.01, rho=0.9, epsilon=1e-3),
            lambda ps: torch.optim.RMSprop(ps, lr=0.01, alpha=0.9, eps=1e-3),
        ),
        (
            lambda: Adadelta(lr=1.0, rho=0.95, epsilon=1e-3),
            lambda ps: torch.optim.Adadelta(ps, lr=1.0, rho=0.95, eps=1e-3),
        ),
        (
            lambda: Nadam(lr=0.01, epsilon=1e-3, schedule_decay=0.01),
            lambda ps: torch.optim.NAdam(ps, lr=0.01, eps=1e-3, momentum_decay=0.01),
        ),
    ],
    ids=["RMSprop", "Adadelta", "Nadam"],
)
def test_rules_that_are_the_same(dtype, ours, theirs, scale, torch_float64):
    assert agree(run(ours(), theirs, dtype, scale=scale), TOLERANCE[dtype] if dtype == "float64" else 2e-4)


@dtypes
def test_adamax(dtype):
    # torch: u = max(beta_2*u, |g| + eps), without epsilon under the step. They are equal if epsilon is 0.
    make = lambda eps: lambda ps: torch.optim.Adamax(ps, lr=0.01, betas=(0.9, 0.5), eps=eps)
    ours = lambda eps: Adamax(lr=0.01, beta_2=0.5, epsilon=eps)
    assert agree(run(ours(0.0), make(0.0), dtype), TOLERANCE[dtype])
    assert not agree(run(ours(0.1), make(0.1), dtype), 1e-3)


def test_accumulated_gradients_are_torchs_summed_backward_passes():
    rng = np.random.default_rng(3)
    p = [rng.normal(size=(5, 3))]
    tensor = torch.nn.Parameter(torch.from_numpy(p[0].copy()))
    ours, theirs = SGD(lr=0.1, momentum=0.9, gradient_accumulation_steps=4), torch.optim.SGD([tensor], lr=0.1, momentum=0.9)
    for _ in range(3):
        theirs.zero_grad()
        for _ in range(4):
            x = rng.normal(size=(8, 5))
            (torch.from_numpy(x).matmul(tensor).pow(2).mean() / 4).backward()
            ours.step(p, [2 * x.T @ (x @ p[0]) / 24])
        theirs.step()
    np.testing.assert_allclose(p[0], tensor.detach().numpy(), rtol=1e-12)


@dtypes
def test_clipping(dtype):
    pair = run(
        SGD(lr=0.1, clipvalue=0.5),
        lambda ps: torch.optim.SGD(ps, lr=0.1),
        dtype,
        before_step=lambda optimizer, ps, t: nn.utils.clip_grad_value_(ps, 0.5),
    )
    assert agree(pair, TOLERANCE[dtype])
    # torch divides by norm + 1e-6.
    pair = run(
        SGD(lr=0.1, clipnorm=1.0),
        lambda ps: torch.optim.SGD(ps, lr=0.1),
        dtype,
        before_step=lambda optimizer, ps, t: nn.utils.clip_grad_norm_(ps, 1.0),
    )
    assert agree(pair, 1e-6)


class ChannelsLastFlatten(nn.Module):
    """Flattens in lamella's order, so that the dense weights after it are the same."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


@pytest.fixture
def float64():
    config.set_floatx("float64")
    yield
    config.set_floatx("float32")


def small_network():
    model = Sequential(
        [
            Conv2D(8, (3, 3), activation="relu", input_shape=(12, 12, 3)),
            BatchNormalization(momentum=0.9, epsilon=1e-3),
            MaxPooling2D((2, 2)),
            Conv2D(16, (3, 3), use_bias=False),
            Activation("relu"),
            Flatten(),
            Dense(20, activation="tanh"),
            Dense(4, activation="softmax"),
        ]
    )
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.BatchNorm2d(8, eps=1e-3, momentum=0.1), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, bias=False), nn.ReLU(), ChannelsLastFlatten(), nn.Linear(144, 20), nn.Tanh(), nn.Linear(20, 4),
    ).double()  # fmt: skip
    return model, module


def copy_weights(model, module):
    with torch.no_grad():
        for weight, parameter in zip(trainable(model), module.parameters(), strict=True):
            parameter.copy_(torch.from_numpy(as_torch(weight.numpy())))


def trainable(model):
    return model.trainable_weights


def as_torch(w):
    return np.ascontiguousarray(w.transpose(3, 2, 0, 1) if w.ndim == 4 else w.T if w.ndim == 2 else w)


@pytest.mark.parametrize("steps", [8])
def test_a_network_trains_as_torchs_does(float64, steps):
    model, module = small_network()
    model.compile(SGD(lr=0.05, momentum=0.9), loss="categorical_crossentropy", metrics=["acc"])
    copy_weights(model, module)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
    rng = np.random.default_rng(0)
    batch, places = 16, 10 * 10
    variance = np.ones(8)
    for _ in range(steps):
        x = rng.normal(size=(batch, 12, 12, 3))
        labels = rng.integers(0, 4, batch)
        loss, accuracy = model.train_on_batch(x, np.eye(4)[labels])
        optimizer.zero_grad()
        logits = module(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))
        wanted = nn.functional.cross_entropy(logits, torch.from_numpy(labels))
        wanted.backward()
        optimizer.step()
        assert loss == pytest.approx(wanted.item(), rel=1e-10)
        assert accuracy == pytest.approx((logits.argmax(1).numpy() == labels).mean())
    for weight, parameter in zip(trainable(model), module.parameters(), strict=True):
        np.testing.assert_allclose(as_torch(weight.numpy()), parameter.detach().numpy(), rtol=1e-8, atol=1e-10)
    moving_mean, moving_variance = (w.numpy() for w in model.non_trainable_weights)
    np.testing.assert_allclose(moving_mean, module[2].running_mean.numpy(), rtol=1e-9)
    # Keras 2.2.5 corrects the variance by n / (n - 1 - epsilon), torch by n / (n - 1).
    n = batch * places
    variance = 0.9**steps + (module[2].running_var.numpy() - 0.9**steps) * (n - 1) / (n - 1.001)
    np.testing.assert_allclose(moving_variance, variance, rtol=1e-9)

    module.eval()
    module[2].running_var.copy_(torch.from_numpy(moving_variance))
    x = rng.normal(size=(5, 12, 12, 3))
    with torch.no_grad():
        wanted = torch.softmax(module(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())), 1)
    np.testing.assert_allclose(model.predict(x), wanted.numpy(), rtol=1e-8)


def test_regression_with_adagrad_and_a_global_pool(float64):
    model = Sequential(
        [Conv2D(6, (3, 3), strides=(2, 2), activation="elu", input_shape=(9, 9, 2)), GlobalAveragePooling2D(), Dense(3)]
    )
    model.compile(Adagrad(lr=0.05, epsilon=1e-7), loss="mse")
    convolution, dense = nn.Conv2d(2, 6, 3, stride=2), nn.Linear(6, 3)
    module = nn.Sequential(convolution, nn.ELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), dense).double()
    copy_weights(model, module)
    optimizer = torch.optim.Adagrad(module.parameters(), lr=0.05, eps=1e-7)
    rng = np.random.default_rng(1)
    for _ in range(10):
        x, y = rng.normal(size=(7, 9, 9, 2)), rng.normal(size=(7, 3))
        loss = model.train_on_batch(x, y)
        optimizer.zero_grad()
        wanted = nn.functional.mse_loss(module(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())), torch.from_numpy(y))
        wanted.backward()
        optimizer.step()
        assert loss == pytest.approx(wanted.item(), rel=1e-10)
    for weight, parameter in zip(trainable(model), module.parameters(), strict=True):
        np.testing.assert_allclose(as_torch(weight.numpy()), parameter.detach().numpy(), rtol=1e-8, atol=1e-10)
