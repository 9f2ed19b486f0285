"""What scripts do with the inside of a model: models of parts, functions of K on outputs of layers, gradients by them, new heads, layers
taken off, layers called again, weights set one by one."""

import functools

import numpy as np
import parts
from parts import attempt, each, names_and_shapes, set_random_weights
from typed import typed

DECIDED = {}


def dense_net(random, one_of):
    from keras import layers

    stack = [layers.Dense(4, input_shape=(3,), activation=one_of(None, "tanh"), kernel_regularizer=one_of(None, "l2"))]
    stack += one_of([layers.LeakyReLU(0.2)], [layers.Dropout(0.0)], [layers.BatchNormalization(momentum=0.0)], [])
    stack += [layers.Dense(3, activation="sigmoid", name="middle"), layers.Dense(2, name="last")]
    return stack, random.standard_normal((5, 3)).astype("float32")


def image_net(random, one_of):
    from keras import layers

    stack = [layers.Conv2D(3, 3, padding="same", activation="tanh", input_shape=(6, 5, 2))]
    stack += one_of([layers.MaxPooling2D()], [layers.BatchNormalization(axis=2, momentum=0.0)], [layers.ZeroPadding2D(1)])
    # On the last axis of images Keras corrects the moving variance twice.
    stack += [layers.Conv2D(2, 2, name="middle", strides=one_of(1, 2))]
    stack += one_of([layers.Flatten()], [layers.GlobalAveragePooling2D()], [layers.GlobalMaxPooling2D()])
    return [*stack, layers.Dense(2, activation="softmax", name="last")], random.standard_normal((3, 6, 5, 2)).astype("float32")


def text_net(random, one_of):
    from keras import layers

    stack = [layers.Embedding(7, 3, input_length=4, mask_zero=one_of(True, False))]
    stack += [layers.LSTM(3, return_sequences=True, name="middle")]
    stack += one_of(
        [layers.GRU(2)], [layers.TimeDistributed(layers.Dense(2)), layers.SimpleRNN(2)], [layers.Bidirectional(layers.GRU(2))]
    )
    x = random.randint(0, 7, (4, 4))
    x[:, 0] = 1
    return [*stack, layers.Dense(2, name="last")], x


def made(stack, as_graph):
    from keras import models

    model = models.Sequential(stack)
    return models.Model(model.input, model.output) if as_graph else model


def facts(model):
    return {
        "layers": len(model.layers),
        "output": model.output_shape,
        "weights": [shape for _, shape in names_and_shapes(model.trainable_weights)],
        "others": [shape for _, shape in names_and_shapes(model.non_trainable_weights)],
    }


def outputs_of_layers(model, x):
    """Each output by a model of a part, and by K.function in both phases."""
    from keras import backend as K
    from keras import models

    outputs = [layer.output for layer in model.layers]
    parts_of = [models.Model(model.input, output) for output in outputs]
    function = K.function([model.input, K.learning_phase()], outputs)
    without = K.function([model.input], [model.layers[-1].output])
    return {
        "models": [part.predict(x) for part in parts_of],
        "facts": [facts(part) for part in parts_of],
        "all": models.Model(model.input, outputs).predict(x),
        "test": function([x, 0]),
        "train": function([x, 1.0]),
        "plain": without([x]),
    }


def slopes(model, x, random):
    """Gradients of an output by the input, by a layer inside and by weights, as maps of activations and saliency use them."""
    from keras import backend as K

    inside = model.get_layer("middle").output
    score = [model.output[:, 0], K.max(model.output, axis=-1), K.mean(K.square(model.output)), K.sum(inside)][random.randint(4)]
    by = [inside, *model.trainable_weights[-2:]]
    by += [] if "int" in str(x.dtype) else [model.input]
    found = K.gradients(score, by)
    kept = [g for g in found if g is not None]
    weighted = [K.mean(kept[0], axis=tuple(range(K.ndim(kept[0]) - 1))), K.sqrt(K.mean(K.square(kept[0])))]
    values = K.function([model.input, K.learning_phase()], [*kept, *weighted, K.sum(score)])([x, 0])
    return {"none": [g is None for g in found], "values": values}


def new_head(model, x, random):
    """A new head on a layer inside, whose base is frozen or not."""
    from keras import layers, models, optimizers

    end = model.layers[random.randint(len(model.layers) - 3, len(model.layers))].output
    flat = layers.Flatten()(end) if len(end._keras_shape) == 4 else end
    fresh = layers.Dense(3, kernel_initializer="ones", activation="tanh")(flat)
    other = models.Model(inputs=model.input, outputs=fresh)
    for layer in model.layers[: random.randint(0, 4)]:
        layer.trainable = type(layer).__name__ == "BatchNormalization"  # which is frozen otherwise than in Keras: decided
    other.compile(optimizers.SGD(0.1, momentum=0.9), "mse")
    y = random.standard_normal((len(x), *other.output_shape[1:-1], 3)) if other.output_shape.count(None) == 1 else None
    y = np.zeros_like(other.predict(x)) if y is None else y
    losses = [other.train_on_batch(x, y) for _ in range(2)]
    result = {"losses": losses, "facts": facts(other), "weights": other.get_weights(), "base": model.predict(x)}
    for layer in model.layers:
        layer.trainable = True
    return result


def taken_off(model, x, random):
    """Layers taken off the end, and others put there."""
    from keras import layers, models

    if hasattr(model, "pop"):
        model.pop()
        model.compile("sgd", "mse")  # without it Keras goes on to predict with the layers that it has compiled
        result = {"popped": model.predict(x), "facts": facts(model)}
        model.add(layers.Dense(2, kernel_initializer="ones"))
        model.compile("sgd", "mse")
        result["added"] = model.predict(x)
        model.pop()
        model.pop()
        model.compile("sgd", "mse")
        return result | {"again": facts(model), "predicted": model.predict(x), "output": str(model.output_shape)}
    model.layers.pop()
    shorter = models.Model(model.input, model.layers[-1].output)
    return {"facts": facts(shorter), "predicted": shorter.predict(x), "length": len(model.layers)}


def called_again(model, x, random):
    """The model and its layers on other inputs."""
    from keras import backend as K
    from keras import layers, models

    fresh = layers.Input(x.shape[1:], dtype=K.dtype(model.input))
    doubled = fresh if "int" in str(x.dtype) else layers.Lambda(lambda v: 2 * v)(fresh)
    outer = models.Model(fresh, model(doubled))
    tensor = fresh
    for layer in model.layers:
        tensor = layer(tensor) if type(layer).__name__ != "InputLayer" else tensor
    rebuilt = models.Model(fresh, tensor)
    layer = model.get_layer("middle")
    copy = attempt(lambda: models.clone_model(model, input_tensors=layers.Input(x.shape[1:])).count_params())
    return {
        "outer": outer.predict(x),
        "rebuilt": rebuilt.predict(x),
        "facts": [facts(outer), facts(rebuilt)],
        "nodes": [len(layer._inbound_nodes), len(model._inbound_nodes)],
        "copy": copy,
        "layer": each(
            output=lambda: K.int_shape(layer.output),
            shape=lambda: layer.output_shape,
            at=lambda: [layer.get_output_shape_at(i) for i in range(len(layer._inbound_nodes))],
            first=lambda: models.Model(model.inputs[0], layer.get_output_at(0)).predict(x),
            second=lambda: models.Model(fresh, layer.get_output_at(1)).predict(x),
            none=lambda: layer.get_output_at(7),
            masks=lambda: [layer.get_output_mask_at(i) is None for i in range(2)],
            inputs=lambda: [K.int_shape(layer.get_input_at(i)) for i in range(2)],
        ),
    }


def weights_set(model, x, random):
    """Weights of single layers, right and wrong."""
    from keras import backend as K

    layer = model.get_layer("middle")
    values = layer.get_weights()
    result = each(
        few=lambda: layer.set_weights(values[:1]),
        many=lambda: layer.set_weights([*values, values[0]]),
        shape=lambda: layer.set_weights([v[..., :1] for v in values]),
        missing=lambda: model.get_layer("absent"),
        index=lambda: model.get_layer(index=40),
        nothing=lambda: model.get_layer(),
        named=lambda: model.get_layer("last").name,
        by_index=lambda: model.get_layer(index=1).name,
    )
    layer.set_weights([v * 0.5 for v in values])
    result["halved"] = model.predict(x)
    K.set_value(layer.weights[0], values[0] * 2)
    result["doubled"] = model.predict(x)
    K.batch_set_value([(w, np.ones(K.int_shape(w))) for w in model.get_layer("last").weights])
    result["ones"] = [model.predict(x), *model.get_weights()]
    model.set_weights([w * 0.5 for w in model.get_weights()])
    return result | {"after": model.predict_on_batch(x), "counts": [model.count_params(), layer.count_params()]}


DEEDS = [outputs_of_layers, slopes, new_head, called_again, weights_set, taken_off]


def program(seed):
    def run():
        random = np.random.RandomState(seed)
        one_of = functools.partial(parts.one_of, random)
        make = one_of(dense_net, image_net, text_net)
        stack, x = make(random, one_of)
        model = made(stack, one_of(True, False))
        set_random_weights(model, random)
        model.compile("sgd", "mse", metrics=["mae"])
        y = random.standard_normal((len(x), 2))
        result = {"kind": make.__name__, "trained": typed(model.train_on_batch(x, y)), "weights": model.get_weights()}
        for i in random.permutation(len(DEEDS))[: random.randint(1, 4)]:
            result[DEEDS[i].__name__] = attempt(DEEDS[i], model, x, random)
            result[f"after {DEEDS[i].__name__}"] = attempt(lambda: [facts(model), model.predict(x)])
        return result

    return run


def cases(random, count):
    for i in range(count):
        yield f"{i}", program(random.randint(2**31))
