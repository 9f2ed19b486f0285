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


def forms(random):
    """The ways to give a model: a function, an object that is called, a subclass; one-hot targets; options of each method."""
    classes = int(random.randint(2, 4))
    x, labels = random.standard_normal((9, 3)), random.permutation(np.arange(9) % classes)
    weights, kind = random.uniform(-0.8, 0.8, (3, classes)), ["function", "object", "subclass"][random.randint(3)]
    size, one_hot, regress = int(random.randint(1, 6)), bool(random.rand() < 0.5), bool(random.rand() < 0.3)
    chosen = {name: value for name, value in {"batch_size": size, "epochs": 2, "steps": None}.items() if random.rand() < 0.6}
    chosen["verbose"] = 0  # lamella draws no bars without a screen

    def run():
        from keras.wrappers import scikit_learn

        loss = "mse" if regress else "categorical_crossentropy"
        build = built(weights, loss, "linear" if regress else "softmax")

        class Builder:
            def __call__(self, rate=0.1, scale=1.0):
                return build(rate, scale)

        base = scikit_learn.KerasRegressor if regress else scikit_learn.KerasClassifier

        class Own(base):
            def __call__(self, rate=0.1):
                return build(rate)

        made = {
            "function": lambda: base(build, **chosen),
            "object": lambda: base(Builder(), **chosen),
            "subclass": lambda: Own(**chosen),
        }
        model = attempt(made[kind])
        if isinstance(model, str):
            return model
        y = np.eye(classes)[labels] if regress or one_hot else labels
        result = {"fit": attempt(lambda: model.fit(x, y, shuffle=False, verbose=0, batch_size=size).history)}
        result["predict"] = [attempt(lambda: model.predict(x)), attempt(lambda: model.predict(x[:1], batch_size=2))]
        result["proba"] = attempt(lambda: model.predict_proba(x[:2]))
        result["score"] = [attempt(lambda: model.score(x, y)), attempt(lambda: model.score(x, y, batch_size=3))]
        result["filtered"] = model.filter_sk_params(build, {"scale": 3.0}), sorted(model.filter_sk_params(model.model.predict))
        wrong = [
            {"rate": 0.5},
            {"optimizer": 1},
            {"nb_epoch": 2},
            {"callbacks": []},
            {"class_weight": None},
            {"validation_split": 0.5},
        ]
        result["set"] = [
            attempt(lambda some=some: sorted(n for n in model.set_params(**some).get_params() if n != "build_fn"))
            for some in wrong
        ]
        result["again"] = attempt(lambda: model.fit(x, y, epochs=1, shuffle=False).history)
        return result

    return f"forms {kind, classes, one_hot, regress, sorted(chosen)}", run


def cases(random, count):
    for i in range(count):
        name, run = [classifier, regressor, forms][i % 3](random)
        yield f"{i}:{name}", run
