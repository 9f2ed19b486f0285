"""lamella.torch.functional and replace: torch's own numbers, gradients by torch.autograd.gradcheck, and what is refused."""

import copy
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lamella.torch import functional as F  # noqa: E402 - after the skip
from lamella.torch import replace  # noqa: E402

# weight, stride, padding, dilation, groups
CONVOLUTIONS = [
    ((4, 3, 3, 3), 1, 0, 1, 1),
    ((4, 3, 3, 3), 2, 1, 1, 1),
    ((4, 3, 3, 2), (2, 1), (2, 0), (1, 2), 1),
    ((5, 3, 1, 1), 1, "valid", 1, 1),
    ((4, 3, 2, 3), 1, "same", 1, 1),
    ((4, 3, 3, 3), (1, 1), "same", 2, 1),
    ((3, 1, 3, 3), 1, 1, 1, 3),
    ((6, 1, 3, 3), 2, 1, 1, 3),
]
CLOSE = {torch.float32: {"rtol": 1e-4, "atol": 1e-5}, torch.float64: {"rtol": 1e-11, "atol": 1e-12}}


def drawn(*shape, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed + len(shape))
    return torch.randn(*shape, dtype=dtype, generator=generator).requires_grad_()


def same(ours, theirs, arguments, dtype, **keywords):
    """Results and gradients of two functions of the same arguments."""
    results = []
    for function in (ours, theirs):
        leaves = [
            a.detach().clone(memory_format=torch.preserve_format).requires_grad_()
            if torch.is_tensor(a) and a.is_floating_point()
            else a
            for a in arguments
        ]
        y = function(*leaves, **keywords)
        y.backward(torch.linspace(-1, 1, y.numel(), dtype=y.dtype).reshape(y.shape))
        results.append([y.detach(), *(leaf.grad for leaf in leaves if torch.is_tensor(leaf) and leaf.is_floating_point())])
    for got, want in zip(*results, strict=True):
        assert got.dtype == want.dtype == dtype and got.shape == want.shape
        torch.testing.assert_close(got, want, **CLOSE[dtype])


@pytest.mark.filterwarnings("ignore:Using padding='same'")  # torch warns about its own speed
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("weight, stride, padding, dilation, groups", CONVOLUTIONS)
def test_conv2d(weight, stride, padding, dilation, groups, memory_format, dtype):
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    x = drawn(2, 3, 9, 8, dtype=dtype).detach().to(memory_format=memory_format)
    arguments = x, drawn(*weight, dtype=dtype, seed=1), drawn(weight[0], dtype=dtype, seed=2)
    same(F.conv2d, torch.nn.functional.conv2d, arguments, dtype, **how)
    same(F.conv2d, torch.nn.functional.conv2d, (*arguments[:2], None), dtype, **how)
    assert F.conv2d(*arguments, **how).is_contiguous(memory_format=torch.channels_last)


def test_an_image_without_a_batch():
    same(F.conv2d, torch.nn.functional.conv2d, (drawn(3, 6, 6), drawn(4, 3, 3, 3), drawn(4)), torch.float64, padding=1)


def test_the_imaginary_part_of_a_conjugate():
    number = torch.tensor([[1 + 2j]]).conj().imag
    assert number.is_neg() and number.is_contiguous()
    assert F.linear(number, torch.tensor([[1.0], [3.0]])).tolist() == [[-2.0, -6.0]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(5, 3), (2, 4, 3), (3,), (0, 3)])
def test_linear(shape, dtype):
    arguments = drawn(*shape, dtype=dtype), drawn(7, 3, dtype=dtype, seed=1), drawn(7, dtype=dtype, seed=2)
    same(F.linear, torch.nn.functional.linear, arguments, dtype)
    same(F.linear, torch.nn.functional.linear, (*arguments[:2], None), dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(6, 4), (3, 4, 5), (2, 4, 3, 2)])
def test_cross_entropy(shape, reduction, dtype):
    logits, labels = (
        drawn(*shape, dtype=dtype),
        torch.arange(shape[0] * int(np.prod(shape[2:]))).reshape(shape[0], *shape[2:]) % 4,
    )
    labels.view(-1)[1] = -100
    same(F.cross_entropy, torch.nn.functional.cross_entropy, (logits, labels), dtype, reduction=reduction)
    labels.view(-1)[1] = 3
    same(F.cross_entropy, torch.nn.functional.cross_entropy, (logits, labels), dtype, reduction=reduction, ignore_index=3)
    soft = torch.softmax(drawn(*shape, dtype=dtype, seed=3).detach(), 1)
    ours = lambda z: F.cross_entropy(z, soft, reduction=reduction)
    same(ours, lambda z: torch.nn.functional.cross_entropy(z, soft, reduction=reduction), (logits,), dtype)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_of_no_labels_has_no_gradient(reduction):
    gradients = []
    for function in (F.cross_entropy, torch.nn.functional.cross_entropy):
        logits = drawn(3, 4)
        loss = function(logits, torch.full((3,), -100), reduction=reduction)
        assert loss.isnan().all() if reduction == "mean" else (loss == 0).all()
        loss.sum().backward()
        gradients.append(logits.grad)
    assert (gradients[0] == 0).all() and torch.equal(*gradients)


@pytest.mark.parametrize(
    "how",
    [{"stride": [1, 2]}, {"stride": (2,), "padding": (1,)}, {"padding": [0, 2], "dilation": [2]}, {"padding": "same", "stride": [1, 1]}],
    ids=str,
)  # fmt: skip
def test_numbers_of_conv2d_may_be_lists(how):
    same(F.conv2d, torch.nn.functional.conv2d, (drawn(2, 3, 7, 8), drawn(4, 3, 3, 3, seed=1), drawn(4)), torch.float64, **how)


@pytest.mark.parametrize("rows, inputs, outputs", [(3, 0, 2), (3, 4, 0), (0, 0, 2), (0, 4, 2)])
def test_linear_without_elements(rows, inputs, outputs):
    same(F.linear, torch.nn.functional.linear, (drawn(rows, inputs), drawn(outputs, inputs), drawn(outputs)), torch.float64)


def test_gradcheck():
    assert torch.autograd.gradcheck(lambda *a: F.conv2d(*a, 2, 1), (drawn(2, 2, 5, 4), drawn(3, 2, 3, 3, seed=1), drawn(3)))
    assert torch.autograd.gradcheck(
        lambda *a: F.conv2d(*a, 1, 1, 1, 2), (drawn(2, 2, 4, 4), drawn(4, 1, 3, 3, seed=1), drawn(4))
    )
    assert torch.autograd.gradcheck(F.linear, (drawn(3, 4), drawn(2, 4, seed=1), drawn(2)))
    assert torch.autograd.gradcheck(lambda z: F.cross_entropy(z, torch.tensor([0, 2, -100])), (drawn(3, 4),))


@pytest.mark.parametrize("needs", [(True, False, False), (False, True, False), (False, False, True)])
def test_gradients_that_nobody_asks_for(needs):
    for function, arguments in [
        (F.conv2d, (drawn(1, 2, 4, 4), drawn(3, 2, 3, 3), drawn(3))),
        (F.linear, (drawn(2, 4), drawn(3, 4), drawn(3))),
    ]:
        leaves = [a.detach().requires_grad_(need) for a, need in zip(arguments, needs, strict=True)]
        function(*leaves).sum().backward()
        assert [leaf.grad is not None for leaf in leaves] == list(needs)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.features = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Conv2d(8, 8, 3, groups=8, bias=False), torch.nn.BatchNorm2d(8),
        )  # fmt: skip
        self.head = torch.nn.Linear(8 * 9, 5)

    def forward(self, x):
        return self.head(self.features(x).flatten(1))


def trained(net, loss=torch.nn.functional.cross_entropy):
    x, labels = drawn(16, 3, 10, 10, dtype=torch.float32).detach(), torch.arange(16) % 5
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        value = loss(net(x), labels)
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return losses


def test_a_model_trains_the_same_after_replace():
    torch.manual_seed(0)
    theirs = Net()
    ours = Net()
    ours.load_state_dict(theirs.state_dict())
    keys = list(ours.state_dict())
    assert replace(ours) is ours
    assert [type(m).__module__ for m in (ours.features[0], ours.features[3], ours.head)] == ["lamella.torch.functional"] * 3
    assert isinstance(ours.head, torch.nn.Linear) and list(ours.state_dict()) == keys
    wanted = trained(theirs)
    np.testing.assert_allclose(trained(ours, F.cross_entropy), wanted, rtol=1e-3)
    assert wanted[-1] < 0.5 * wanted[0]
    again = Net()
    again.load_state_dict(ours.state_dict())
    x = drawn(2, 3, 10, 10, dtype=torch.float32).detach()
    torch.testing.assert_close(again.eval()(x), ours.eval()(x), rtol=1e-4, atol=1e-5)


class Block(torch.nn.Module):
    """An inverted residual block with a shared convolution."""

    def __init__(self, channels, stride):
        super().__init__()
        wide = 2 * channels
        self.expand = torch.nn.Conv2d(channels, wide, 1, bias=False)
        self.shared = torch.nn.Conv2d(wide, wide, 3, padding=1, groups=wide)
        self.down = torch.nn.Conv2d(wide, wide, 3, stride, 2, 2, groups=wide, bias=False)
        self.project = torch.nn.Conv2d(wide, channels, 1)
        self.norm = torch.nn.BatchNorm2d(wide)

    def forward(self, x):
        y = torch.relu(self.norm(self.shared(self.shared(self.expand(x)))))
        y = self.project(self.down(y))
        return x + y if y.shape == x.shape else y


def mobile():
    conv = torch.nn.Conv2d
    return torch.nn.Sequential(
        conv(3, 8, 7, 2, 3, bias=False), torch.nn.BatchNorm2d(8), torch.nn.ReLU6(), Block(8, 1), Block(8, 2), conv(8, 8, 3, groups=2, padding=1),
        conv(8, 8, (1, 3), padding=(0, 1), padding_mode="circular"), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(8, 5),
    )  # fmt: skip


@pytest.mark.parametrize("evaluated", [False, True])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_a_network_with_kinds_of_convolutions_trains_the_same(memory_format, evaluated):
    torch.manual_seed(0)
    theirs = mobile().to(memory_format=memory_format).train(not evaluated)
    ours = replace(copy.deepcopy(theirs))
    for net in (theirs, ours):
        net[0].weight.requires_grad_(False)
    wanted = trained(theirs)
    np.testing.assert_allclose(trained(ours, F.cross_entropy), wanted, rtol=1e-4)
    assert wanted[-1] < 0.999 * wanted[0]
    for (key, got), want in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-5, msg=key)
    x = drawn(2, 3, 10, 10, dtype=torch.float32).detach()
    for copied in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert type(copied[0]) is F.Conv2d and torch.equal(copied(x), ours(x))
    assert torch.equal(torch.func.functional_call(ours, dict(ours.named_parameters()), x), ours(x))
    with torch.inference_mode():
        assert torch.equal(ours(x), ours(x))


def test_a_replaced_model_in_autocast_is_as_exact_as_torchs():
    torch.manual_seed(0)
    exact, x, labels = mobile(), drawn(16, 3, 10, 10, dtype=torch.float32).detach(), torch.arange(16) % 5
    theirs, ours = copy.deepcopy(exact), replace(copy.deepcopy(exact))
    narrow = torch.ones(4, 3, dtype=torch.bfloat16)
    found = []
    for net, functions, enabled in ((exact, torch.nn.functional, False), (theirs, torch.nn.functional, True), (ours, F, True)):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            loss = functions.cross_entropy(net(x), labels)
            assert not enabled or functions.linear(x[..., :3], narrow).shape == (16, 3, 10, 4)
        loss.backward()
        assert loss.dtype == torch.float32 and all(p.grad.dtype == torch.float32 for p in net.parameters())
        found.append(torch.cat([loss.detach().reshape(1), *(p.grad.flatten() for p in net.parameters())]))
    norms = [((each - found[0]).norm() / found[0].norm()).item() for each in found[1:]]
    assert norms[1] <= norms[0] <= 0.02
    with pytest.raises(
        TypeError, match="linear: expected weight of torch.float32, as the input, got torch.bfloat16|dense float32"
    ):
        F.linear(x[..., :3], narrow)


@pytest.mark.parametrize("soft", [False, True])
def test_a_target_that_changes_before_backward(soft):
    logits = drawn(3, 4)
    target = torch.softmax(drawn(3, 4, seed=1).detach(), 1) if soft else torch.tensor([0, 3, 1])
    loss, twin = F.cross_entropy(logits, target), logits.detach().requires_grad_()
    torch.nn.functional.cross_entropy(twin, target.clone()).backward()
    target.zero_()
    if soft:
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()
    else:  # labels are copied
        loss.backward()
        torch.testing.assert_close(logits.grad, twin.grad)


def test_what_replace_leaves_alone():
    class Own(torch.nn.Linear):
        pass

    layers = [
        Own(2, 2), torch.nn.Linear(2, 2, dtype=torch.bfloat16), torch.nn.Linear(2, 2, device="meta"), torch.nn.Conv2d(4, 4, 3, groups=2),
        torch.nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"), torch.nn.Conv1d(2, 2, 1),
    ]  # fmt: skip
    kinds = [type(layer) for layer in layers]
    replace(torch.nn.ModuleList(layers))
    assert [type(layer) for layer in layers] == kinds


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: F.conv2d(drawn(1, 4, 5, 5), drawn(4, 2, 3, 3), groups=2), ValueError, "conv2d: expected groups to be 1 or the number of channels, 4, got 2"),
        (lambda: F.conv2d(drawn(1, 4, 5, 5), drawn(4, 3, 3, 3)), ValueError, r"conv2d: expected input \[N, C, H, W\] and weight \[K, C // 1, kH, kW\], got shapes"),
        (lambda: F.conv2d(drawn(1, 2, 5, 5), drawn(4, 2, 3, 3), stride=2, padding="same"), ValueError, "conv2d: expected stride 1 with padding 'same', got 2"),
        (lambda: F.conv2d(drawn(1, 2, 5, 5), drawn(4, 2, 3, 3).float()), TypeError, "conv2d: expected weight of torch.float64, as the input, got torch.float32"),
        (lambda: F.conv2d(drawn(1, 2, 2, 2), drawn(4, 2, 3, 3)), ValueError, "conv: no window of"),
        (lambda: F.conv2d(drawn(1, 2, 5, 5), drawn(4, 2, 3, 3), padding="full"), ValueError, "conv2d: expected padding 'valid', 'same' or numbers, got 'full'"),
        (lambda: F.conv2d(drawn(1, 2, 5, 5), drawn(4, 2, 3, 3), stride=1.5), ValueError, "conv2d: expected stride to be one whole number or two, got 1.5"),
        (lambda: F.conv2d(drawn(1, 2, 5, 5), drawn(4, 2, 3, 3), dilation=(1, 2, 3)), ValueError, r"conv2d: expected dilation to be one whole number or two, got \(1, 2, 3\)"),
        (lambda: F.conv2d(drawn(1, 2, 5, 5), drawn(4, 2, 3, 3), drawn(4, 1)), ValueError, r"conv2d: expected bias of shape \(4,\), got \(4, 1\)"),
        (lambda: F.linear(drawn(2, 3), drawn(4, 3), drawn(1)), ValueError, r"linear: expected bias of shape \(4,\), got \(1,\)"),
        (lambda: F.linear(drawn(2, 3), drawn(4, 2)), ValueError, r"linear: expected input \[..., K\] and weight \[N, K\], got shapes \(2, 3\) and \(4, 2\)"),
        (lambda: F.linear(drawn(2, 3).half(), drawn(4, 3).half()), TypeError, "linear: expected input to be a dense float32 or float64 tensor on the CPU, got torch.float16"),
        (lambda: F.linear(drawn(2, 3).to("meta"), drawn(4, 3)), TypeError, "linear: expected input to be .* on meta"),
        (lambda: F.cross_entropy(drawn(2, 3), torch.tensor([0, 1]), label_smoothing=0.1), ValueError, "cross_entropy: expected weight=None and label_smoothing=0"),
        (lambda: F.cross_entropy(drawn(2, 3), torch.tensor([0, 1]), reduction="max"), ValueError, "cross_entropy: expected reduction 'mean', 'sum' or 'none', got 'max'"),
        (lambda: F.cross_entropy(drawn(2, 3), torch.tensor([0, 3])), ValueError, r"softmax_cross_entropy: expected labels in \[0, 3\), got 3"),
        (lambda: F.cross_entropy(drawn(2, 3), torch.tensor([[0], [1]])), ValueError, r"cross_entropy: expected target of shape \(2,\), got \(2, 1\)"),
        (lambda: F.cross_entropy(drawn(2, 3), drawn(2, 3)), ValueError, "cross_entropy: expected a target without a gradient"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_gradients_of_gradients_are_refused():
    x = drawn(2, 3)
    (g,) = torch.autograd.grad(F.linear(x, drawn(4, 3)).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.sum().backward()


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_ignores_rows_of_any_logits(reduction, value):
    results = []
    for function in (F.cross_entropy, torch.nn.functional.cross_entropy):
        logits = drawn(4, 3)
        with torch.no_grad():
            logits[1] = value
        loss = function(logits, torch.tensor([0, -100, 2, 1]), reduction=reduction)
        loss.sum().backward()
        results.append((loss.detach(), logits.grad))
    assert results[0][0].isfinite().all() and (results[0][1][1] == 0).all()
    results[1][1][1] = 0  # torch 2.13 gives NaN here, against its own documentation
    for ours, theirs in zip(*results):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64])
@pytest.mark.parametrize("ignored", [-100, 3, 156, 400])
def test_labels_of_any_width_are_compared_as_whole_numbers(dtype, ignored):
    labels = torch.tensor([0, 3, 100, 7] if dtype is torch.int8 else [0, 3, 156, 7]).to(dtype)
    logits = drawn(4, 200)
    wanted = torch.nn.functional.cross_entropy(logits, labels.long(), ignore_index=ignored, reduction="none")
    got = F.cross_entropy(logits, labels, ignore_index=ignored, reduction="none")
    np.testing.assert_allclose(got.detach(), wanted.detach(), rtol=1e-6)
