"""Layers and methods called with the argument names of Keras 1: their configs, whether they warn, and numbers of a step."""

import warnings

import numpy as np

DECIDED = {
    "data_format: only in lamella": "Keras forgets it in the configs of SpatialDropout and LocallyConnected1D",
    "'dropout': 0.2}.result[2]": "the argument that Embedding no longer has is named as one of Keras 1",
    "{'input_dim': 3, 'input_length': 4}.result[2]": "input_dim of recurrent layers needs no warning",
}

DENSE = {
    "init": "one",
    "W_regularizer": "l2",
    "b_regularizer": "l1",
    "W_constraint": "nonneg",
    "b_constraint": "maxnorm",
    "bias": True,
}
RECURRENT = {"init": "one", "inner_init": "zero", "inner_activation": "sigmoid", "W_regularizer": "l2", "b_regularizer": "l1"}
RECURRENT |= {"U_regularizer": "l2", "dropout_W": 0.1, "dropout_U": 0.2, "consume_less": ["cpu", "mem", "gpu"]}
POOLING = {"border_mode": "same", "dim_ordering": ["tf", "th", "default"]}
FORM = {"dim_ordering": ["tf", "th", "default"]}
# Positional arguments, names of Keras 1 that are always there, and names that may be there.
LAYERS = {
    "Dense": [((), {"output_dim": 3}, DENSE), ((3,), {}, DENSE)],
    "Dropout": [((), {"p": 0.3}, {}), ((0.4,), {}, {})],
    "SpatialDropout1D": [((), {"p": 0.3}, {})],
    "SpatialDropout2D": [((), {"p": 0.3}, FORM)],
    "SpatialDropout3D": [((), {"p": 0.3}, FORM)],
    "GaussianDropout": [((), {"p": 0.3}, {})],
    "GaussianNoise": [((), {"sigma": 0.3}, {})],
    "Embedding": [((5, 3), {}, {"init": "one", "W_regularizer": "l2", "W_constraint": "nonneg", "dropout": 0.2})],
    "PReLU": [((), {}, {"init": "one"})],
    "MaxPooling1D": [((), {}, {"pool_length": 3, "stride": 2, "border_mode": "same"})],
    "AveragePooling1D": [((), {}, {"pool_length": 3, "stride": 2, "border_mode": "same"})],
    "MaxPooling2D": [(((2, 3),), {}, POOLING)],
    "AveragePooling2D": [(((2, 3),), {}, POOLING)],
    "MaxPooling3D": [((), {}, POOLING)],
    "GlobalMaxPooling2D": [((), {}, FORM)],
    "GlobalAveragePooling2D": [((), {}, FORM)],
    "UpSampling1D": [((), {"length": 3}, {})],
    "UpSampling2D": [((), {}, FORM)],
    "UpSampling3D": [((), {}, FORM)],
    "ZeroPadding2D": [((), {}, FORM), (((1, 2),), {}, FORM)],
    "ZeroPadding3D": [((), {}, FORM)],
    "Cropping2D": [((), {}, FORM)],
    "Cropping3D": [((), {}, FORM)],
    "Conv1D": [((), {"nb_filter": 2, "filter_length": 3}, {"subsample_length": 2, "border_mode": "same"} | DENSE)],
    "Conv2D": [
        ((2, 3, 4), {}, {"subsample": (2, 2), "border_mode": "same"} | FORM | DENSE),
        ((2, 3), {"nb_col": 4}, DENSE),
        ((2,), {"nb_row": 3, "nb_col": 4}, DENSE),
        ((), {"nb_filter": 2, "nb_row": 3, "nb_col": 4}, FORM),
    ],
    "Conv2DTranspose": [((2, 3, 4), {}, {"subsample": (2, 2), "border_mode": "same", "output_shape": (1, 2, 3)} | DENSE)],
    "SeparableConv2D": [((2, 3, 4), {}, {"depthwise_init": "one", "pointwise_init": "zero", "bias": False} | FORM)],
    "Conv3D": [
        ((2, 3, 4, 5), {}, {"border_mode": "same"} | FORM),
        ((2,), {"kernel_dim1": 3, "kernel_dim2": 2, "kernel_dim3": 1}, DENSE),
    ],
    "LocallyConnected1D": [((2, 3), {}, {"border_mode": "valid", "bias": False, "init": "one"})],
    "LocallyConnected2D": [((2, 3, 4), {}, {"subsample": (2, 2), "bias": False} | FORM)],
    "BatchNormalization": [((), {}, {"beta_init": "one", "gamma_init": "zero", "mode": 0, "momentum": 0.9})],
    "SimpleRNN": [((), {"output_dim": 2}, RECURRENT), ((2,), {"input_dim": 3}, {"input_length": 4, **RECURRENT})],
    "GRU": [((2,), {}, RECURRENT)],
    "LSTM": [((2,), {}, {"forget_bias_init": ["one", "zero"], **RECURRENT}), ((2,), {"input_dim": 3, "input_length": 4}, {})],
    "ConvLSTM2D": [((2, 3, 4), {}, {"border_mode": "same", "subsample": (2, 2), "inner_activation": "tanh"} | FORM)],
}


def chosen(random, names):
    picked = {name: value for name, value in names.items() if random.rand() < 0.5}
    return {name: str(random.choice(value)) if isinstance(value, list) else value for name, value in picked.items()}


def plain_config(config):
    return {name: value for name, value in config.items() if name not in ("name", "dtype")}


def layer(random, kind):
    arguments, always, maybe = LAYERS[kind][random.randint(len(LAYERS[kind]))]
    named = always | chosen(random, maybe)

    def run():
        from keras import layers

        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            made = getattr(layers, kind)(*arguments, **named)
        told = any("Keras 2" in str(w.message) or "legacy" in str(w.message) for w in warned)
        return [plain_config(made.get_config()), getattr(made, "batch_input_shape", None), told]

    return f"{kind} {arguments} {named}", run


def methods(random):
    x, y = random.standard_normal((12, 3)), random.standard_normal((12, 2))
    names = chosen(random, {"nb_worker": 1, "pickle_safe": False, "max_q_size": 2, "nb_val_samples": 2})

    def run():
        from keras import layers, models

        def batches():
            while True:
                yield x[:4], y[:4]

        start = layers.Input((3,), dtype="float32")
        model = models.Model(input=start, output=layers.Dense(2, init="one")(start))
        model.compile("sgd", "mse")
        given = dict(names)
        if given.pop("nb_val_samples", None):
            given |= {"validation_data": batches(), "nb_val_samples": 2}
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            history = model.fit_generator(batches(), samples_per_epoch=3, nb_epoch=2, verbose=0, **given)
        told = any("Keras 2" in str(w.message) for w in warned)
        more = model.fit(x, y, nb_epoch=1, verbose=0).history
        scores = [model.evaluate_generator(batches(), val_samples=2), model.predict_generator(batches(), val_samples=1)]
        return [history.history, more, scores, told, model.get_weights()]

    return f"methods {names}", run


def merges(random):
    a, b = random.standard_normal((2, 4, 3)), random.standard_normal((2, 4, 3))
    mode = str(random.choice(["sum", "mul", "concat", "ave", "max", "dot", "cos"]))
    axis = int(random.choice([-1, 1, 2]))

    def run():
        from keras import layers, models
        from keras.legacy.layers import merge

        inputs = [layers.Input((4, 3)), layers.Input((4, 3))]
        y = merge(inputs, mode=mode, concat_axis=axis, dot_axes=2 if mode in ("dot", "cos") else -1)
        return [models.Model(inputs, y).predict([a, b]), np.shape(y)[1:] if isinstance(y, np.ndarray) else 0]

    return f"merge {mode, axis}", run


def cases(random, count):
    kinds = list(LAYERS)
    for i in range(count):
        other = {3: methods, 9: merges}.get(i % 12)
        name, run = other(random) if other else layer(random, kinds[i % len(kinds)])
        yield f"{i}:{name}", run
