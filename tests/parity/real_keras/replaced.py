"""Functions of a batch that snippets replace or wrap: Lookahead, adversarial training, averages of weights, summed gradients."""

import numpy as np
from parts import programs, set_random_weights

DECIDED = {}


def classifier(random, one_of):
    from keras import layers, models, optimizers

    # No clipvalue: TensorFlow clips the gradient of a table before it adds what the same word gets.
    optimizer = one_of(
        optimizers.SGD(0.05, momentum=0.9),
        optimizers.Adam(0.01, decay=1e-2),
        optimizers.RMSprop(lr=0.01),
        optimizers.Adagrad(0.05),
    )
    words = layers.Input((4,))
    x = layers.Embedding(6, 3)(words)
    x = layers.Flatten()(x)
    if random.rand() < 0.5:
        x = layers.BatchNormalization(momentum=0.0)(x)  # TensorFlow's averages are zero-debiased, except for this momentum
    x = layers.Dense(3, activation="tanh", kernel_regularizer=one_of(None, "l2"))(x)
    if random.rand() < 0.5:
        x = layers.Dropout(1e-7)(x)  # needs the learning phase, and drops nothing
    outputs = [layers.Dense(2, activation="softmax", name="first")(x)]
    losses, y = ["categorical_crossentropy"], [np.eye(2)[random.randint(0, 2, 8)]]
    if random.rand() < 0.4:
        outputs.append(layers.Dense(1, name="second")(x))
        losses.append("mae")
        y.append(random.standard_normal((8, 1)))
    model = models.Model(words, outputs)
    set_random_weights(model, random)
    metrics = one_of(None, ["acc"], ["acc", "mse"])
    model.compile(optimizer, losses, metrics=metrics, loss_weights=[0.5, 2.0][: len(losses)])
    return model, random.randint(0, 6, (8, 4)), y


def feeds(model):
    inputs = model._feed_inputs + model._feed_targets + model._feed_sample_weights
    from keras import backend as K

    if model.uses_learning_phase and not isinstance(K.learning_phase(), int):
        inputs += [K.learning_phase()]
    return inputs


def trained(random, one_of, model, x, y):
    way = random.randint(4)
    weights = one_of(None, [random.uniform(0.5, 2, 8) for _ in y])
    if way == 0:
        history = model.fit(
            x, y, batch_size=3, epochs=2, sample_weight=weights, shuffle=False, verbose=0, validation_split=0.25
        )
        values = history.history
    elif way == 1:
        batches = [(x[:5], [a[:5] for a in y]), (x[5:], [a[5:] for a in y])] * 4
        values = model.fit_generator(iter(batches), 2, epochs=2, workers=0, verbose=0).history
    else:
        values = [model.train_on_batch(x, y, sample_weight=weights) for _ in range(3)]
    return values, model.evaluate(x, y, verbose=0), model.metrics_names, model.get_weights()


def lookahead(random, one_of):
    from keras import backend as K

    model, x, y = classifier(random, one_of)
    fast = model._collected_trainable_weights
    steps = model.optimizer.get_updates(params=fast, loss=model.total_loss)
    slow = [K.variable(K.get_value(p)) for p in fast]
    function = K.function(
        feeds(model), [model.total_loss, *model.metrics_tensors], updates=model.updates + steps + model.metrics_updates
    )
    moves = [K.update(q, q + 0.3 * (p - q)) for p, q in zip(fast, slow)]
    copies = [K.update(p, q) for p, q in zip(fast, slow)]
    count = []

    def both(values):
        numbers = function(values)
        count.append(len(values))
        if len(count) % 2 == 0:
            K.batch_get_value(moves)
            K.batch_get_value(copies)
        return numbers

    model.train_function = both
    return trained(random, one_of, model, x, y), count


def adversarial(random, one_of):
    from keras import backend as K

    model, x, y = classifier(random, one_of)
    model._make_train_function()
    old = model.train_function
    table = model.layers[1].embeddings
    gradient = K.zeros_like(table) + K.gradients(model.total_loss, [table])[0]
    function = K.function(model._feed_inputs + model._feed_targets + model._feed_sample_weights, [gradient])

    def train_function(values):
        found = function(values)[0]
        delta = 0.2 * found / (np.sqrt((found**2).sum()) + 1e-8)
        K.set_value(table, K.eval(table) + delta)
        numbers = old(values)
        K.set_value(table, K.eval(table) - delta)
        return numbers

    model.train_function = train_function
    return trained(random, one_of, model, x, y)


def averaged(random, one_of):
    from keras import backend as K

    model, x, y = classifier(random, one_of)
    kept = [K.zeros(K.shape(w)) for w in model.weights]
    counted = K.variable(0.0)
    for w in kept:
        model.metrics_updates.append(K.update(w, 0.9 * w + 0.1 * K.ones(K.int_shape(w))))
    model.metrics_updates.append(K.update(counted, counted + K.sum(model.outputs[0]) * 0 + 1))
    return trained(random, one_of, model, x, y), K.batch_get_value(kept), K.get_value(counted)


def summed(random, one_of):
    from keras import backend as K

    model, x, y = classifier(random, one_of)
    weights = model._collected_trainable_weights
    sums = [K.zeros(K.int_shape(w)) for w in weights]
    gradients = K.gradients(model.total_loss, weights)
    add = K.function(feeds(model), [model.total_loss], updates=[K.update_add(s, g) for s, g in zip(sums, gradients)])
    move = K.function([], [], updates=[K.update_sub(w, 0.05 * s) for w, s in zip(weights, sums)])
    shapes = []

    def train_function(values):
        shapes.append([np.shape(v) for v in values])
        numbers = add(values)
        if len(shapes) % 2 == 0:
            move([])
            K.batch_set_value([(s, np.zeros(K.int_shape(s))) for s in sums])
        return numbers + [1.0] * len(model.metrics_tensors)

    model.train_function = train_function
    model.test_function = lambda values: [float(len(values))] * (1 + len(model.metrics_tensors))
    return trained(random, one_of, model, x, y), shapes


def made(random, one_of):
    """Which functions exist when."""
    model, x, y = classifier(random, one_of)
    names = ["train_function", "test_function", "predict_function"]

    def existing():
        return [getattr(model, name, 0) is not None for name in names]

    values = [existing()]
    for _ in range(3):
        run = one_of(
            lambda: model.fit(x, y, verbose=0),
            lambda: model.fit(x, y, verbose=0, validation_data=(x, y)),
            lambda: model.train_on_batch(x, y),
            lambda: model.evaluate(x, y, verbose=0),
            lambda: model.predict(x),
            lambda: model._make_predict_function(),
            lambda: setattr(model, one_of(*names), None),
            lambda: model.compile("sgd", "mse"),
        )
        run()
        values.append(existing())
    return values, model._uses_dynamic_learning_phase(), model._function_kwargs, len(model.metrics_updates)


def cases(random, count):
    yield from programs([lookahead, adversarial, averaged, summed, made], random, count)
