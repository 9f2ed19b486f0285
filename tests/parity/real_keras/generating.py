"""fit_generator, evaluate_generator and predict_generator: what generators and Sequences may give, how many steps, and the calls."""

import functools

import numpy as np
import parts
from parts import set_random_weights
from typed import typed

DECIDED = {"only Keras raises StopIteration": "a generator that ends also ends the run, with a warning"}


class Batches:
    """What both a generator and a Sequence give: batch i, in one of the forms of Keras."""

    def __init__(self, random, form, sizes, inputs, outputs, weighted):
        self.form, self.weighted, self.outputs = form, weighted, outputs
        self.x = [[random.standard_normal((n, 3)) for _ in range(inputs)] for n in sizes]
        self.y = [[random.standard_normal((n, 2)) for _ in range(outputs)] for n in sizes]
        self.w = [[random.uniform(0.5, 2, n) for _ in range(outputs)] for n in sizes]

    def named(self, parts):
        if self.form == "dict":
            return {f"out_{i}": part for i, part in enumerate(parts)}
        return parts[0] if self.outputs == 1 else parts

    def inputs(self, i):
        x = self.x[i]
        if self.form == "dict":
            return {f"in_{n}": part for n, part in enumerate(x)}
        return x if self.form == "list" or len(x) > 1 else x[0]

    def item(self, i):
        item = (self.inputs(i), self.named(self.y[i]))
        return item + (self.named(self.w[i]),) if self.weighted else item

    def __len__(self):
        return len(self.x)


def generator(batches, passes, seen, inputs_only=None):
    for _ in range(passes):
        for i in range(len(batches)):
            seen.append(i)
            item = batches.item(i)
            yield item if inputs_only is None else [item[0], item[:2], item][inputs_only]


def sequence(batches, ended, inputs_only=None):
    from keras.utils import Sequence

    class Ordered(Sequence):
        def __len__(self):
            return len(batches)

        def __getitem__(self, i):
            item = batches.item(i)
            return item if inputs_only is None else [item[0], item[:2], item][inputs_only]

        def on_epoch_end(self):
            ended.append(1)

    return Ordered()


def program(seed):
    def run():
        from keras import layers, models
        from keras.callbacks import LambdaCallback

        random = np.random.RandomState(seed)

        one_of = functools.partial(parts.one_of, random)
        inputs = [layers.Input((3,), name=f"in_{i}") for i in range(one_of(1, 1, 2))]
        joined = layers.subtract(inputs) if len(inputs) > 1 else inputs[0]
        outputs = [layers.Dense(2, name=f"out_{i}")(joined) for i in range(one_of(1, 1, 2))]
        model = models.Model(inputs, outputs)
        set_random_weights(model, random)
        model.compile("sgd", "mse", metrics=one_of(None, ["mae"]), weighted_metrics=one_of(None, ["mae"]))

        weighted_classes = random.rand() < 0.4

        def data():
            sizes = random.randint(1, 5, random.randint(1, 5))
            made = Batches(random, one_of("plain", "list", "dict"), sizes, len(inputs), len(outputs), random.rand() < 0.5)
            if weighted_classes:
                made.y = [[np.eye(2)[part.argmax(1)] for part in y] for y in made.y]
            return made

        train, valid = data(), data()
        seen, ended, calls = [], [], []
        as_sequence, valid_as = random.rand() < 0.5, one_of(None, "sequence", "generator", "arrays")
        passes = one_of(1, 2, 50)
        fit = {"generator": sequence(train, ended) if as_sequence else generator(train, passes, seen)}
        if not as_sequence or random.rand() < 0.4:
            fit["steps_per_epoch"] = one_of(len(train), len(train), 1, len(train) + 1)
        if valid_as is not None:
            valid_arrays = (valid.inputs(0), valid.named(valid.y[0]), valid.named(valid.w[0]))[: one_of(2, 3)]
            made = {"sequence": sequence(valid, ended), "generator": generator(valid, 50, seen), "arrays": valid_arrays}
            fit["validation_data"] = made[valid_as]
            if valid_as == "generator" or (valid_as == "sequence" and random.rand() < 0.3):
                fit["validation_steps"] = one_of(1, len(valid))
        # lamella begins a Sequence at the batch where a fit without initial_epoch would be.
        own_steps = (as_sequence and "steps_per_epoch" in fit) or (valid_as == "sequence" and "validation_steps" in fit)
        hooks = ["on_batch_begin", "on_batch_end", "on_epoch_begin", "on_epoch_end"]
        noted = {h: (lambda i, logs, h=h: calls.append([h, i, typed(logs)])) for h in hooks}
        if random.rand() < 0.5:
            fit["workers"] = one_of(0, 1)
        if weighted_classes:
            each = {0: float(random.uniform(0.2, 2)), 1: 1.5}
            fit["class_weight"] = one_of(each, each, None) if len(outputs) == 1 else one_of({"out_1": each}, [None, each])
        if random.rand() < 0.3:
            fit["max_queue_size"] = one_of(1, 2, 20)
        history = model.fit_generator(
            epochs=one_of(1, 3),
            initial_epoch=0 if own_steps else one_of(0, 0, 1),
            verbose=0,
            shuffle=False,
            callbacks=[LambdaCallback(**noted)],
            **fit,
        )
        result = {"history": typed(history.history), "epoch": history.epoch, "calls": calls, "params": typed(history.params)}
        more = {"workers": one_of(0, 1), "steps": one_of(1, len(valid))}
        result["evaluated"] = typed(model.evaluate_generator(one_of(sequence(valid, []), generator(valid, 1, [])), **more))
        only = one_of(0, 1, 2)
        result["predicted"] = model.predict_generator(one_of(sequence(valid, [], only), generator(valid, 1, [], only)), **more)
        return result | {"weights": model.get_weights()}

    return run


def cases(random, count):
    for i in range(count):
        yield f"{i}", program(random.randint(2**31))
