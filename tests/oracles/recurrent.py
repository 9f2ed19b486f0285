"""Recurrent layers step by step, in float64, with their backward. Formulas: Keras 2.2.5, keras/layers/recurrent.py.

x [N, T, F]; states [N, U]; mask [N, T] or None; drop_x [G, N, F] and drop_h [G, N, U], G 1 or the number of gates, or None.
"""

import numpy as np

FUNCTIONS = {
    "linear": (lambda x: x, lambda y: np.ones_like(y)),
    "relu": (lambda x: np.maximum(x, 0), lambda y: (y > 0).astype(float)),
    "tanh": (np.tanh, lambda y: 1 - y * y),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), lambda y: y * (1 - y)),
    "hard_sigmoid": (lambda x: np.clip(0.2 * x + 0.5, 0, 1), lambda y: np.where((y > 0) & (y < 1), 0.2, 0.0)),
}


class Gates:
    """Base of the cells: for each gate the product of the inputs, or of the state, with the columns of the gate."""

    def __init__(self, count, kernel, recurrent_kernel, bias, drop_x, drop_h):
        self.count, self.units = count, len(recurrent_kernel)
        self.kernel, self.recurrent, self.bias = kernel, recurrent_kernel, bias
        self.drop_x, self.drop_h = drop_x, drop_h
        self.dkernel, self.drecurrent = np.zeros_like(kernel), np.zeros_like(recurrent_kernel)
        self.dbias = None if bias is None else np.zeros_like(bias)

    def of(self, gate):
        return slice(gate * self.units, (gate + 1) * self.units)

    def dropped(self, masks, x, gate):
        return x if masks is None else x * masks[gate % len(masks)]

    def inputs(self, x, gate):
        z = self.dropped(self.drop_x, x, gate) @ self.kernel[:, self.of(gate)]
        return z if self.bias is None else z + np.atleast_2d(self.bias)[0, self.of(gate)]

    def inputs_back(self, x, gate, dz):
        self.dkernel[:, self.of(gate)] += self.dropped(self.drop_x, x, gate).T @ dz
        if self.bias is not None:
            np.atleast_2d(self.dbias)[0, self.of(gate)] += dz.sum(axis=0)
        return self.dropped(self.drop_x, dz @ self.kernel[:, self.of(gate)].T, gate)

    def state(self, h, gate):
        return self.dropped(self.drop_h, h, gate) @ self.recurrent[:, self.of(gate)]

    def state_back(self, h, gate, dz):
        self.drecurrent[:, self.of(gate)] += self.dropped(self.drop_h, h, gate).T @ dz
        return self.dropped(self.drop_h, dz @ self.recurrent[:, self.of(gate)].T, gate)


def lstm_of_sums(sums, c, act, rec):
    """((h', c'), backward) of a step; sums: those of the gates i, f, g, o. backward(dh, dc) returns their gradients, and c's."""
    i, f, o = (rec[0](sums[g]) for g in (0, 1, 3))
    g = act[0](sums[2])
    cell = f * c + i * g
    a = act[0](cell)

    def backward(dh, dc):
        dc = dc + dh * o * act[1](a)
        return [dc * g * rec[1](i), dc * c * rec[1](f), dc * i * act[1](g), dh * a * rec[1](o)], dc * f

    return (o * a, cell), backward


def lstm_step(gates, act, rec):
    def forward(x, h, c):
        states, to_sums = lstm_of_sums([gates.inputs(x, g) + gates.state(h, g) for g in range(4)], c, act, rec)

        def backward(dh, dc):
            dz, dbefore = to_sums(dh, dc)
            dx = sum(gates.inputs_back(x, k, dz[k]) for k in range(4))
            return dx, sum(gates.state_back(h, k, dz[k]) for k in range(4)), dbefore

        return states, backward

    return forward


def gru_step(gates, act, rec, reset_after):
    def forward(x, h):
        # With reset_after the recurrent bias is added to the product with the state.
        def recurrent(k):
            bias = gates.bias[1, gates.of(k)] if reset_after and gates.bias is not None else 0.0
            return gates.state(h, k) + bias

        z, r = (rec[0](gates.inputs(x, k) + recurrent(k)) for k in (0, 1))
        inner = recurrent(2) if reset_after else None
        new = act[0](gates.inputs(x, 2) + (r * inner if reset_after else gates.state(r * h, 2)))

        def backward(dh_next):
            dnew = dh_next * (1 - z) * act[1](new)
            dh = dh_next * z
            if reset_after:
                dr, dinner = dnew * inner * rec[1](r), dnew * r
                dh = dh + gates.state_back(h, 2, dinner)
            else:
                dreset = gates.state_back(r * h, 2, dnew)
                dr = dreset * h * rec[1](r)
                dh = dh + dreset * r
            dz = dh_next * (h - new) * rec[1](z)
            for k, d in ((0, dz), (1, dr)):
                dh = dh + gates.state_back(h, k, d)
            if reset_after and gates.bias is not None:
                gates.dbias[1] += np.concatenate([dz, dr, dinner], axis=1).sum(axis=0)
            return sum(gates.inputs_back(x, k, d) for k, d in enumerate((dz, dr, dnew))), dh

        return (z * h + (1 - z) * new,), backward

    return forward


def simple_step(gates, act):
    def forward(x, h):
        new = act[0](gates.inputs(x, 0) + gates.state(h, 0))

        def backward(dh):
            dz = dh * act[1](new)
            return gates.inputs_back(x, 0, dz), gates.state_back(h, 0, dz)

        return (new,), backward

    return forward


def run(kind, x, kernel, recurrent_kernel, bias, states, mask=None, drop_x=None, drop_h=None, backwards=False, last=False,
        activation="tanh", recurrent_activation="hard_sigmoid", reset_after=False):  # fmt: skip
    """(outputs [N, T or 1, U], *states) and backward(doutputs, *dstates) -> [dx, dkernel, drecurrent, dbias, *dstates]."""
    wide = [None if a is None else np.asarray(a, np.float64) for a in (x, kernel, recurrent_kernel, bias, drop_x, drop_h)]
    x, kernel, recurrent_kernel, bias, drop_x, drop_h = wide
    states = tuple(np.asarray(state, np.float64) for state in states)
    count = {"lstm": 4, "gru": 3, "simple_rnn": 1}[kind]
    gates = Gates(count, kernel, recurrent_kernel, bias, drop_x, drop_h)
    act, rec = FUNCTIONS[activation], FUNCTIONS[recurrent_activation]
    if kind == "gru":
        step = gru_step(gates, act, rec, reset_after)
    else:
        step = lstm_step(gates, act, rec) if kind == "lstm" else simple_step(gates, act)
    length = x.shape[1]
    order = list(range(length))[::-1] if backwards else list(range(length))
    output, outputs, way_back = np.zeros_like(states[0]), [], []
    for t in order:
        computed = np.ones((len(x), 1), bool) if mask is None else np.asarray(mask, bool)[:, t : t + 1]
        after, backward = step(x[:, t], *states)
        states = tuple(np.where(computed, new, old) for new, old in zip(after, states, strict=True))
        output = np.where(computed, after[0], output)
        outputs.append(output)
        way_back.append((t, computed, backward))
    if last:
        outputs = outputs[-1:] or [output]

    def all_backward(doutputs, *dstates):
        dx, dstates = np.zeros_like(x), [np.asarray(d, np.float64) for d in dstates]
        doutput = np.zeros_like(dstates[0])  # of the output that masked steps repeat
        for i, (t, computed, backward) in reversed(list(enumerate(way_back))):
            place = i - length + len(outputs)
            if place >= 0:
                doutput = doutput + doutputs[:, place]
            own = [np.where(computed, d, 0) for d in dstates]
            own[0] = own[0] + np.where(computed, doutput, 0)
            dx[:, t], *before = backward(*own)
            dstates = [b + np.where(computed, 0, d) for b, d in zip(before, dstates, strict=True)]
            doutput = np.where(computed, 0, doutput)
        return [dx, gates.dkernel, gates.drecurrent, gates.dbias, *dstates]

    stacked = np.stack(outputs, axis=1) if outputs else np.zeros((len(x), 0, len(recurrent_kernel)))
    return (stacked, *states), all_backward
