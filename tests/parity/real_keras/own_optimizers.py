"""Optimizers that scripts write: subclasses with their own get_updates or get_gradients, wrappers of another optimizer, several rates."""

import functools

import numpy as np
import parts
from optimizing import model_of, state_of
from parts import attempt
from typed import typed

DECIDED = {}


def from_scratch(one_of):
    """Momentum written with functions of K, as in the source of Keras."""
    from keras import backend as K
    from keras.optimizers import Optimizer

    class Heavy(Optimizer):
        def __init__(self, lr=0.05, momentum=0.5, decay=0.0, warm=2, **options):
            super().__init__(**options)
            with K.name_scope(type(self).__name__):
                self.iterations = K.variable(0, dtype="int64", name="iterations")
                self.lr, self.momentum = K.variable(lr, name="lr"), K.variable(momentum, name="momentum")
                self.decay = K.variable(decay, name="decay")
            self.initial_decay, self.warm = decay, warm

        def get_updates(self, loss, params):
            grads = self.get_gradients(loss, params)
            self.updates = [K.update_add(self.iterations, 1)]
            t = K.cast(self.iterations, K.floatx()) + 1
            lr = self.lr
            if self.initial_decay > 0:
                lr = lr * (1.0 / (1.0 + self.decay * K.cast(self.iterations, K.dtype(self.decay))))
            lr = K.switch(t <= self.warm, lr * t / self.warm, lr)
            moments = [K.zeros(K.int_shape(p), dtype=K.dtype(p)) for p in params]
            self.weights = [self.iterations, *moments]
            for p, g, m in zip(params, grads, moments, strict=True):
                v = self.momentum * m - lr * g / (1e-3 + K.sqrt(K.mean(K.square(g))))
                self.updates.append(K.update(m, v))
                new = p + self.momentum * v - lr * g
                if getattr(p, "constraint", None) is not None:
                    new = p.constraint(new)
                self.updates.append(K.update(p, new))
            return self.updates

        def get_config(self):
            values = {n: float(K.get_value(getattr(self, n))) for n in ("lr", "momentum", "decay")}
            return dict(super().get_config(), **values, warm=self.warm)

    options = {"clipnorm": 0.5} if one_of(True, False) else {}
    return Heavy, Heavy(lr=one_of(0.02, 0.1), momentum=one_of(0.0, 0.8), decay=one_of(0.0, 0.1), warm=one_of(1, 3), **options)


def centralized(one_of):
    """One of Keras's rules on gradients that are changed in get_gradients."""
    from keras import backend as K
    from keras import optimizers

    # Without Nadam: in a file Keras forgets its momentum schedule, see DECIDED of files.py.
    base = getattr(optimizers, one_of("SGD", "Adam", "RMSprop", "Adagrad", "Adadelta", "Adamax"))

    class Centralized(base):
        def get_gradients(self, loss, params):
            grads = super().get_gradients(loss, params)
            axes = [list(range(K.ndim(p) - 1)) for p in params]
            return [g - K.mean(g, axis=a, keepdims=True) if a else g * 0.5 for g, a in zip(grads, axes, strict=True)]

    return Centralized, Centralized(**({"clipvalue": 0.1} if one_of(True, False) else {}))


def by_layer(one_of):
    """SGD with a rate of its own for weights whose names are given."""
    from keras import backend as K
    from keras.optimizers import SGD

    class ByLayer(SGD):
        def __init__(self, rates=None, **options):
            super().__init__(**options)
            self.rates = rates or {}

        def get_updates(self, loss, params):
            grads = self.get_gradients(loss, params)
            self.updates = [K.update_add(self.iterations, 1)]
            moments = [K.zeros(K.int_shape(p)) for p in params]
            self.weights = [self.iterations] + moments
            for p, g, m in zip(params, grads, moments):
                rate = next((r for n, r in self.rates.items() if n in p.name), 1.0)
                v = self.momentum * m - self.lr * rate * g
                self.updates += [K.update(m, v), K.update(p, p + v if p.constraint is None else p.constraint(p + v))]
            return self.updates

        def get_config(self):
            return dict(list(super().get_config().items()) + [("rates", self.rates)])

    rates = one_of({"kernel": 0.3}, {"bias": 0.0, "dense_1": 2.0}, {})
    return ByLayer, ByLayer(rates=rates, lr=one_of(0.02, 0.1), momentum=one_of(0.0, 0.9))


def accumulating(one_of):
    """Sums of gradients of some batches, then one step: with K.switch, as published."""
    from keras import backend as K
    from keras.optimizers import Optimizer

    class Accumulating(Optimizer):
        def __init__(self, lr=0.1, steps=2, **options):
            super().__init__(**options)
            self.iterations, self.lr = K.variable(0, dtype="int64", name="iterations"), K.variable(lr, name="lr")
            self.steps = steps

        def get_updates(self, loss, params):
            grads = self.get_gradients(loss, params)
            self.updates = [K.update_add(self.iterations, 1)]
            done = K.equal((self.iterations + 1) % self.steps, 0)
            sums = [K.variable(np.zeros(K.int_shape(p))) for p in params]
            self.weights = [self.iterations] + sums
            for p, g, s in zip(params, grads, sums):
                total = s + g / self.steps
                new = p - self.lr * total
                new = new if getattr(p, "constraint", None) is None else p.constraint(new)
                self.updates.append(K.update(p, K.switch(done, new, p)))
                self.updates.append(K.update(s, K.switch(done, K.zeros_like(s), total)))
            return self.updates

        def get_config(self):
            return dict(super().get_config(), lr=float(K.get_value(self.lr)), steps=self.steps)

    return Accumulating, Accumulating(lr=one_of(0.05, 0.2), steps=one_of(1, 2, 3))


def lookahead(one_of):
    """The rule of another optimizer, whose weights are drawn back to slow ones each few steps: get_updates is wrapped."""
    from keras import backend as K
    from keras import optimizers

    # Without RMSprop: in a file Keras forgets its iterations, by which the weights are drawn back.
    base = getattr(optimizers, one_of("SGD", "Adam", "Adamax"))

    class Lookahead(base):
        def __init__(self, every=2, slow=0.5, **options):
            super().__init__(**options)
            self.every, self.slow = every, slow

        def get_updates(self, loss, params):
            updates = list(super().get_updates(loss, params))
            slow = [K.variable(K.get_value(p)) for p in params]
            self.weights = self.weights + slow
            done = K.cast(K.equal(K.cast(self.iterations, "int32") % self.every, self.every - 1), K.floatx())
            for p, s in zip(params, slow):
                updates.append((s, s + done * self.slow * (p - s)))
            self.updates = updates
            return updates

        def get_config(self):
            return dict(super().get_config(), every=self.every, slow=self.slow)

    return Lookahead, Lookahead(every=one_of(2, 3), slow=one_of(0.3, 0.5))


def program(make, seed):
    def run():
        from keras import backend as K
        from keras import models, optimizers

        random = np.random.RandomState(seed)
        one_of = functools.partial(parts.one_of, random)
        kind, optimizer = make(one_of)
        model, _ = model_of(random)
        result = {"new": attempt(state_of, optimizer), "name": type(optimizer).__name__}
        model.compile(optimizer, "mse", metrics=["mae"])
        x, y = random.standard_normal((12, 3)), random.standard_normal((12, 2))
        fit = {"batch_size": one_of(3, 5, 12), "epochs": one_of(1, 4), "shuffle": False, "verbose": 0}
        result["first"] = typed(model.fit(x, y, **fit).history)
        result["after first"] = attempt(state_of, optimizer), model.get_weights()
        change = one_of("lr", "weights", "config", "file", "none", "again")
        if change == "lr":
            K.set_value(optimizer.lr, K.get_value(optimizer.lr) / 2)
        elif change == "weights":
            optimizer.set_weights([w + 0.1 * np.abs(w) for w in optimizer.get_weights()])
        elif change == "config":
            config = optimizers.serialize(optimizer)
            result["config"] = typed(config)
            model.compile(optimizers.deserialize(config, custom_objects={config["class_name"]: kind}), "mse")
        elif change == "file":
            model.save(f"own_{seed}.h5")
            model = models.load_model(f"own_{seed}.h5", custom_objects={kind.__name__: kind})
            result["loaded"] = attempt(state_of, model.optimizer)
        elif change == "again":
            model.layers[0].trainable = False
            model.compile(optimizer, "mae")
        result["second"] = typed(model.fit(x, y, **fit).history)
        return result | {"change": change, "weights": model.get_weights(), "end": attempt(state_of, model.optimizer)}

    return run


def cases(random, count):
    kinds = [from_scratch, centralized, by_layer, accumulating, lookahead]
    for i in range(count):
        make = kinds[i % len(kinds)]
        yield f"{i}:{make.__name__}", program(make, random.randint(2**31))
