"""Models that share layers and train in turn, batch by batch: adversarial nets, actors and critics, layers frozen between compiles."""

import numpy as np
from parts import set_random_weights
from typed import typed

DECIDED = {}


def optimizer(random):
    from keras import optimizers

    makers = [
        lambda: optimizers.SGD(0.05, momentum=0.9),
        lambda: optimizers.Adam(0.01, 0.5),
        lambda: optimizers.RMSprop(lr=0.01, clipvalue=0.5),
        lambda: optimizers.Adam(lr=0.01, decay=1e-2),
        lambda: "adagrad",
    ]
    return makers[random.randint(len(makers))]()


def adversarial(random):
    """A generator and a discriminator, as in the published examples."""
    from keras import layers, models

    generator = models.Sequential([layers.Dense(4, input_dim=2), layers.LeakyReLU(0.2), layers.Dense(3, activation="tanh")])
    judge = models.Sequential([layers.Dense(4, input_dim=3), layers.LeakyReLU(0.2), layers.Dense(1, activation="sigmoid")])
    set_random_weights(generator, random)
    set_random_weights(judge, random)
    judge.compile(optimizer(random), "binary_crossentropy", metrics=["accuracy"])
    judge.trainable = False
    noise = layers.Input((2,))
    both = models.Model(noise, judge(generator(noise)))
    both.compile(optimizer(random), "binary_crossentropy")
    values = []
    for _ in range(4):
        z, real = random.standard_normal((5, 2)), random.standard_normal((5, 3))
        fake = generator.predict(z)
        values += [judge.train_on_batch(real, np.ones((5, 1))), judge.train_on_batch(fake, np.zeros((5, 1)))]
        values.append(both.train_on_batch(z, np.ones((5, 1))))
    counts = [len(m.trainable_weights) for m in (generator, judge, both)]
    return values, counts, [generator, judge]


def frozen(random):
    """Fine-tuning: train the top, then all but the first layer, with the same or a new optimizer."""
    from keras import layers, models

    base = models.Sequential(
        [layers.Dense(4, activation="tanh", input_dim=3, kernel_regularizer="l2"), layers.Dense(3, activation="tanh")]
    )
    set_random_weights(base, random)
    model = models.Sequential([base, layers.Dense(2)])
    set_random_weights(model, random)
    x, y = random.standard_normal((8, 3)), random.standard_normal((8, 2))
    first, values, counts = optimizer(random), [], []
    base.trainable = False
    model.compile(first, "mse", metrics=["mae"])
    for again in range(3):
        values += model.fit(x, y, batch_size=3, epochs=2, shuffle=False, verbose=0).history["loss"]
        counts.append([len(model.trainable_weights), len(model.non_trainable_weights)])
        base.trainable = True
        base.layers[0].trainable = bool(again)
        if random.rand() < 0.8:
            model.compile(first if random.rand() < 0.5 else optimizer(random), "mse", metrics=["mae"])
    return values, counts, [model]


def critic(random):
    """Two heads on one trunk, each compiled with its own optimizer; one model without a metric, one with a function as its loss."""
    from keras import backend as K
    from keras import layers, models

    inputs = layers.Input((3,))
    trunk = layers.Dense(4, activation="sigmoid")(inputs)
    policy, value = (
        models.Model(inputs, layers.Dense(2, activation="softmax")(trunk)),
        models.Model(inputs, layers.Dense(1)(trunk)),
    )
    set_random_weights(policy, random)
    set_random_weights(value, random)
    shared = optimizer(random)
    policy.compile(shared, lambda y, p: -K.sum(y * K.log(p + 1e-8), axis=-1))
    value.compile(shared if random.rand() < 0.3 else optimizer(random), "mse")
    values = []
    for _ in range(4):
        x, gain = random.standard_normal((4, 3)), random.standard_normal((4, 1))
        advantage = gain - value.predict(x)
        action = np.eye(2)[random.randint(0, 2, 4)]
        values += [policy.train_on_batch(x, action, sample_weight=advantage.flatten()), value.train_on_batch(x, gain)]
        values.append(policy.test_on_batch(x, action * advantage))
    return values, [], [policy, value]


def program(seed):
    def run():
        random = np.random.RandomState(seed)
        make = [adversarial, frozen, critic][random.randint(3)]
        values, counts, trained = make(random)
        weights = [model.get_weights() for model in trained]
        return {"kind": make.__name__, "values": typed(values), "counts": counts, "weights": weights}

    return run


def cases(random, count):
    for i in range(count):
        yield f"{i}", program(random.randint(2**31))
