"""One step of each optimizer on one array in float64, by the formulas of Keras 2.2.5. Slots are changed in place; p is returned."""

import numpy as np


def read(gs, sums, scale, norm, norm_each, clip):
    """The gradients that an update uses: clipped by the bounds in this order, where 0 is no bound; sums may be empty."""
    read = [scale * (g + s) for g, s in zip(gs, sums or [0.0] * len(gs), strict=True)]
    total = np.sqrt(sum((d * d).sum() for d in read))
    if norm and total >= norm:
        read = [d * norm / total for d in read]
    if norm_each:
        own = [np.sqrt((d * d).sum()) for d in read]
        read = [d * norm_each / n if n >= norm_each else d for d, n in zip(read, own, strict=True)]
    return [np.clip(d, -clip, clip) for d in read] if clip else read


def sgd(p, g, m, lr, momentum, nesterov):
    if m is None:
        return p - lr * g
    m[...] = momentum * m - lr * g
    return p + (momentum * m - lr * g if nesterov else m)


def adagrad(p, g, a, lr, eps):
    a += g * g
    return p - lr * g / (np.sqrt(a) + eps)


def rmsprop(p, g, a, lr, rho, eps):
    a[...] = rho * a + (1 - rho) * g * g
    return p - lr * g / (np.sqrt(a) + eps)


def centered_rmsprop(p, g, a, c, lr, rho, eps):
    average(g, c, a, rho, rho)
    return p - lr * g / (np.sqrt(np.maximum(a - c * c, 0)) + eps)


def momentum_rmsprop(p, g, a, m, c, lr, rho, momentum, eps):
    average(g, np.zeros_like(a) if c is None else c, a, rho, rho)
    variance = a if c is None else np.maximum(a - c * c, 0)
    m[...] = momentum * m + lr * g / np.sqrt(variance + eps)
    return p - m


def ftrl(p, g, a, z, lr, power, l1, l2, shrinkage):
    n = a + g * g
    z += g + 2 * shrinkage * p - (n**power - a**power) / lr * p
    a[...] = n
    y = np.asarray(n**power / lr + 2 * l2)
    moved = (np.sign(z) * l1 - z) / np.where(y == 0, 1, y)
    return np.where((np.abs(z) <= l1) | (y == 0), 0.0, moved)


def adadelta(p, g, a, d, lr, rho, eps):
    a[...] = rho * a + (1 - rho) * g * g
    u = g * np.sqrt(d + eps) / np.sqrt(a + eps)
    d[...] = rho * d + (1 - rho) * u * u
    return p - lr * u


def average(g, m, v, beta1, beta2):
    m[...] = beta1 * m + (1 - beta1) * g
    v[...] = beta2 * v + (1 - beta2) * g * g


def adam(p, g, m, v, lr, shrink, moments):
    beta1, beta2, eps = moments
    average(g, m, v, beta1, beta2)
    return (1 - shrink) * p - lr * m / (np.sqrt(v) + eps)


def amsgrad(p, g, m, v, h, lr, shrink, moments):
    beta1, beta2, eps = moments
    average(g, m, v, beta1, beta2)
    h[...] = np.maximum(h, v)
    return (1 - shrink) * p - lr * m / (np.sqrt(h) + eps)


def adamax(p, g, m, u, lr, moments):
    beta1, beta2, eps = moments
    m[...] = beta1 * m + (1 - beta1) * g
    u[...] = np.maximum(beta2 * u, np.abs(g))
    return p - lr * m / (u + eps)


def torch_adam(p, g, m, v, *rest):
    """torch.optim.Adam's and AdamW's rule; the maxima of v with amsgrad."""
    *maxima, rate, root, l2, kept, moments = rest
    beta1, beta2, eps = moments
    average(g + l2 * p, m, v, beta1, beta2)
    for h in maxima:
        h[...] = np.maximum(h, v)
    return kept * p - rate * m / (np.sqrt(maxima[0] if maxima else v) / root + eps)


def lion(p, g, m, lr, kept, beta1, beta2):
    sign = np.sign(beta1 * m + (1 - beta1) * g)
    m[...] = beta2 * m + (1 - beta2) * g
    return kept * p - lr * sign


def lamb(p, g, m, v, lr, correction1, correction2, decay, moments):
    beta1, beta2, eps = moments
    average(g, m, v, beta1, beta2)
    u = correction1 * m / (np.sqrt(correction2 * v) + eps) + decay * p
    norm, step = np.sqrt((p * p).sum()), np.sqrt((u * u).sum())
    return p - lr * (norm / step if norm > 0 and step > 0 else 1.0) * u


def adafactor(p, g, rows, columns, rate, kept, take, eps1, eps2, threshold):
    """rows and columns change in place; rows is the whole average for fewer than two axes."""
    if g.size == 0:
        return p
    size, d = np.sqrt(g.size), g * g
    alpha = max(eps2, np.sqrt((p * p).sum()) / size) * rate
    if g.ndim < 2:
        rows += take * (d - rows)
        v = rows
    else:
        # NumPy adds along the first axes one by one: in float64 this had more error than the kernel.
        rows += take * (d.mean(-1, keepdims=True, dtype=np.longdouble) - rows).astype(g.dtype)
        columns += take * (d.mean(-2, keepdims=True, dtype=np.longdouble) - columns).astype(g.dtype)
        v = rows * columns / np.maximum(rows.mean(-2, keepdims=True), eps1)
    u = g / np.sqrt(np.maximum(v, eps1 * eps1))
    return kept * p - alpha / max(1.0, np.sqrt((u * u).sum()) / size / threshold) * u


def torch_sgd(p, g, m, lr, momentum, take, nesterov, l2):
    d = g + l2 * p
    if m is None:
        return p - lr * d
    m[...] = momentum * m + take * d
    return p - lr * (d + momentum * m if nesterov else m)


def torch_adagrad(p, g, a, lr, eps, l2):
    d = g + l2 * p
    a += d * d
    return p - lr * d / (np.sqrt(a) + eps)


def torch_rmsprop(p, g, a, mean, m, lr, alpha, eps, momentum, l2):
    d = g + l2 * p
    a[...] = alpha * a + (1 - alpha) * d * d
    variance = a
    if mean is not None:
        mean[...] = alpha * mean + (1 - alpha) * d
        variance = a - mean * mean
    step = d / (np.sqrt(variance) + eps)
    if m is not None:
        m[...] = step = momentum * m + step
    return p - lr * step


def nadam(p, g, m, v, lr_g, lr_m, correction, moments):
    beta1, beta2, eps = moments
    average(g, m, v, beta1, beta2)
    return p - (lr_g * g + lr_m * m) / (np.sqrt(correction * v) + eps)
