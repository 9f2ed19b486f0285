"""compile, fit, evaluate, predict and the methods of one batch with all they take: forms of data, losses, metrics, weights."""

import numpy as np
from nets import OUTPUTS, STEPS, Net
from typed import typed

DECIDED = {}


def custom_loss(y, p):
    from keras import backend as K

    return K.mean(K.square(y - p), axis=-1) + 0.1 * K.mean(K.abs(p), axis=-1)


def mean_of_predictions(y, p):
    from keras import backend as K

    return K.mean(p)


def losses(net):
    """Losses as a text, function, list or dictionary; some None."""
    each = [net.one_of(OUTPUTS[k][1] + [custom_loss] * ("indices" not in k)) for k in net.kinds]
    if net.without_loss is not None:
        each[net.without_loss] = None
    names = [f"out_{i}" for i in range(len(each))]
    forms = [each, {n: e for n, e in zip(names, each, strict=True) if e is not None}]
    return each, net.one_of([*forms, each[0]] if len(each) == 1 else forms)


def metrics(net):
    """Metrics as a list for all outputs or a dictionary."""
    if net.random.rand() < 0.2:
        return None
    some = {
        f"out_{i}": net.one_of([net.one_of(OUTPUTS[k][2]), OUTPUTS[k][2], mean_of_predictions]) for i, k in enumerate(net.kinds)
    }
    chosen = {name: m for name, m in some.items() if net.random.rand() < 0.8}
    return net.one_of(
        [
            chosen,
            [mean_of_predictions],
            ["acc"],
            ["accuracy", mean_of_predictions],
            ["mae", "mae"] if not any("indices" in k for k in net.kinds) else [],
        ]
    )


def weights_of(net, rows, temporal, each, zeros):
    """Sample weights in a random form, or None; some are zero."""
    if net.random.rand() < 0.3:
        return None
    arrays = []
    for t in temporal:
        arrays.append(np.round(net.random.uniform(0.2, 2, (rows, STEPS) if t else rows), 1))
        if zeros:
            arrays[-1][1:-1:2] = 0  # all weights of a batch 0: NaN in Keras, and 0 here
    arrays = [net.one_of([a, a, a.astype("float32")]) for a in arrays]
    if len(arrays) == 1:
        return net.form(arrays, "out")
    left = [i for i, loss in enumerate(each) if loss is not None]
    if net.random.rand() < 0.5:
        return {f"out_{i}": arrays[i] for i in left if net.random.rand() < 0.8}
    return [arrays[i] if net.random.rand() < 0.8 else None for i in left]


def class_weights(net, each):
    """A dictionary of classes, or one for some outputs, or None."""
    able = {
        f"out_{i}": {c: float(net.random.uniform(0.2, 2)) for c in range(max(2, w))}
        for i, (k, w) in enumerate(zip(net.kinds, net.widths, strict=True))
        if k in ("classes", "indices", "binary") and each[i] is not None
    }
    if not able or net.random.rand() < 0.5:
        return None
    return net.one_of([able, able["out_0"]]) if len(net.kinds) == 1 else able


def fed(each, y, net):
    """The targets of outputs that have a loss, in a random form."""
    names = [i for i, loss in enumerate(each) if loss is not None]
    if len(names) == len(y):
        return net.form(y, "out")
    forms = [{f"out_{i}": y[i] for i in names}, [y[i] for i in names]]
    return net.one_of([*forms, y[names[0]]] if len(names) == 1 else forms)


def program(seed):
    def run():
        from keras import optimizers

        random = np.random.RandomState(seed)
        net = Net(random, extras=("mask", "penalty", "added"))
        each, loss = losses(net)
        temporal = ["step" in k and random.rand() < 0.5 for k in net.kinds]
        modes = ["temporal" if t else None for t in temporal]
        mode = net.one_of([modes, {f"out_{i}": m for i, m in enumerate(modes)}, modes[0] if len(modes) == 1 else modes])
        loss_weights = [round(float(random.uniform(0.1, 2)), 2) for _ in net.kinds]
        loss_weights = net.one_of(
            [None, loss_weights, {f"out_{i}": w for i, w in enumerate(loss_weights) if random.rand() < 0.7}]
        )
        chosen, weighted = (
            metrics(net),
            net.one_of(
                [None, None, ["mse"] if not any("indices" in k for k in net.kinds) else [], ["acc", mean_of_predictions]]
            ),
        )
        net.model.compile(optimizers.SGD(0.003), loss, chosen, loss_weights, mode if any(temporal) else None, weighted)
        rows, batch, more = random.randint(2, 12), random.randint(1, 6), random.randint(1, 5)
        x, y = net.form(net.x(rows), "in"), fed(each, net.y(rows), net)
        split = net.one_of([0.0, 0.0, 0.3])
        weights, of_classes = weights_of(net, rows, temporal, each, batch > 1 and not split), class_weights(net, each)
        result = {"names": net.model.metrics_names, "kinds": net.kinds}
        result["before"] = typed(net.model.evaluate(x, y, batch, verbose=0, sample_weight=weights))
        result["test"] = typed(net.model.test_on_batch(x, y, weights))
        result["train"] = typed(net.model.train_on_batch(x, y, weights, of_classes))
        validation = net.one_of([None, (net.form(net.x(more), "in"), fed(each, net.y(more), net))])
        if validation and random.rand() < 0.5:
            validation += (weights_of(net, more, temporal, each, batch > 1),)
        history = net.model.fit(
            x,
            y,
            batch,
            epochs=random.randint(1, 5),
            verbose=0,
            shuffle=net.one_of([False, False, "batch"]) if batch >= rows else False,
            validation_split=split,
            validation_data=validation,
            class_weight=of_classes,
            sample_weight=weights,
            initial_epoch=net.one_of([0, 0, 1]),
            validation_freq=net.one_of([1, 2, [1, 3], (2,)]),
        )
        result |= {"history": typed(history.history), "epoch": history.epoch, "params": typed(history.params)}
        result["after"] = typed(net.model.evaluate(x, y, batch_size=batch, verbose=0))
        result["predicted"] = net.model.predict(x, batch), net.model.predict_on_batch(x)
        return result | {"weights": net.model.get_weights()}

    return run


def cases(random, count):
    for i in range(count):
        yield f"{i}", program(random.randint(2**31))
