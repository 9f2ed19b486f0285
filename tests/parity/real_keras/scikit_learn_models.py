"""keras.wrappers.scikit_learn: classifiers and regressors with weights that are given, alone and in scikit-learn's search."""

import numpy as np
from on_tensors import attempt

DECIDED = {}


def built(weights, loss, activation):
    def build(rate=0.1, scale=1.0):
        from keras import layers, models, optimizers

        model = models.Sequential([layers.Dense(weights.shape[1], activation=activation, input_shape=weights.shape[:1])])
        model.compile(optimizers.SGD(rate), loss, metrics=["accuracy"])
        model.set_weights([weights * scale, np.zeros(weights.shape[1])])
        return model

    return build


def classifier(random):
    classes = int(random.randint(2, 5))
    x, labels = random.standard_normal((12, 3)), np.arange(12) % classes
    names = np.array(["a", "b", "c", "d"])[labels] if random.rand() < 0.3 else labels + 2
    loss, units, activation = [
        ("categorical_crossentropy", classes, "softmax"),
        ("sparse_categorical_crossentropy", classes, "softmax"),
        ("binary_crossentropy", 1, "sigmoid"),
    ][random.randint(3 if classes == 2 else 2)]
    # Small ones: below the epsilon that losses clip at, gradients are 0 in Keras and those of the logits in lamella, as decided.
    weights = random.uniform(-0.8, 0.8, (3, units))
    scale, epochs = float(random.uniform(0.5, 2)), int(random.randint(1, 4))

    def run():
        from keras.wrappers.scikit_learn import KerasClassifier

        made = KerasClassifier(built(weights, loss, activation), epochs=epochs, verbose=0, shuffle=False)
        made.set_params(scale=scale, batch_size=5)
        history = made.fit(x, names)
        facts = {k: v for k, v in made.get_params().items() if k != "build_fn"}
        result = {"history": history.history, "params": facts, "classes": made.classes_, "n": made.n_classes_}
        result |= {"predict": made.predict(x), "proba": made.predict_proba(x), "score": attempt(lambda: made.score(x, names))}
        result["wrong"] = attempt(lambda: KerasClassifier(built(weights, loss, activation), unknown=1))
        return result

    return f"classifier {classes, loss, names.dtype}", run


def regressor(random):
    x, y = random.standard_normal((12, 3)), random.standard_normal((12, 1))
    weights, loss = random.standard_normal((3, 1)), ["mse", "mae", "logcosh"][random.randint(3)]

    def run():
        from keras.wrappers.scikit_learn import KerasRegressor

        made = KerasRegressor(built(weights, loss, "linear"), epochs=2, batch_size=4, verbose=0, shuffle=False)
        history = made.fit(x, y, sample_weight=np.arange(1, 13) / 3)
        return [
            history.history,
            made.predict(x),
            made.predict(x[:1]),
            made.score(x, y),
            made.score(x, y, sample_weight=np.ones(12)),
        ]

    return f"regressor {loss}", run


def cases(random, count):
    for i in range(count):
        name, run = [classifier, regressor, classifier][i % 3](random)
        yield f"{i}:{name}", run
